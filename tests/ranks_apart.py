"""Further chapters for ranks.py: what is not as with one process, what is refused, what goes on, what ends all."""

import itertools
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ranks import CLASSES, DATA, LABELS, MPI, QUIET, WORLD, T, X, compared, distance, net, prints, stream, trained

import minigraph as mg
from minigraph import checkpoints
from minigraph.costs import Quadratic, SoftmaxCrossEntropy
from minigraph.interop import mpi
from minigraph.layers import BatchNorm, Dense, Dropout

RANK, SIZE = WORLD.rank, WORLD.size


# ---- what is not as with one process ----


def normed(seed=5):
    return mg.Sequential(4, Dense(5), BatchNorm(), Dense(2), cost=Quadratic(), seed=seed)


def by_hand(epochs=2, size=9, lr=0.1):
    """Batches cut into parts that are normed each for itself; the mean over parts of gradients and statistics."""
    g, rng = normed(), np.random.default_rng(7)
    norm = g["batch_norm"].layer
    rng.integers(2**63)
    for _ in range(epochs):
        order = rng.permutation(len(X))
        for start in range(0, len(X), size):
            rows = order[start : start + size]
            gradients = dict.fromkeys(g.params.values(), 0.0)
            mean, variance = 0.0, 0.0
            for part in np.array_split(rows, min(SIZE, max(len(rows) // 2, 1))):
                run = g.forward(x=X[part], t=T[part], training=True).backward()
                share, z = len(part) / len(rows), run["dense"].a
                for param in gradients:
                    gradients[param] = gradients[param] + share * run.grad(param)
                mean, variance = mean + share * z.mean(axis=0), variance + share * z.var(axis=0, ddof=1)
            for param, gradient in gradients.items():
                param.value = param.value - lr * gradient
            norm.mean, norm.variance = 0.9 * norm.mean + 0.1 * mean, 0.9 * norm.variance + 0.1 * variance
    return g


class Listening(mg.Layer):
    """Keeps what noise it draws."""

    def __init__(self):
        self.heard = []

    def build(self, shape, *, rng, dtype):
        return shape

    def forward(self, at, x):
        if at.training:
            self.heard.append(float(at.rng.random()))
        return x.copy()

    def backward(self, at, error):
        return error.copy()


def mixing():
    g, rest = normed(), {"epochs": 2, "batch_size": 9, "seed": 7, "progress": False}  # the last batch has 2
    if RANK:
        g["batch_norm"].layer.mean = np.full(5, 3.0)
    mpi.fit(g, DATA, optimizer=mg.SGD(0.1), **rest)
    expected = by_hand()
    norm, other = g["batch_norm"].layer, expected["batch_norm"].layer
    pairs = [*zip(g.params.values(), expected.params.values(), strict=True)]
    gaps = [np.abs(p.value - q.value).max() for p, q in pairs]
    gaps += [np.abs(norm.mean - other.mean).max(), np.abs(norm.variance - other.variance).max()]
    state = [*(p.value for p in g.params.values()), norm.mean, norm.variance]
    found = {"normed": [max(WORLD.allgather(float(max(gaps)))), len(set(WORLD.allgather(prints((state, {})))))]}
    heard = []
    for fit in (mg.fit, mpi.fit):
        ears = Listening()
        fit(net(ears), DATA, optimizer=mg.SGD(0.1), **rest)
        heard.append(ears.heard)
    found["alone"], found["together"] = heard[0], WORLD.allgather(heard[1])
    dropping = {"optimizer": mg.SGD(0.1), "batch_size": 3, "validation": DATA}  # on 4 ranks one has nothing to learn
    again = [prints(trained(mpi.fit, net(Dropout(0.5)), DATA, dropping)) for _ in range(2)]
    found["dropping"] = len({one for both in WORLD.allgather(again) for one in both})
    sizes = []
    for fit in (mg.fit, mpi.fit):
        watching, seen = mg.GradientHistory(), []
        fit(net(), DATA, optimizer=mg.SGD(0.1), watch=[watching, seen.append], seed=3, **QUIET)
        sizes.append(watching.grad("dense.w") if seen else None)
    found["watching"] = WORLD.allgather(len(seen))
    found["watched"] = None if RANK else float(np.abs(sizes[0] - sizes[1]).max())
    mpi.fit(net(), DATA, optimizer=mg.SGD(0.1), **QUIET | {"progress": True})
    return found


# ---- what is refused ----


class Alone:
    """A metric that can't be brought together."""

    name = "alone"

    def clear(self):
        self.n = 0

    def add(self, a, y):
        self.n += len(a)

    def value(self):
        return float(self.n)


@dataclass(eq=False)
class Drifting(mg.optimizers.Optimizer):
    lr: float = 0.1

    def move(self, bundle, rate):
        bundle.g *= rate * (1 + 1e-9 * RANK)


def raising(epoch):
    raise KeyError("a callback's own")


def freezing(epoch):
    epoch.graph["dense"].layer.frozen = True


def no_room(*given):
    raise OSError(28, "No space left on device")


def told(*args, **options):
    """What each rank raises; the name of its exception, and the message."""
    try:
        mpi.fit(*args, **QUIET | options)
    except Exception as fault:
        return WORLD.allgather([type(fault).__name__, str(fault)])
    return WORLD.allgather(["nothing", ""])


def refused(folder):
    folder, sgd, last = Path(folder), mg.SGD(0.1), RANK == SIZE - 1
    wired = mg.Sequential(4, Dense(6 if last else 5, "tanh"), Dense(2), cost=Quadratic(), seed=1)
    fewer = {name: array[:-1] if last else array for name, array in DATA.items()}
    used = mg.SGD(0.1, momentum=0.9)
    if last:
        mg.fit(net(), DATA, optimizer=used, **QUIET)
    found = {
        "wiring": told(wired, DATA, optimizer=sgd),
        "rate": told(net(), DATA, optimizer=mg.SGD(0.2 if last else 0.1)),
        "memory": told(net(), DATA, optimizer=used),
        "examples": told(net(), fewer, optimizer=sgd),
        "content": told(net(), {"x": X + RANK, "t": T}, optimizer=sgd),
        "checked": told(net(), DATA, optimizer=sgd, validation={"x": X, "t": T + RANK}),
        "nowhere": told(net(), DATA, optimizer=sgd, communicator=MPI.COMM_NULL),
        "epochs": told(net(), DATA, optimizer=sgd, epochs=5 if last else 3),
        "a size of one": told(net(), DATA, optimizer=sgd, batch_size=0 if last else 10),
        "an option": told(net(), DATA, optimizer=sgd, **{"speed": 3} if last else {}),
        "of all": told(net(), DATA, optimizer=sgd, batch_size=0),
        "metric": told(net(), DATA, optimizer=sgd, metrics=[Alone()]),
        "callback": told(net(), DATA, optimizer=sgd, callbacks=[raising]),
        "NaN": told(net(), {"x": X * np.nan, "t": T}, optimizer=sgd, stopping=mg.EarlyStopping(1, watch="cost")),
        "edit": told(net(), DATA, optimizer=sgd, callbacks=[freezing]),
        "drift": told(net(), DATA, optimizer=Drifting()),
        "communicator": told(net(), DATA, optimizer=sgd, communicator="all"),
        "folder": told(net(), DATA, optimizer=sgd, checkpoint=folder / "none" / "run.st"),
    }
    path = {"optimizer": sgd, "checkpoint": folder / "run.st"}
    mpi.fit(net(), DATA, **QUIET | path | {"epochs": 1})
    found["earlier"] = told(net(), DATA, **path)
    found["other"] = told(net(), DATA, **path | {"optimizer": mg.SGD(0.3), "resume": True})
    write, checkpoints.write = checkpoints.write, no_room
    found["room"] = told(net(), DATA, **path, resume=True)
    checkpoints.write = write
    if not RANK:
        newest = max(folder.glob("run-*"))
        newest.write_bytes(newest.read_bytes()[:-8])
    found["damaged"] = told(net(), DATA, **path, resume=True)
    found["nothing"] = told(net(), DATA, optimizer=sgd)
    return found


# ---- what goes on ----


def rich():
    rate = mg.schedules.Plateau(0.02, factor=0.5, patience=0)
    options = {
        "optimizer": mg.Adam(rate, groups={"*.b": {"lr": 0.003}}, clip_norm=0.5),
        "accumulate": 3,
        "metrics": ["accuracy", mg.metrics.top_k(2), first_score],
        "stopping": mg.EarlyStopping(4),
        "validation": {"x": X[:20], "t": LABELS[:20]},
        "epochs": 4,
    }
    return mg.Sequential(4, Dense(6, "tanh"), Dense(3), cost=SoftmaxCrossEntropy(), seed=3), options


def first_score(a, y):
    return np.abs(a[:, 0])


def noisy():
    layers = Dense(6, "tanh"), BatchNorm(), Dropout(0.3), Dense(3)
    g = mg.Sequential(4, *layers, cost=SoftmaxCrossEntropy(), seed=3)
    return g, {"optimizer": mg.Adam(0.02), "epochs": 4, "validation": CLASSES}


def by(ranks):
    """`mpi.fit` by the first so many ranks."""
    return lambda *args, **options: mpi.fit(*args, communicator=FIRST[ranks], **options)


FIRST = {n: WORLD.Split(int(n > RANK), RANK) for n in range(1, SIZE + 1)}


def resuming(folder):
    """How far a training that some ranks began and others went on with is from one that wasn't stopped."""
    found = {}
    g, options = rich()
    whole = trained(mg.fit, g, CLASSES, options)
    for first, then in itertools.product(FIRST, FIRST):
        # 5 batches an epoch: 7 is in the middle of one and of a gathering of 3, and there are answers not judged yet
        path = Path(folder, f"{first}-{then}.st")
        if first > RANK:
            g, options = rich()
            keeping = {"checkpoint": path, "every": 7, "keep": 9}
            trained(by(first), g, CLASSES, options | keeping | {"epochs": 2})
        WORLD.barrier()
        if not RANK:
            stopped(path, 7)
        gap = 0.0
        if then > RANK:
            g, options = rich()
            for param in g.params.values():
                param.value = np.zeros(param.shape)
            known = path if not RANK else Path(folder, f"elsewhere {RANK}.st")  # there is no disk that all can see
            late = trained(by(then), g, CLASSES, options | {"checkpoint": known, "resume": True})
            gap = max(np.abs(a - b).max() for a, b in zip(late[0], whole[0], strict=True))
            gap = max(gap, *(np.nanmax(np.abs(a - whole[1][name]), initial=0) for name, a in late[1].items()))
            gap = gap if len(late[1]["cost"]) == len(whole[1]["cost"]) else float("inf")
        found[f"{first} then {then}"] = [max(WORLD.allgather(float(gap))), 1]
    found["noisy"] = going_on_with_noise(Path(folder, "noisy.st"))
    return found


def going_on_with_noise(path):
    g, options = noisy()
    whole = trained(mpi.fit, g, CLASSES, options)
    g, options = noisy()
    trained(mpi.fit, g, CLASSES, options | {"checkpoint": path, "every": 7, "keep": 9, "epochs": 2})
    if not RANK:
        stopped(path, 7)
    g, options = noisy()
    return compared(whole, trained(mpi.fit, g, CLASSES, options | {"checkpoint": path, "resume": True}))


def stopped(path, batches):
    """As if training had been killed after so many batches."""
    for file in path.parent.glob(f"{path.stem}-*"):
        if int(file.stem.rpartition("-")[2]) > batches:
            file.unlink()


# ---- what ends all ----


def dying(folder, how):
    """Train, until something happens to rank 1 in its third epoch."""

    def batches():
        for epoch in itertools.count(1):
            for i, batch in enumerate(stream(False, **DATA)):
                if how == "interrupt":
                    time.sleep(0.02)
                if (RANK, epoch, i) == (1, 3, 1):
                    meet(how)
                yield batch

    options = {"batch_size": None, "steps": 5, "optimizer": mg.Adam(0.05), "epochs": 100}
    mpi.fit(net(), batches(), **QUIET | options, checkpoint=Path(folder, "run.st"), every=2, metrics=[distance])


def meet(how):
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "exit":
        sys.exit(0)
    if how == "raise":
        raise ValueError("no such batch")
