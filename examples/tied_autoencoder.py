"""An autoencoder whose decoder is its encoder transposed: one array of weights, two uses, their gradients added."""

import numpy as np

import minigraph as mg
from minigraph.costs import BinaryCrossEntropy
from minigraph.layers import Dense, Dropout

digits = mg.datasets.mnist()
data, new = {"image": digits.x_train}, {"image": digits.x_test}

g = mg.Graph("tied autoencoder", seed=0, dtype="float32")
image = g.input("image", 784)
encoder = Dense(32, "sigmoid", name="encoder")
code = image >> Dropout(0.2, name="blots") >> encoder  # it learns to mend spoiled images
decoder = Dense(784, weights=encoder.w.T, name="decoder")
g.cost(BinaryCrossEntropy(), code >> decoder, target=image)
print(g)

before = mg.evaluate(g, new).cost
mg.fit(g, data, epochs=15, batch_size=50, optimizer=mg.Adam(3e-3), progress=False)
print(f"cost of new digits {before:.0f} -> {mg.evaluate(g, new).cost:.0f}")

print("a digit, spoiled and mended:")
run = g.forward(image=digits.x_test[:100], training=True)
pictures = [run["image"].a[3] > 0.5, run["blots"].a[3] > 0.5, run["decoder"].a[3] > 0.0]  # logits: 0 is one half
for row in np.hstack([picture.reshape(28, 28)[:, 4:-4] for picture in pictures])[4:-4:2]:
    print("".join(np.where(row, "#", ".")))

run.backward()
uses = run.grad(encoder.w, per="use")
print("∂C/∂w:", {name: f"{np.linalg.norm(part):.3f}" for name, part in uses.items()})
assert decoder.w is encoder.w
np.testing.assert_allclose(uses["encoder"] + uses["decoder"], run.grad(encoder.w), rtol=1e-5, atol=1e-6)
print(f"drawn in {g.draw('tied.svg')} and {run.draw('tied_flow.svg')}")
