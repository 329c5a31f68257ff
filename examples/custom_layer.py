"""A layer of one's own, with its backward derived by hand: checked, trained and drawn."""

from dataclasses import dataclass, field

import numpy as np

import minigraph as mg
from minigraph.costs import Quadratic
from minigraph.layers import Dense


@dataclass(eq=False)
class Bumps(mg.Layer):
    """Gaussian bumps (radial basis functions), one for each unit.

    a_j = exp(−‖x − c_j‖² / 2)               x (m, k)   c (n, k)   a (m, n)
    g = error ⊙ a
    ∂C/∂c_j = Σ_x g_j (x − c_j)
    error to the input = Σ_j g_j (c_j − x)
    """

    units: int
    c: mg.Param = field(init=False, repr=False)

    def build(self, shape, *, rng, dtype):
        self.c = self.param("c", (self.units, *shape), "normal", rng=rng, dtype=dtype)
        return (self.units,)

    def forward(self, at, x):
        at.away = np.subtract(x[:, None, :], self.c.value, out=at.away)  # (m, n, k)
        at.a = np.exp(-0.5 * np.square(at.away).sum(axis=2), out=at.a)
        return at.a

    def backward(self, at, error):
        g = error * at.a
        at.grad[self.c] = np.einsum("xj,xjk->jk", g, at.away)
        return -np.einsum("xj,xjk->xk", g, at.away)


g = mg.Sequential(2, Bumps(12), Dense(1), cost=Quadratic(), name="bumps", seed=0)
rng = np.random.default_rng(0)
X = rng.uniform(-2, 2, (400, 2))
T = np.sin(X[:, :1]) * np.cos(X[:, 1:])

print(mg.check(g, x=X[:7], t=T[:7], raise_on_failure=True))
history = mg.fit(g, {"x": X, "t": T}, epochs=100, batch_size=10, optimizer=mg.SGD(lr=0.1), progress=False)
print(f"cost {history.cost[0]:.4f} -> {history.cost[-1]:.4f}")
run = g.forward(x=X, t=T).backward()
print(f"drawn in {g.draw('bumps.svg')} and {run.draw('bumps_flow.svg')}")
