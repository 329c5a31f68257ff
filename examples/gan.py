"""A generative adversarial network in one graph: two players, two optimizers, a loop of one's own (Goodfellow 2014)."""

import numpy as np

import minigraph as mg
from minigraph.costs import BinaryCrossEntropy
from minigraph.layers import Dense

BATCH = 64
rng = np.random.default_rng(0)


def points(n):
    """Points on a circle of radius 2."""
    angle = rng.uniform(0, 2 * np.pi, n)
    return 2 * np.stack([np.cos(angle), np.sin(angle)], axis=1) + rng.normal(0, 0.05, (n, 2))


judge = mg.Sequential(2, Dense(32, "leaky_relu"), Dense(32, "leaky_relu"), Dense(1, name="real?"), seed=1)
g = mg.Graph("GAN", seed=0)
noise, real = g.input("noise", 4), g.input("real", 2)
fake = g.add(mg.Sequential(4, Dense(32, "relu"), Dense(32, "relu"), Dense(2), seed=2), noise, name="forger")
of_real, of_fake = g.add(judge, real, name="judge"), g.add(judge, fake, name="judge again")  # one set of Params
yes, no = g.input("yes", 1), g.input("no", 1)
g.cost(BinaryCrossEntropy(), of_real, target=yes, name="known as real")
g.cost(BinaryCrossEntropy(), of_fake, target=no, name="found out")
g.cost(BinaryCrossEntropy(), of_fake, target=yes, name="forged well")
print(g)

judging = mg.Adam(1e-3, betas=(0.5, 0.999), params="judge/*")
forging = mg.Adam(1e-3, betas=(0.5, 0.999), params="forger/*")
run = mg.Run(g, training=True, seed=0)
answers = {"yes": np.ones((BATCH, 1)), "no": np.zeros((BATCH, 1))}
for step in range(1501):
    run.forward(real=points(BATCH), noise=rng.normal(size=(BATCH, 4)), **answers)
    judging.step(run.backward(["known as real", "found out"]))
    run.forward(noise=rng.normal(size=(BATCH, 4)))  # only what depends on the noise and the new weights
    forging.step(run.backward("forged well"))
    if step % 500 == 0:
        costs = {name: round(cost, 2) for name, cost in run.costs.items()}
        radius = np.linalg.norm(mg.predict(g, noise=rng.normal(size=(500, 4)), until=fake), axis=1)
        print(f"step {step}: radius of forged points {radius.mean():.2f} ± {radius.std():.2f}, {costs}")

run = g.forward(real=points(BATCH), noise=rng.normal(size=(BATCH, 4)), **answers).backward("forged well")
print(f"drawn in {g.draw('gan.svg')} and {run.draw('gan_flow.svg')}")
