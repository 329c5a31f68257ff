"""One trunk, two tasks: which digit is it, and how much ink? Each cost sends its own gradient into the trunk."""

import numpy as np

import minigraph as mg
from minigraph.costs import L2, MeanSquaredError, SoftmaxCrossEntropy
from minigraph.layers import Dense

digits = mg.datasets.mnist()


def tasks(x, y):
    return {"image": x, "digit": y, "ink": 10 * x.mean(axis=1, keepdims=True)}


train, test = tasks(digits.x_train, digits.y_train), tasks(digits.x_test, digits.y_test)
g = mg.Graph("multi-task", seed=0, dtype="float32")
trunk = g.input("image", 784) >> Dense(64, "relu", name="trunk")
which = trunk >> Dense(10, name="which digit")
much = trunk >> Dense(16, "tanh", name="ink neurons") >> Dense(1, name="how much ink")
g.cost(SoftmaxCrossEntropy(), which, target="digit", name="recognition")
g.cost(MeanSquaredError(weight=2.0), much, target="ink", name="estimate")
g.cost(L2(1e-4, "*.w"), name="penalty")
print(g)

mg.fit(g, train, epochs=5, batch_size=32, optimizer=mg.Adam(1e-3), progress=False)
score = mg.evaluate(g, test, metrics={"recognition": ["accuracy", mg.metrics.top_k(2)], "estimate": ["r2"]})
for name, value in score.metrics.items():
    print(f"{name} on new digits: {value:.3f}")

run = g.forward({name: rows[:200] for name, rows in test.items()})
w = g["trunk"].layer.w
pulls = [run.backward(cost).grad(w).copy() for cost in ("recognition", "estimate")]
cosine = np.vdot(*pulls) / (np.linalg.norm(pulls[0]) * np.linalg.norm(pulls[1]))
print(f"cosine between what both tasks want of the trunk's weights: {cosine:.2f}")

run.backward()
print(f"drawn in {g.draw('multi_task.svg')} and {run.draw('multi_task_flow.svg')}")
