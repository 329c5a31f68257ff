"""Training by two ranks against one process, and what follows from it for more ranks.

    python tests/benchmarks/mpi.py [--rounds 3] [--json FILE]

Every configuration runs in processes of its own, with as many BLAS threads as it says, in turns with the others; a
figure is the fastest epoch's of all rounds, as whatever else the machine does only adds to it. With a file, rounds are
added to those in it. The two ranks share this machine's memory; what they say of a network is a model, see ring.py.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import machine
import numpy as np
import ring
from works import WORKS

import minigraph as mg

KEYS = ("c", "d")
STEPS = {"a": (1000, 10), "c": (10, 60), "d": (1, 9)}
"""Steps in an epoch, and epochs, the first of which isn't counted."""
SMALLER = (1, 2, 8, 64)
"""Parts of a batch whose time one process takes alone, while the other core does the same."""
SIZES = [8 * 4**i for i in range(12)]
"""Bytes of a message, up to 32 MB."""


def configurations() -> dict[str, tuple[int, int, list[str]]]:
    """By name: ranks, BLAS threads of each, and what they do."""
    small = ["train", "a", str(WORKS["a"].batch)]
    found = {"a 1×1": (1, 1, small), "a 2×1": (2, 1, small)}
    for key in KEYS:
        batch = WORKS[key].batch
        found[f"{key} 1×1"] = (1, 1, ["train", key, str(batch)])
        found[f"{key} 1×2"] = (1, 2, ["train", key, str(batch)])
        found[f"{key} 2×1"] = (2, 1, ["train", key, str(batch)])
        found[f"{key} 2×1 weak"] = (2, 1, ["train", key, str(2 * batch)])
        for part in SMALLER:
            found[f"{key} apart/{part}"] = (2, 1, ["apart", key, str(batch // part)])
    return found | {"messages": (2, 1, ["messages"])}


def train(key: str, batch: str, alone: bool = False) -> dict[str, float]:
    """Seconds of a step, and of the message in it."""
    from mpi4py import MPI

    from minigraph.interop import mpi
    from minigraph.interop.mpi.ranks import Ranks

    work, (steps, epochs) = WORKS[key], STEPS[key]
    x, t = work.net.data(np.random.default_rng(2), int(batch))
    data = {"x": np.concatenate([x] * steps), "t": np.concatenate([t] * steps)}
    told, add_up = [0.0], Ranks.add_up

    def timed(ranks: Ranks, array: np.ndarray) -> None:
        began = time.perf_counter()
        add_up(ranks, array)
        told[0] += time.perf_counter() - began

    Ranks.add_up = timed  # type: ignore[method-assign]
    shares: list[float] = []

    def share(epoch: mg.Epoch) -> None:
        shares.append(told[0] / steps)
        told[0] = 0.0

    options = {"batch_size": int(batch), "optimizer": mg.SGD(work.lr), "progress": False, "callbacks": [share]}
    among = MPI.COMM_SELF if alone else None
    MPI.COMM_WORLD.barrier()
    history = mpi.fit(work.graph(), data, epochs=epochs, communicator=among, **options)
    best = min(range(1, epochs), key=history.seconds.__getitem__)
    return {"step": history.seconds[best] / steps, "message": shares[best] if shares else 0.0}


def messages() -> dict[str, float]:
    """Seconds of an Allreduce in place, by the number of bytes."""
    from mpi4py import MPI

    found = {}
    for size in SIZES:
        array, times = np.ones(size // 4, "float32"), []
        for _ in range(10 if size > 1 << 22 else 100):
            array.fill(1.0)
            MPI.COMM_WORLD.barrier()
            began = time.perf_counter()
            MPI.COMM_WORLD.Allreduce(MPI.IN_PLACE, array)
            times.append(time.perf_counter() - began)
        found[str(size)] = min(times)
    return found


def measured(name: str) -> dict[str, float]:
    """What a configuration says, from processes of its own."""
    ranks, threads, job = configurations()[name]
    start = [str(Path(sys.executable).with_name("mpiexec")), "-n", str(ranks)] if ranks > 1 else []
    command = [*start, sys.executable, "-m", "mpi4py", __file__, "--job", *job]
    env = os.environ | {"OPENBLAS_NUM_THREADS": str(threads)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def work(job: list[str]) -> None:
    from mpi4py import MPI

    kind, *more = job
    found = messages() if kind == "messages" else train(*more, alone=kind == "apart")
    if not MPI.COMM_WORLD.rank:
        print(json.dumps(found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="a file for all rounds, which are added to those in it")
    parser.add_argument("--job", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.job:
        work(given.job)
        return
    rounds = json.loads(given.json.read_text()) if given.json and given.json.exists() else []
    for _ in range(given.rounds):
        rounds.append({name: measured(name) for name in configurations()})
        if given.json:
            given.json.write_text(json.dumps(rounds, indent=1))
    figures = {name: min((one[name] for one in rounds), key=lambda found: found.get("step", 0.0)) for name in rounds[0]}
    figures["messages"] = {size: min(one["messages"][size] for one in rounds) for size in rounds[0]["messages"]}
    print("\n".join([*machine.described().values(), f"{len(rounds)} rounds", "", ring.report(figures)]))


if __name__ == "__main__":
    main()
