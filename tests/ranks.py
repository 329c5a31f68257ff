"""What the tests of training by several ranks start: `mpiexec -n 3 python -m mpi4py ranks.py alike out.json`.

A chapter is a function that all ranks call; what rank 0 gets from it is written as JSON.
"""

import json
import sys
import tempfile
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
from mpi4py import MPI

import minigraph as mg
from minigraph.costs import L1, L2, BinaryCrossEntropy, Quadratic, SoftmaxCrossEntropy
from minigraph.data import Stream
from minigraph.interop import mpi
from minigraph.interop.mpi.parts import StreamPart
from minigraph.interop.mpi.ranks import Ranks
from minigraph.layers import BatchNorm, Conv2D, Dense, Flatten, LayerNorm

WORLD = MPI.COMM_WORLD
_RNG = np.random.default_rng(0)
X, T = _RNG.normal(size=(47, 4)), _RNG.normal(size=(47, 2))
LABELS = _RNG.integers(0, 3, 47)
DATA, CLASSES = {"x": X, "t": T}, {"x": X, "t": LABELS}
QUIET = {"epochs": 3, "batch_size": 10, "progress": False}


def net(*middle, cost=None, **options):
    return mg.Sequential(4, Dense(5, "tanh"), *middle, Dense(2), cost=cost or Quadratic(), **{"seed": 1} | options)


def classifier(**options):
    return mg.Sequential(4, Dense(6, "sigmoid"), Dense(3), cost=SoftmaxCrossEntropy(), **{"seed": 2} | options)


def penalized():
    g = net()
    g.cost(L2(0.01, of="*.w"))
    g.cost(L1(0.003, of="dense.*"))
    return g


def tied():
    g = mg.Graph("tied", seed=3)
    layer = Dense(4, "tanh", name="twice")
    h = layer(layer(g.input("x", 4)))
    g.cost(Quadratic(), h >> Dense(2), target="t")
    return g


def partly_frozen():
    g = net()
    g["dense"].layer.frozen = True
    return g


def two_costs():
    g = mg.Graph(seed=0)
    h = Dense(6, "tanh", name="h")(g.input("x", 4))
    g.cost(SoftmaxCrossEntropy(), Dense(3, name="class")(h), target="label", name="what")
    g.cost(Quadratic(), Dense(2, name="place")(h), target="t", name="where")
    return g


def images():
    layers = Conv2D(3, 3, activation="relu"), Flatten(), Dense(10)
    return mg.Sequential((1, 6, 6), *layers, cost=BinaryCrossEntropy(), seed=4)


def distance(a, y):
    return np.abs(a - y).sum(axis=1)


class Plain:
    """An optimizer with nothing but a step."""

    def step(self, run):
        for param in run.graph.params.values():
            param.value = param.value - 0.1 * run.grad(param)


@dataclass(eq=False)
class Halving(mg.optimizers.Optimizer):
    """Of one's own."""

    lr: float = 0.3

    def move(self, bundle, rate):
        v = bundle.kept("v")
        v += bundle.g
        np.multiply(v, rate / 2**self.taken, out=bundle.g)


def on_disk(array):
    path = Path(tempfile.mkdtemp()) / "array.npy"
    np.save(path, array)
    return np.load(path, mmap_mode="r")


def stream(alone, size=10, **data):
    """Batches as one process takes them, or this rank's part of each."""
    for start in range(0, len(X), size):
        rows = np.arange(start, min(start + size, len(X)))
        if not alone:
            rows = np.array_split(rows, WORLD.size)[WORLD.rank]
        yield {name: array[rows] for name, array in data.items()}


def slower(optimizer):
    def callback(epoch):
        optimizer.lr = 0.02

    return {"optimizer": optimizer, "callbacks": [callback]}


def moving(graph):
    def callback(epoch):
        param = epoch.graph.params["dense.w"]
        param.value = param.value * 0.5

    return {"optimizer": mg.SGD(0.1), "callbacks": [callback]}


