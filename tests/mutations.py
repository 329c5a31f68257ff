"""Mutations: faults put one at a time into layers, activations, costs, optimizers and schedules, to see the tests fail.

`python tests/mutations.py` makes them everywhere, `python tests/mutations.py norm Conv2D SGD` in these modules or
classes. It drops factors and transposes, flips signs, sums over wrong axes, overwrites instead of adding, and changes
numbers; > for >= and the like are counted apart. The tests are run once to see which functions each of them calls; then
a forked child for each mutant swaps one function's code and runs those tests that call it, the likeliest to fail first,
until one does. A crash and a hang count as failures. PyTorch, even where it is installed, doesn't help the tests.
"""

import argparse
import os
import pickle
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import pytest
from mutants import modules, mutate, prepare

TESTS = Path(__file__).parent
BESIDE = ("ragged", "unrolling", "tied")  # tests that aren't named after what they test
GIB = 2**30
EDGES = "> for >= and the like"
FATES = ("caught", "survived", "equivalent")

EQUIVALENT = {
    "an array is reshaped to its own shape": (
        "layers.affine: x.ndim - 1 → x.ndim - 2",
        "layers.broadcasting: rank + 1 → rank + 2",
    ),
    "any finite number would do, as it meets a factor of 0 or is masked": (
        "layers.noise: 0.0 if rate == 1.0 else 1.0 / (1.0 - rate) → 1.0 if rate == 1.0 else 1.0 / (1.0 - rate)",
        "layers.recurrent: np.copyto(steps, 0.0, where=past) → np.copyto(steps, 1.0, where=past)",
        "costs.entropy: np.heaviside(z, 0.0, out=at.off) → np.heaviside(z, 1.0, out=at.off)",
        "costs.entropy: np.copyto(at.c, 0.0, where=at.off == 0.0) → np.copyto(at.c, 1.0, where=at.off == 0.0)",
        "costs.margins: np.where(d == 0.0, 1.0, d) → np.where(d == 0.0, 2.0, d)",
        "costs.softmax: at.m / total if total else 0.0 → at.m / total if total else 1.0",
    ),
    "the slice goes beyond the axis, and numpy stops at its end": ("layers.resize: end - 1 → end + 1",),
    "it chooses the faster of two ways to the same numbers": (
        "costs.softmax: y == 1.0 → y == 2.0",
        "costs.softmax: y[row, labels].min() == 1.0 → y[row, labels].min() == 2.0",
    ),
    "it is for other dtypes than graphs have": (
        "activations.plain: _TOP.get(z.dtype, 709.0) → _TOP.get(z.dtype, 1418.0)",
    ),
    "the function is 0 there and far above": ("activations.smooth: -1000.0 → -2000.0",),
}
"""Mutants that compute the same numbers."""
REASONS = {mutant: reason for reason, mutants in EQUIVALENT.items() for mutant in mutants}


# ---- the tests ----


