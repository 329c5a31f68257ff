"""A siamese network learns where to put digits: the same near each other, others apart. Three uses of one tower."""

import numpy as np

import minigraph as mg
from minigraph.costs import TripletMargin
from minigraph.layers import Dense

digits = mg.datasets.mnist()
by_class = [np.flatnonzero(digits.y_train == c) for c in range(10)]
rng = np.random.default_rng(0)


def triplets(m):
    """Batches without end: an anchor, another image of its digit, an image of another digit."""
    while True:
        same = rng.integers(0, 10, m)
        other = (same + rng.integers(1, 10, m)) % 10
        rows = [[rng.choice(by_class[c]) for c in classes] for classes in (same, same, other)]
        yield {name: digits.x_train[r] for name, r in zip(("anchor", "positive", "negative"), rows, strict=True)}


tower = mg.Sequential(784, Dense(64, "relu", name="hidden"), Dense(8, name="place"), seed=0, dtype="float32")
g = mg.Graph("siamese", dtype="float32")
inputs = [g.input(name, 784) for name in ("anchor", "positive", "negative")]
anchor, positive, negative = (g.add(tower, x, name=f"tower of {x.name}") for x in inputs)  # one set of Params
g.cost(TripletMargin(), anchor, positive, negative)
print(g)


def share_right():
    """How many new digits lie nearest to one of their own; the tower alone is a network, too."""
    known, new = mg.predict(tower, x=digits.x_train[:2000]), mg.predict(tower, x=digits.x_test[:500])
    nearest = np.linalg.norm(new[:, None] - known, axis=2).argmin(axis=1)
    return np.mean(digits.y_train[nearest] == digits.y_test[:500])


untrained = share_right()
history = mg.fit(g, triplets(50), epochs=8, steps=150, optimizer=mg.Adam(1e-3), progress=False)
print("cost by epoch:", history.cost.round(3))
print(f"new digits that lie nearest to one of their own: {untrained:.1%} untrained, {share_right():.1%} trained")

run = g.forward(next(triplets(20))).backward()
parts = run.grad(tower["hidden"].layer.w, per="use")
print("∂C/∂w by use:", {name: f"{np.linalg.norm(part):.3f}" for name, part in parts.items()})
print(f"drawn in {g.draw('siamese.svg')} and {run.draw('siamese_flow.svg')}")
