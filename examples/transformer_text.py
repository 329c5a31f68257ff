"""A transformer of two blocks learns to add: it reads "71+52=240;" character by character and says which comes next."""

import numpy as np

import minigraph as mg
from minigraph.blocks import transformer_encoder
from minigraph.costs import SoftmaxCrossEntropy
from minigraph.layers import Dense, Embedding, LayerNorm, PositionalEncoding
from minigraph.schedules import Cosine

CHARACTERS, LENGTH, WIDTH = "0123456789+=;", 9, 32
EQUALS, EPOCHS, BATCH = 5, 9, 50


def line(a, b):
    """A sum as text: 17 + 25 = 42 is "71+52=240;", each number with its units first, as one adds by hand."""
    return f"{a:02}"[::-1] + "+" + f"{b:02}"[::-1] + "=" + f"{a + b:03}"[::-1] + ";"


pairs = np.random.default_rng(0).permutation([(a, b) for a in range(100) for b in range(100)])
codes = np.array([[CHARACTERS.index(c) for c in line(a, b)] for a, b in pairs])
text, following = codes[:, :-1], codes[:, 1:].copy()
following[:, :EQUALS] = -1  # nobody can foretell the question
data, new = {"text": text[500:], "next": following[500:]}, text[:500]

g = mg.Graph("transformer", seed=0, dtype="float32")
h = g.input("text", LENGTH, dtype=int) >> Embedding(len(CHARACTERS), WIDTH) >> PositionalEncoding()
for i in (1, 2):
    h = h >> transformer_encoder(h, 4, 64, norm_first=True, causal=True, name=f"block {i}")
logits = h >> LayerNorm() >> Dense(len(CHARACTERS), name="logits")
g.cost(SoftmaxCrossEntropy(ignore_index=-1), logits, target="next")
print(g)

adam = mg.AdamW(Cosine(5e-3, steps=EPOCHS * len(data["text"]) // BATCH, warmup=100), clip_norm=1.0)
history = mg.fit(g, data, epochs=EPOCHS, batch_size=BATCH, optimizer=adam, progress=False)
print("share of the answers' characters foretold:", history.accuracy.round(3))

said = new.copy()
said[:, EQUALS + 1 :] = 0
for i in range(EQUALS, LENGTH - 1):  # what it writes becomes what it reads
    said[:, i + 1] = mg.predict(g, text=said)[:, i].argmax(axis=1)
for row in said[:3]:
    print("".join(CHARACTERS[i] for i in row))
print(f"{np.mean((said == new).all(axis=1)):.1%} of 500 sums that it never saw are right")

run = g.forward({name: rows[:16] for name, rows in data.items()}).backward()
print(f"drawn in {g.draw('transformer.svg')} and {run.draw('transformer_flow.svg')}")