class Campaign:
    """A plugin that runs pytest's items in children of its process in place of pytest."""

    def __init__(self, names, jobs):
        self.names, self.jobs = names, jobs
        self.failed = False

    def pytest_runtest_logreport(self, report):
        self.failed |= report.failed

    def passes(self, item, patience):
        self.failed = False
        signal.setitimer(signal.ITIMER_REAL, patience)
        item.ihook.pytest_runtest_protocol(item=item, nextitem=None)
        return not self.failed

    def pytest_runtestloop(self, session):
        self.items = session.items
        made = list(prepare(self.names))
        mutants = [mutant for mutant in made if mutant.code]
        start = time.time()
        print(
            f"{len(mutants)} mutants and {len(made) - len(mutants)} out of reach, {len(self.items)} tests", flush=True
        )
        self.calls, self.seconds = {}, {}
        self.known = set().union(*(mutant.calls for mutant in mutants))
        parts = [range(i, len(self.items), self.jobs) for i in range(self.jobs)]
        for _, found in in_children(parts, self.observe, self.jobs):
            for i, calls, seconds in found:
                self.calls[i], self.seconds[i] = calls, seconds
        print(f"{len(self.calls)} tests pass in {time.time() - start:.0f} s", flush=True)
        self.killers = {}
        report(self.verdicts(mutants))
        return True

    def observe(self, part):
        """(item, ids of the code it calls, how long it takes) for each item that passes."""
        found = []
        for i in part:
            seen, start = set(), time.perf_counter()
            sys.setprofile(lambda frame, event, arg, seen=seen: seen.add(id(frame.f_code)) if event == "call" else None)
            fine = self.passes(self.items[i], 300)
            sys.setprofile(None)
            if fine:
                found.append((i, frozenset(seen & self.known), time.perf_counter() - start))
        return found

    def verdicts(self, mutants):
        """(mutant, what caught it: an item, "crash", or None)."""
        for mutant, killer in in_children(mutants, self.judge, self.jobs):
            if isinstance(killer, int):
                best = self.killers.setdefault(min(mutant.calls), [])
                best[:] = [killer, *(i for i in best if i != killer)][:4]
            yield mutant, killer

    def judge(self, mutant):
        best = self.killers.get(min(mutant.calls, default=0), [])
        rest = [i for i, calls in self.calls.items() if calls & mutant.calls and i not in best]
        rest.sort(key=lambda i: (not self.is_quick_killer(i), self.seconds[i]))
        mutate(mutant)
        return next((i for i in best + rest if not self.passes(self.items[i], 10 + 10 * self.seconds[i])), "survivor")

    def is_quick_killer(self, i):
        name = self.items[i].name
        return name.startswith(("test_forward_equals", "test_backward_equals"))


def in_children(tasks, work, jobs):
    """(task, its result) in the order in which children finish, at most `jobs` at a time; None from one that died."""
    waiting, running = iter(tasks), {}
    while True:
        while len(running) < jobs and (task := next(waiting, None)) is not None:
            file = tempfile.TemporaryFile()  # noqa: SIM115 - closed below, when its child is done
            child = os.fork()
            if not child:
                live_and_die(task, work, file)
            running[child] = task, file
        if not running:
            return
        child, _ = os.wait()
        task, file = running.pop(child)
        with file:
            file.seek(0)
            raw = file.read()
        yield task, pickle.loads(raw) if raw else None


def live_and_die(task, work, file):
    status = 1
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_AS, (8 * GIB, 8 * GIB))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        pickle.dump(work(task), file)
        file.flush()
        status = 0
    finally:
        os._exit(status)


def report(verdicts):
    """Print survivors as they come, then how many of each module's mutants were caught."""
    tally, met, died = Counter(), set(), 0
    for mutant, killer in verdicts:
        group = EDGES if mutant.kind == "edge" else mutant.module
        known = f"{mutant.module}: {mutant.change}"
        fate = "caught" if killer != "survivor" else "equivalent" if known in REASONS else "survived"
        tally[group, fate] += 1
        died += killer is None
        if fate == "survived":
            print(f"survived: {mutant.kind}: {mutant}", flush=True)
        elif fate == "equivalent":
            met.add(known)
    groups = dict.fromkeys(group for group, _ in tally)
    for group in sorted(groups, key=EDGES.__eq__):
        print(f"{group:26}" + "".join(f"{tally[group, fate]:6} {fate}" for fate in FATES))
    whole = [sum(tally[group, fate] for group in groups if group != EDGES) for fate in FATES]
    share = 100 * whole[0] / max(whole[0] + whole[1], 1)
    print(f"all but those: {whole[0]} caught, {died} of them by a crash or a hang, {whole[1]} survived: {share:.2f} %")
    for known in REASONS:
        if known.partition(":")[0] in groups and known not in met:
            print(f"listed as equivalent, but not met: {known}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help="modules or classes; all if none is named")
    parser.add_argument("--jobs", type=int, default=2, help="children at a time")
    asked = parser.parse_args()
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    sys.modules["torch"] = None
    stems = {module.__name__.rpartition(".")[2] for module in modules(())} | set(BESIDE)
    files = [str(f) for f in sorted(TESTS.glob("test_*.py")) if f.stem[5:] in stems]
    options = [
        "-q",
        "-s",
        "--tb=native",
        "--no-header",
        "--no-summary",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:faulthandler",
    ]
    status = pytest.main([*options, *files], plugins=[Campaign(asked.names, asked.jobs)])
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
