"""Two towers with shared weights and two costs: are two points alike, and on which side of a line is the left one?"""

import numpy as np

import minigraph as mg
from minigraph.costs import BinaryCrossEntropy, SoftmaxCrossEntropy
from minigraph.layers import Concat, Dense, Multiply

g = mg.Graph("two towers", seed=0)
left, right = g.input("left", 2), g.input("right", 2)
tower = Dense(16, "tanh")  # one layer ...
u = g.add(tower, left, name="u")  # ... two uses, one set of Params
v = g.add(tower, right, name="v")
both = Concat()(u, v, Multiply()(u, v))
alike = both >> Dense(16, "tanh") >> Dense(1, name="alike")
side = u >> Dense(2, name="side")
g.cost(BinaryCrossEntropy(), alike, target="is alike")
g.cost(SoftmaxCrossEntropy(weight=0.5), side, target="which side")

rng = np.random.default_rng(0)
X1, X2 = rng.uniform(-1, 1, (1000, 2)), rng.uniform(-1, 1, (1000, 2))
X2[::2] = X1[::2] + rng.normal(0, 0.05, (500, 2))  # every other pair is nearly the same point
data = {
    "left": X1,
    "right": X2,
    "is alike": np.linalg.norm(X1 - X2, axis=1, keepdims=True) < 0.3,
    "which side": (X1.sum(axis=1) > 0).astype(int),
}
print(g)
mg.fit(g, data, epochs=60, batch_size=20, optimizer=mg.SGD(lr=0.05, momentum=0.9), progress=False)

run = g.forward(data).backward()
answers = mg.predict(g, data)
alike_right = np.mean((answers["alike"] > 0) == data["is alike"])
side_right = np.mean(answers["side"].argmax(axis=1) == data["which side"])
print(f"costs {run.costs}; alike {alike_right:.1%}, side {side_right:.1%} right")

parts = run.grad(tower.w, per="use")
print("∂C/∂w of the shared tower, by use:", {name: f"{np.linalg.norm(part):.2e}" for name, part in parts.items()})
print(mg.check(g, {name: rows[:8] for name, rows in data.items()}))
print(f"drawn in {g.draw('two_towers.svg')} and {run.draw('two_towers_flow.svg')}")
