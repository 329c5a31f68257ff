"""A small U-Net finds discs and squares in noisy images: down, up again, and skips across, a class for each pixel."""

import numpy as np

import minigraph as mg
from minigraph.costs import SoftmaxCrossEntropy
from minigraph.layers import Concat, Conv2D, MaxPool2D, UpSample2D

SIZE = 16
rng = np.random.default_rng(0)


def shapes(n):
    """Noisy images (n, 1, 16, 16), each of a disc and a square, and a class for each pixel: 0, disc 1, square 2."""
    y, x = np.mgrid[:SIZE, :SIZE]
    classes = np.zeros((n, SIZE, SIZE), int)
    for pixels in classes:
        (disc_y, disc_x), (square_y, square_x) = rng.integers(3, SIZE - 3, (2, 2))
        pixels[(y - disc_y) ** 2 + (x - disc_x) ** 2 < 11] = 1
        pixels[np.maximum(abs(y - square_y), abs(x - square_x)) < 3] = 2
    return {"image": (classes > 0)[:, None] + rng.normal(0, 0.3, (n, 1, SIZE, SIZE)), "pixels": classes}


def conv(filters, name):
    return Conv2D(filters, 3, padding="same", activation="relu", weights="he_normal", name=name)


g = mg.Graph("U-Net", seed=0, dtype="float32")
fine = g.input("image", (1, SIZE, SIZE)) >> conv(8, "fine")
middle = fine >> MaxPool2D(2) >> conv(16, "middle")
coarse = middle >> MaxPool2D(2) >> conv(32, "coarse")
up = Concat(axis=0)(middle, coarse >> UpSample2D(2)) >> conv(16, "middle up")
up = Concat(axis=0)(fine, up >> UpSample2D(2)) >> conv(8, "fine up")
g.cost(SoftmaxCrossEntropy(axis=0), up >> Conv2D(3, 1, name="class"), target="pixels")
print(g)

mg.fit(g, shapes(2000), epochs=8, batch_size=20, optimizer=mg.Adam(3e-3), progress=False)

new = shapes(200)
found, truth = mg.predict(g, image=new["image"]).argmax(axis=1), new["pixels"]
print(f"right: {np.mean(found == truth):.1%} of all pixels, {np.mean((found == truth)[truth > 0]):.1%} of the shapes'")
print(f"{np.mean(truth == 0):.1%} are of class 0; what was found, and the truth:")
for row in np.vstack([np.hstack(found[:4]), np.hstack(truth[:4])]):
    print("".join(np.array(list(".o#"))[row]))

run = g.forward({name: rows[:8] for name, rows in new.items()}).backward()
print(f"drawn in {g.draw('unet.svg')} and {run.draw('unet_flow.svg')}")
