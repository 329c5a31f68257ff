"""A residual convolutional network reads handwritten digits: two residual blocks, each a graph of visible nodes."""

import numpy as np

import minigraph as mg
from minigraph.blocks import residual
from minigraph.costs import SoftmaxCrossEntropy
from minigraph.layers import Activation, BatchNorm, Conv2D, Dense, GlobalAvgPool
from minigraph.schedules import OneCycle

EPOCHS, BATCH = 4, 50
digits = mg.datasets.mnist()  # the part that comes with the package: 6,000 to train, 1,000 to test
train = {"image": digits.x_train.reshape(-1, 1, 28, 28), "t": digits.y_train}
test = {"image": digits.x_test.reshape(-1, 1, 28, 28), "t": digits.y_test}

g = mg.Graph("residual digits", seed=0, dtype="float32")
h = g.input("image", (1, 28, 28)) >> Conv2D(16, 3, stride=2, padding=1, bias=False, weights="he_normal", name="stem")
h = h >> BatchNorm() >> Activation("relu")
h = h >> residual(h, 32, stride=2, name="wider")
h = h >> residual(h, 32, name="deeper")
g.cost(SoftmaxCrossEntropy(), h >> GlobalAvgPool() >> Dense(10, name="digit"))
print(g)

rate = OneCycle(0.01, EPOCHS * len(digits.y_train) // BATCH)
mg.fit(g, train, epochs=EPOCHS, batch_size=BATCH, optimizer=mg.Adam(rate), progress=False)
answers = mg.predict(g, image=test["image"]).argmax(axis=1)
accuracy = np.mean(answers == test["t"])
print(f"{accuracy:.2%} of the test digits are read right")
first = np.flatnonzero(answers != test["t"])[0]
print(f"one that is not, {test['t'][first]} taken for {answers[first]}:")
for row in test["image"][first, 0, 4:-4:2]:
    print("".join(np.where(row > 0.5, "#", ".")))
assert accuracy >= 0.96

run = g.forward({name: rows[:10] for name, rows in test.items()}).backward()
print(f"drawn in {g.draw('residual_digits.svg')} and {run.draw('residual_digits_flow.svg')}")