def cases():
    """By name: a graph, data, and options that differ from QUIET; each call makes new ones."""
    pictures = {"x": np.random.default_rng(1).random((23, 1, 6, 6)), "t": np.eye(10)[np.arange(23) % 10]}
    plateau = mg.schedules.Plateau(0.3, factor=0.5, patience=0, threshold=0.2)
    cosine = mg.schedules.Cosine(0.2, 10)
    check = {"validation": {"x": X[:21], "t": T[:21]}}
    optimizers = {
        "SGD": mg.SGD(0.1),
        "momentum": mg.SGD(0.1, momentum=0.9),
        "nesterov": mg.SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
        "AdaGrad": mg.AdaGrad(0.1),
        "RMSprop": mg.RMSprop(0.01),
        "Adam": mg.Adam(0.05),
        "AdamW": mg.AdamW(0.05, weight_decay=0.1),
        "clip_value": mg.SGD(0.1, clip_value=0.05),
        "clip_norm": mg.Adam(0.1, clip_norm=0.3),
        "groups": mg.AdamW(0.05, groups={"*.b": {"lr": 0.01, "weight_decay": 0.0}}),
        "schedule": mg.SGD(cosine, momentum=0.5),
        "plateau": mg.SGD(plateau),
        "of one's own": Halving(),
        "a step alone": Plain(),
    }
    found = {name: (net(), DATA, {"optimizer": optimizer} | check) for name, optimizer in optimizers.items()}
    several = [mg.SGD(0.1, params="dense.*", momentum=0.5), mg.Adam(0.01, params="dense_1.*")]
    sgd, r2 = {"optimizer": mg.SGD(0.2)}, {"metrics": ["r2", distance]}
    stopping = {"epochs": 30, "stopping": mg.EarlyStopping(2, margin=0.05), **check}
    return found | {
        "several": (net(), DATA, {"optimizer": several, "accumulate": 2}),
        "accumulate": (net(), DATA, {"optimizer": mg.Adam(0.05), "accumulate": 3, "batch_size": 7, **r2}),
        "accumulate, clipped": (net(), DATA, {"optimizer": mg.SGD(0.1, momentum=0.9, clip_norm=0.2), "accumulate": 2}),
        "penalties": (penalized(), DATA, sgd | check),
        "tied": (tied(), DATA, sgd | r2),
        "frozen": (partly_frozen(), DATA, sgd),
        "normed": (net(LayerNorm()), DATA, sgd),
        "images": (images(), pictures, sgd | {"validation": pictures}),
        "classes": (classifier(), CLASSES, sgd | {"metrics": mg.metrics.top_k(2), "validation": CLASSES}),
        "two costs": (two_costs(), DATA | {"label": LABELS}, sgd | {"metrics": {"what": "accuracy", "where": "r2"}}),
        "stopped": (net(), DATA, sgd | stopping | r2),
        "ended": (net(), DATA, sgd | {"callbacks": [lambda epoch: epoch.number == 2]}),
        "a rate set": (net(), DATA, slower(mg.SGD(0.2))),
        "weights set": (net(), DATA, moving(None)),
        "batches of 1": (net(), DATA, sgd | {"batch_size": 1, "epochs": 1}),
        "batches of 2": (net(), DATA, sgd | {"batch_size": 2, "epochs": 1, "accumulate": 3}),
        "one batch": (net(), DATA, sgd | {"batch_size": 100}),
        "a last one of 1": (net(), {"x": X[:41], "t": T[:41]}, sgd | {"batch_size": 8} | r2),
        "on disk": (net(), {"x": on_disk(X), "t": on_disk(T)}, sgd),
        "soft": (net(), {"x": X, "t": np.where(np.arange(47)[:, None] == 7, 0.5, np.eye(2)[LABELS % 2])}, sgd),
        "hard": (net(), {"x": X, "t": np.eye(2)[LABELS % 2]}, sgd | r2),
        "a seed": (net(), DATA, sgd | {"seed": 7}),
    }


def trained(fit, g, data, options):
    history = fit(g, data, **QUIET | options)
    columns = {name: history[name] for name in history.columns if name != "seconds"}
    return [param.value for param in g.params.values()], columns


def distant(one, other):
    """How far two trainings are apart: weights and history."""
    (mine, columns), (its, others) = one, other
    if columns.keys() != others.keys() or any(len(columns[k]) != len(others[k]) for k in columns):
        return float("inf")
    gaps = [np.abs(a - b).max(initial=0) for a, b in zip(mine, its, strict=True)]
    for name, column in columns.items():
        if (np.isnan(column) != np.isnan(others[name])).any():
            return float("inf")
        gaps.append(np.nanmax(np.abs(column - others[name]), initial=0))
    return float(max(gaps))


def prints(one):
    arrays, columns = one
    return blake2b(b"".join(array.tobytes() for array in (*arrays, *columns.values()))).hexdigest()


