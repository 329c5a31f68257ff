"""Training one graph by many processes, on one machine or many: each learns from its part of every batch.

from minigraph.interop import mpi

history = mpi.fit(g, data, epochs=5, batch_size=128, optimizer=mg.SGD(0.1))     # mpiexec -n 4 python -m mpi4py train.py

The gradient of a mean is the mean of gradients: that the cost is a mean of C_x over examples is all it takes.
"""

from .fitting import fit
from .ranks import rank, size

__all__ = ["fit", "rank", "size"]
