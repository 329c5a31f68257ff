"""A process that reads damaged files and looks at what comes of it: its arguments are a folder, a seed, a range."""

import json
import os
import re
import resource
import signal
import sys
import time
import tracemalloc
import warnings
from functools import cache
from pathlib import Path

import fuzzer
import numpy as np
from rich_graphs import GRAPHS, training

import minigraph as mg
from minigraph.checkpoints import Checkpoints
from minigraph.errors import FeedError, FileError, LayerError
from minigraph.saving.weights import places

ROOM = 1 << 30
ALARM = 10
LONGEST = 500
# ---- what may come of it ----

seen = []
armed = False


def watch(event, args):
    if armed and (event in FORBIDDEN or event.split(".")[0] in ("subprocess", "ctypes", "socket", "shutil", "pickle")):
        seen.append(f"{event} {args!r:.100}")
    if armed and event == "open" and (args[1] not in ("r", "rb", None) or args[2] & (os.O_WRONLY | os.O_RDWR)):
        seen.append(f"open {args!r:.100}")


FORBIDDEN = {"import", "exec", "compile", "code.__new__", "function.__new__"}
FORBIDDEN |= {
    f"os.{name}" for name in ("system", "exec", "fork", "forkpty", "posix_spawn", "spawn", "startfile", "chmod")
}


def refused(call, path, *allowed):
    """The error that a call raises, if it is one that says of which file; None if it goes well."""
    global armed
    armed = True
    try:
        call()
        return None
    except FileError as fault:
        said = str(fault)
        assert repr(str(path)) in said, f"the file isn't named: {said:.300}"
        assert len(said) < LONGEST, f"{len(said)} characters: {said:.300}"
        return said
    finally:
        armed = False
        assert not seen, seen


def sound(g):
    g.summary()
    assert all(p.value.dtype == g.dtype and p.value.ndim for p in g.params.values())
    if sum(int(np.prod(node.shape)) for node in g.nodes) > 100_000:
        return
    feeds = {node.name: np.zeros((2, *node.shape), node.dtype) for node in g.inputs}
    try:
        run = g.forward(feeds, until=g.nodes)
        if g.costs:
            run.backward()
    except FeedError:
        return  # a cost that takes no zeros
    except LayerError as fault:
        if "activation" not in str(fault):
            raise


def state(g, options):
    """All that must stay as it was where a file is refused."""
    values = [p.value.tobytes() for p in g.params.values()]
    values += [getattr(node.layer, name).tobytes() for node in g.nodes for name in node.layer.statistics]
    ours = [{**vars(options["optimizer"]), "lr": vars(options["optimizer"].lr).copy()}] if options else []
    rows = [list(options["history"].rows)] if options else []
    steps = [
        {p: (n, {k: a.tobytes() for k, a in kept.items()}) for p, (n, kept) in one["_layout"].state().items()}
        for one in ours
    ]
    return values, g.rng.bit_generator.state, g.seed, g._entropy, g._runs, ours, rows, steps


def loaded(path, data, name):
    def load():
        nonlocal g
        g = mg.load(path)

    g = None
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    said = refused(load, path)
    grown = tracemalloc.get_traced_memory()[1] - before
    assert grown < 40 * len(data) + (1 << 20), f"{grown} bytes for a file of {len(data)}"
    if g is not None:
        sound(g)
    return said


def weighed(path, data, name):
    g, kept = target(name if name in GRAPHS else "images")
    before = state(g, None)
    said = refused(lambda: g.load_weights(path, strict=len(data) % 2 == 0), path)
    if said is not None:
        assert state(g, None) == before
    else:
        sound(g)
        g.load_weights(kept)
    return said


@cache
def target(name):
    """A graph, and the weights that it has."""
    g = GRAPHS[name]()
    return g, {name: place.value.copy() for name, place in places(g).items()}


def resumed(path, data, name):
    folder = path.with_name("resumed")
    folder.mkdir(exist_ok=True)
    number = re.findall("[0-9]+", name)[0]
    for file in folder.iterdir():
        file.unlink()
    there = folder / f"run-{int(number):09d}.safetensors"
    there.write_bytes(data)
    g, options = training()
    before = state(g, options)

    def begin():
        global armed
        armed = True
        mg.fit(g, **options, checkpoint=folder / "run.safetensors", resume=True, callbacks=[lambda epoch: True])

    begun = Checkpoints.begin

    def disarmed(self, resume):
        global armed
        try:
            return begun(self, resume)
        finally:
            armed = False

    Checkpoints.begin = disarmed
    try:
        said = refused(begin, there)
    finally:
        Checkpoints.begin = begun
    if said is not None:
        assert state(g, options) == before
    return said


def ways(name):
    if name == "weights":
        return [weighed]
    return [loaded, resumed] if name.startswith("checkpoint") else [loaded, loaded, weighed]


def main(folder, seed, first, last):
    folder, seed, numbers = Path(folder), int(seed), range(int(first), int(last))
    files = {file.stem: file.read_bytes() for file in sorted(folder.glob("*.safetensors"))}
    work = folder / f"{first}"
    work.mkdir()
    path, names = work / "damaged.safetensors", sorted(files)
    warnings.simplefilter("ignore")
    for name in names:  # what numpy and others import at their first use
        path.write_bytes(files[name])
        for way in ways(name):
            assert way(path, files[name], name) is None, name
    sys.addaudithook(watch)
    tracemalloc.start()
    with open("/proc/self/statm") as statm:
        there = int(statm.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (there + ROOM, there + ROOM))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    counts, faults, began = {"loaded": 0, "refused": 0}, [], time.perf_counter()
    for number in numbers:
        name = names[number % len(names)]
        data = fuzzer.damaged(files[name], seed, number // len(names))
        way = ways(name)[number // len(names) % len(ways(name))]
        path.write_bytes(data)
        (work / "at").write_text(f"{number} {name} {way.__name__}")
        signal.alarm(ALARM)
        try:
            counts["loaded" if way(path, data, name) is None else "refused"] += 1
        except Exception as fault:
            faults.append(f"{number} {name} {way.__name__}: {type(fault).__name__}: {fault}"[:600])
            seen.clear()
        signal.alarm(0)
    print(json.dumps({**counts, "faults": faults, "seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    np.seterr(all="ignore")
    main(*sys.argv[1:])