def compared(single, several):
    """The largest distance on any rank, and how many different results ranks have."""
    return max(WORLD.allgather(distant(single, several))), len(set(WORLD.allgather(prints(several))))


def alike():
    """Each case by one process and by all."""
    found = {}
    for name in cases():
        (g, data, options), (h, same, others) = cases()[name], cases()[name]
        if WORLD.rank:  # only rank 0 begins where the single process does
            h._entropy += WORLD.rank
            for param in h.params.values():
                param.value = param.value + 1.0
        found[name] = compared(trained(mg.fit, g, data, options), trained(mpi.fit, h, same, others))
    return found


def streams():
    """Batches from iterables: split by hand, without end, of different lengths, and the same on all ranks."""
    sgd, found = mg.SGD(0.2, momentum=0.5), {}
    single = [trained(mg.fit, net(), [*stream(True, **DATA)], {"optimizer": sgd, "batch_size": None, "metrics": "r2"})]
    for name, batches in (("split", [*stream(False, **DATA)]), ("the same", [*stream(True, **DATA)])):
        options = {"optimizer": mg.SGD(0.2, momentum=0.5), "batch_size": None, "metrics": "r2"}
        found[name] = compared(single[0], trained(mpi.fit, net(), batches, options))

    def endless(alone):
        while True:
            yield from stream(alone, size=12, **DATA)

    steps = {"optimizer": mg.SGD(0.2), "batch_size": None, "steps": 3}
    one = trained(mg.fit, net(), endless(True), steps)
    found["endless"] = compared(one, trained(mpi.fit, net(), endless(False), steps | {"optimizer": mg.SGD(0.2)}))
    # rank r has r + 1 batches: what remains after the others are through is learned from by those that have some
    batches = [[{"x": X[3 * i : 3 * i + r + 1], "t": T[3 * i : 3 * i + r + 1]} for i in range(r + 1)] for r in range(4)]
    batches = batches[: WORLD.size]
    steps = [[one[i] for one in batches if i < len(one)] for i in range(WORLD.size)]
    whole = [{name: np.concatenate([b[name] for b in step]) for name in DATA} for step in steps]
    options = {"optimizer": mg.Adam(0.1), "batch_size": None, "validation": whole}
    one = trained(mg.fit, net(), whole, options)
    mine = options | {"optimizer": mg.Adam(0.1), "validation": batches[WORLD.rank]}
    found["ragged"] = compared(one, trained(mpi.fit, net(), batches[WORLD.rank], mine))
    return found


def uneven():
    """Callbacks that some ranks have not, the statistics that one sets, and a batch of nothing amid others."""
    g = net(BatchNorm())
    norm = g["batch_norm"].layer

    def ending(epoch):
        norm.mean = np.full(5, 9.0)
        return epoch.number == 2

    mpi.fit(net(), DATA, optimizer=mg.SGD(0.1), callbacks=[ending] if WORLD.rank else [], **QUIET)
    history = mpi.fit(g, DATA, optimizer=mg.SGD(0.1), callbacks=[] if WORLD.rank else [ending], **QUIET)
    batches = [DATA, {name: array[:0] for name, array in DATA.items()}, DATA]
    part = StreamPart(Stream(g, batches, None), Ranks())
    return WORLD.allgather([len(history), float(norm.mean.min()), len([*part])])


def rounded():
    """float32: the same bits on all ranks, and one process's numbers to float32's precision."""
    found = {}
    for name, optimizer in (("SGD", mg.SGD(0.1, momentum=0.9)), ("Adam", mg.Adam(0.01, clip_norm=0.5))):
        one = trained(mg.fit, classifier(dtype="float32"), CLASSES, {"optimizer": optimizer.__class__(0.01)})
        several = trained(mpi.fit, classifier(dtype="float32"), CLASSES, {"optimizer": optimizer.__class__(0.01)})
        clipped = trained(mpi.fit, classifier(dtype="float32", seed=None), CLASSES, {"optimizer": optimizer})
        assert len(set(WORLD.allgather(prints(clipped)))) == 1
        found[name] = compared(one, several)
    return found


if __name__ == "__main__":
    import ranks_apart

    chapters, out, *more = sys.argv[1:]
    told = {name: getattr(ranks_apart, name, globals().get(name))(*more) for name in chapters.split("+")}
    if not WORLD.rank:
        Path(out).write_text(json.dumps(told))
