"""The book's experiment: [784, 30, 10], 30 epochs, mini-batches of 10, η = 3.0, 50,000 digits to learn from.

    python examples/nielsen_mnist.py FOLDER [--seed 0] [--epochs 30]

FOLDER holds the four full MNIST files. Five runs of the book's own program end at 95.25, 95.01, 94.88, 95.06 and
95.35 % of the 10,000 test digits.
"""

import argparse
import os

import minigraph as mg
from minigraph.costs import Quadratic
from minigraph.layers import Dense

parser = argparse.ArgumentParser(description="The book's experiment on the full MNIST files.")
parser.add_argument("folder", nargs="?", default=os.environ.get("MINIGRAPH_DATA"), help="or set MINIGRAPH_DATA")
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=30)
given = parser.parse_args()
if given.folder is None:
    parser.error("say where the four MNIST files are")

x_train, y_train, x_test, y_test = mg.datasets.mnist(given.folder)
train = {"x": x_train[:50_000], "t": mg.datasets.one_hot(y_train[:50_000])}
test = {"x": x_test, "t": mg.datasets.one_hot(y_test)}

unit_normals = {"weights": "normal", "biases": "normal"}
g = mg.Sequential(
    784,
    Dense(30, "sigmoid", **unit_normals),
    Dense(10, "sigmoid", **unit_normals),
    cost=Quadratic(),
    name="nielsen",
    seed=given.seed,
    dtype="float32",
)
history = mg.fit(g, train, epochs=given.epochs, batch_size=10, optimizer=mg.SGD(lr=3.0), validation=test)
for epoch in history:
    print(f"epoch {epoch['epoch']:2.0f}: {epoch['validation_accuracy']:.2%} of the test digits")
print(f"{history.validation_accuracy[-1]:.2%} after {history.seconds.sum():.1f} s of training")
