"""XOR: the smallest thing a network without a hidden layer can't learn."""

import numpy as np

import minigraph as mg
from minigraph.costs import Quadratic
from minigraph.layers import Dense

X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
T = np.array([[0], [1], [1], [0]])

g = mg.Sequential(2, Dense(3, "tanh"), Dense(1, "sigmoid"), cost=Quadratic(), name="xor", seed=0)
history = mg.fit(g, {"x": X, "t": T}, epochs=1000, batch_size=4, optimizer=mg.SGD(lr=2.0), progress=False)

print(g)
for x, y in zip(X, mg.predict(g, x=X)[:, 0], strict=True):
    print(f"{x[0]} xor {x[1]} = {y:.3f}")
print(f"cost {history.cost[0]:.3f} -> {history.cost[-1]:.5f}")

run = g.forward(x=X, t=T).backward()
print(f"network drawn in {g.draw('xor.svg')}, gradient flow in {run.draw('xor_flow.svg')}")
