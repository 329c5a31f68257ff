"""A grid of hyper-parameters, tried by many processes; stopped, it goes on with what isn't done yet.

python sweep.py                                     by the processors of this machine
mpiexec -n 4 python -m mpi4py.futures sweep.py      by those of many: rank 0 hands out, the others compute
"""

import itertools
import json
import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when numpy is imported: a worker has a processor to itself

import minigraph as mg
from minigraph.costs import SoftmaxCrossEntropy
from minigraph.layers import Dense

RESULTS = Path("sweep.jsonl")
GRID = {"units": [8, 30], "lr": [0.1, 1.0], "momentum": [0.0, 0.9]}


def trained(trial):
    """A network with these hyper-parameters, and the history of its training."""
    digits = mg.datasets.mnist()
    train, test = {"x": digits.x_train[:1000], "t": digits.y_train[:1000]}, {"x": digits.x_test, "t": digits.y_test}
    layers = Dense(trial["units"], "sigmoid", name="hidden"), Dense(10, name="out")
    g = mg.Sequential(784, *layers, cost=SoftmaxCrossEntropy(), name="best of the sweep", seed=0, dtype="float32")
    sgd = mg.SGD(trial["lr"], momentum=trial["momentum"])
    options = {"epochs": 3, "batch_size": 20, "optimizer": sgd, "validation": test, "progress": False, "seed": 0}
    return g, mg.fit(g, train, **options), test


def score(trial):
    return trial | {"accuracy": float(trained(trial)[1].validation_accuracy[-1])}


def pool():
    if "mpi4py.futures" in sys.modules:
        return sys.modules["mpi4py.futures"].MPIPoolExecutor()
    return ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn"))


if __name__ == "__main__":
    text = RESULTS.read_bytes() if RESULTS.exists() else b""
    done = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith(b"\n")]
    trials = [dict(zip(GRID, values, strict=True)) for values in itertools.product(*GRID.values())]
    left = [trial for trial in trials if not any(trial.items() <= row.items() for row in done)]
    with pool() as workers, RESULTS.open("a") as file:
        file.truncate(text.rfind(b"\n") + 1)  # a kill may have cut the last line
        for future in as_completed([workers.submit(score, trial) for trial in left]):
            done.append(future.result())
            print(json.dumps(done[-1]), file=file, flush=True)
    best = max(done, key=lambda row: row["accuracy"])
    print(f"{len(left)} trials of {len(trials)} were left; the best: {best}")
    g, _, test = trained(best)
    run = g.forward({name: rows[:20] for name, rows in test.items()}).backward()
    print(f"drawn in {g.draw('best.svg')} and {run.draw('best_flow.svg')}")
