"""Trainings that depend on all that one can remember, and what they leave, to be compared bit by bit."""

import json
import re
from hashlib import blake2b
from itertools import cycle
from pathlib import Path

import numpy as np

import minigraph as mg
from minigraph.checkpoints import TRAINING
from minigraph.costs import Quadratic, SoftmaxCrossEntropy
from minigraph.layers import BatchNorm, Dense, Dropout
from minigraph.saving.files import File
from minigraph.saving.store import WIRING
from minigraph.trainer import Trainer

_RNG = np.random.default_rng(0)
X, LABELS, Y = _RNG.normal(size=(103, 8)), _RNG.integers(0, 3, 103), _RNG.normal(size=(103, 2))


def distance(a, y):
    return np.abs(a[np.arange(len(a)), y] - a.max(axis=1))


def rich(dtype, seed=3, **options):
    """Noise, running statistics, gathered gradients, a schedule and a stop that go by costs, metrics of all kinds."""
    layers = Dense(16, "tanh"), BatchNorm(), Dropout(0.2), Dense(3)
    rate = mg.schedules.Plateau(0.02, factor=0.5, patience=0)
    said = {
        "optimizer": mg.Adam(rate, groups={"*.b": {"lr": 0.003}}, clip_norm=0.5),
        "accumulate": 3,
        "metrics": ["accuracy", mg.metrics.top_k(2), distance],
        "stopping": mg.EarlyStopping(4),
        "validation": {"x": X[:20], "t": LABELS[:20]},
    }
    return mg.Sequential(8, *layers, cost=SoftmaxCrossEntropy(), seed=seed, dtype=dtype), said | options, LABELS


def several(dtype, seed=3, **options):
    """A generator and a critic behind it, each with an optimizer of its own."""
    said = {"seed": seed, "dtype": dtype}
    g = mg.Graph("pair", **said)
    fake = g.add(mg.Sequential(8, Dense(8, "tanh"), Dropout(0.1), **said), g.input("x", 8), name="generator")
    node = g.add(mg.Sequential(8, BatchNorm(), Dense(2), **said), fake, name="critic")
    g.cost(Quadratic(), node, target="t")
    low = mg.SGD(mg.schedules.Step(0.05, 5), params="generator/*", momentum=0.9, clip_value=0.1)
    high = mg.RMSprop(0.002, params=["critic/*"])
    return g, {"optimizer": [low, high], "metrics": "r2", "validation": {"x": X[:20], "t": Y[:20]}} | options, Y


def small(dtype, seed=3, **options):
    """Over in no time."""
    g = mg.Sequential(8, Dense(4, "tanh"), Dense(2), cost=Quadratic(), seed=seed, dtype=dtype)
    return g, {"optimizer": mg.Adam(0.01), "batch_size": 26} | options, Y


def big(dtype, seed=3, **options):
    """Almost all of its time it writes."""
    g = mg.Sequential(8, Dense(20_000, "tanh"), Dense(2), cost=Quadratic(), seed=seed, dtype=dtype)
    return g, {"optimizer": mg.SGD(1e-5, momentum=0.9), "batch_size": 52, "epochs": 4} | options, Y


def fed(form, x, t, folder, size):
    """Arrays in memory or on disk, or batches that don't end."""
    if form == "batches":
        return {"data": cycle([{"x": x[i : i + size], "t": t[i : i + size]} for i in range(0, 100, size)]), "steps": 11}
    if form == "on disk":
        for name, array in (("x", x), ("t", t)):
            np.save(Path(folder) / f"{name}.npy", array)
        x, t = (np.load(Path(folder) / f"{name}.npy", mmap_mode="r") for name in "xt")
    return {"data": {"x": x, "t": t}, "batch_size": size}


def prepared(kind, dtype="float32", form="arrays", folder=None, **options):
    """The graph of a kind of training, and all that `mg.fit` takes."""
    g, said, t = {"rich": rich, "several": several, "small": small, "big": big}[kind](dtype, **options)
    return g, {"epochs": 8, "seed": 5, "progress": False} | fed(form, X, t, folder, said.pop("batch_size", 10)) | said


def settled(optimizer):
    return optimizer if isinstance(optimizer, list) else [optimizer]


def state(g, optimizers):
    """Weights and what goes with them."""
    weights = {name: param.value for name, param in g.params.items()}
    statistics = [getattr(node.layer, name) for node in g.nodes for name in node.layer.statistics]
    return told([weights, statistics, [one.taken for one in optimizers]])


def followed(g, optimizers, patch):
    """A list of states that grows with each batch."""
    states = [state(g, optimizers)]

    def follow(method):
        def followed(*args):
            method(*args)
            states.append(state(g, optimizers))

        return followed

    for name in ("_learn", "_move"):
        patch(Trainer, name, follow(getattr(Trainer, name)))
    return states


def outcome(g, history, optimizers, path=None):
    """Everything that a training leaves, but for seconds, as texts that are equal if it is."""
    found = {
        "state": state(g, optimizers),
        "history": told([{key: value for key, value in row.items() if key != "seconds"} for row in history]),
        "optimizers": told([one.state(g) for one in optimizers]),
    }
    if path is not None and written(path):
        file = File(newest(path))
        found["arrays"] = told({name: file[name] for name in file.shapes})
        found["texts"] = [
            file.metadata[WIRING],
            re.sub(r'\["seconds",[^]]*\]|,"crc32":.*', "", file.metadata[TRAINING]),
        ]
    return json.loads(json.dumps(found))


def told(value):
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape} {blake2b(value.tobytes(), digest_size=8).hexdigest()}"
    if isinstance(value, dict):
        return {getattr(key, "name", str(key)): told(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [told(part) for part in value]
    return repr(value)


def written(path):
    """The checkpoints that are there, the newest last."""
    path = Path(path)
    before, after = f"{path.stem}-0", path.suffix
    return sorted(file for file in path.parent.iterdir() if file.name.startswith(before) and file.name.endswith(after))


def newest(path):
    return written(path)[-1]
