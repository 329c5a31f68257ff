"""An LSTM learns to spell: it reads a text character by character and says which comes next."""

import numpy as np

import minigraph as mg
from minigraph.costs import SoftmaxCrossEntropy
from minigraph.layers import LSTM, Dense, Embedding, Softmax

LENGTH = 24
rng = np.random.default_rng(0)


def sentence():
    """Something like "the red cat sees a big dog."."""
    thing = ["the", "a"], ["red", "big", "old"], ["cat", "dog", "owl", "goat"]
    return " ".join(rng.choice(words) for words in (*thing, ["sees", "bites", "hears"], *thing)) + ".\n"


text = "".join(sentence() for _ in range(1000))
characters = sorted(set(text))
codes = np.array([characters.index(c) for c in text])
windows = np.arange(0, len(codes) - LENGTH, 7)[:, None] + np.arange(LENGTH)
data = {"text": codes[windows], "next": codes[windows + 1]}

g = mg.Graph("character LSTM", seed=0, dtype="float32")
h = g.input("text", LENGTH, dtype=int) >> Embedding(len(characters), 16) >> LSTM(48, name="lstm")
logits = h >> Dense(len(characters), name="logits")
g.output(logits >> Softmax(name="chances"))
g.cost(SoftmaxCrossEntropy(), logits, target="next")
print(g)

adam = mg.Adam(0.005, clip_norm=1.0)
history = mg.fit(g, data, epochs=6, batch_size=32, optimizer=adam, progress=False)
print("share of characters foretold:", history.accuracy.round(3))

written = list(codes[:LENGTH])
for _ in range(200):  # what it writes becomes what it reads
    chances = mg.predict(g, text=written[-LENGTH:])[-1]
    written.append(rng.choice(len(characters), p=chances))
story = "".join(characters[i] for i in written)
print(story)
known, words = (set(t.replace(".", "").split()) for t in (text, story[: story.rindex(" ")]))
print(f"{len(words & known)} of the {len(words)} different words it writes are words")

run = g.forward({name: rows[:16] for name, rows in data.items()}).backward()
print(f"drawn in {g.draw('lstm.svg')} and {run.draw('lstm_flow.svg')}")
