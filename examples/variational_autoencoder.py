"""A variational autoencoder of digits: its cost is written with operators on nodes (Kingma and Welling 2014)."""

import numpy as np

import minigraph as mg
from minigraph.costs import BinaryCrossEntropy, Value
from minigraph.layers import Add, Dense, Exp, Square

CODE = 4
digits = mg.datasets.mnist()
rng = np.random.default_rng(0)

g = mg.Graph("variational autoencoder", seed=0, dtype="float32")
image, noise = g.input("image", 784), g.input("noise", CODE)
h = image >> Dense(128, "relu", name="encoder")
mean, log_variance = Dense(CODE, name="mean")(h), Dense(CODE, name="log variance")(h)
deviation = Exp(name="deviation")(0.5 * log_variance)
code = Add(name="code")(mean, deviation * noise)  # noise is an input, so that gradients find their way past it
pixels = code >> Dense(128, "relu", name="decoder") >> Dense(784, name="pixels")
g.cost(BinaryCrossEntropy(), pixels, target=image, name="reconstruction")
divergence = 0.5 * (Exp()(log_variance) - log_variance - 1.0 + Square()(mean))  # from the unit normal distribution
g.cost(Value(), divergence, name="divergence")
print(g)


def batches(m):
    """Random images without end, each time with new noise."""
    while True:
        rows = rng.integers(0, len(digits.x_train), m)
        yield {"image": digits.x_train[rows], "noise": rng.normal(size=(m, CODE))}


history = mg.fit(g, batches(50), epochs=15, steps=100, optimizer=mg.Adam(3e-3), progress=False)
print(f"cost {history.cost[0]:.0f} -> {history.cost[-1]:.0f}")

zero, one = mg.predict(g, image=digits.x_test[[3, 4]], until="mean")
decoder = g.between("code", "pixels")
steps = [(1 - s) * zero + s * one for s in np.linspace(0, 1, 5)]
logits = mg.predict(decoder, code=steps).reshape(-1, 28, 28)
print("from one digit to another:")
for row in np.hstack(logits[:, :, 4:-4])[4:-4:2]:
    print("".join(np.array(list(" .o#"))[np.digitize(row, [-2, -0.5, 1])]))

run = g.forward(next(batches(20))).backward()
print({name: round(cost, 1) for name, cost in run.costs.items()})
print(f"drawn in {g.draw('vae.svg')} and {run.draw('vae_flow.svg')}")
