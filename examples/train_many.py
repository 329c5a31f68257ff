"""One network trained by one process or by many, with the same result: mpiexec -n 2 python -m mpi4py train_many.py"""

import numpy as np

import minigraph as mg
from minigraph.costs import SoftmaxCrossEntropy
from minigraph.interop import mpi
from minigraph.layers import Dense

digits = mg.datasets.mnist()
train, test = {"x": digits.x_train, "t": digits.y_train}, {"x": digits.x_test, "t": digits.y_test}
layers = Dense(100, "relu", name="hidden"), Dense(10, name="out")
g = mg.Sequential(784, *layers, cost=SoftmaxCrossEntropy(), name="trained by many", seed=0, dtype="float64")

history = mpi.fit(
    g,
    train,
    epochs=2,
    batch_size=128,  # of all ranks together: each learns from its part
    optimizer=mg.Adam(0.003),
    validation=test,
    seed=0,
    checkpoint="many.safetensors",  # rank 0 writes; any number of ranks goes on
    resume=True,
    progress=False,
)

norm = np.sqrt(sum(np.square(param.value).sum() for param in g.params.values()))
print(f"rank {mpi.rank()} of {mpi.size()}: {history.validation_accuracy[-1]:.2%} right, norm of all weights {norm:.9f}")
if mpi.rank() == 0:
    run = g.forward({name: rows[:20] for name, rows in test.items()}).backward()
    print(f"drawn in {g.draw('many.svg')} and {run.draw('many_flow.svg')}")
