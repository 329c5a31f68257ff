"""The same seed gives the same bits: in another process, in the fifth run, and with another number of BLAS threads."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cases import CASES
from wirings import ROWS, feeds, wired

import minigraph as mg
from minigraph.costs import L2, Cost, SoftmaxCrossEntropy, Value
from minigraph.layers import BatchNorm, Conv2D, Dense, Dropout, Flatten, GaussianNoise, MaxPool2D, Reshape

ROW_OF = {type(case.node().layer): case for case in CASES}
"""One row of the table for each class of layers and costs."""
SIZE = 2**18
"""Up to so many multiplications, OpenBLAS computes a matrix product in one thread, however many there are."""


def weights(g):
    return b"".join(param.value.tobytes() for param in g.params.values())


def of_wiring(name):
    """The weights of an awkward graph, or of a random one, after some steps."""
    w = wired(name)
    run, sgd = mg.Run(w.graph, training=True), mg.SGD(0.1)
    for i in range(5):
        sgd.step(run.forward(feeds(w.graph, 4, i, w.until), until=w.until).backward())
    return weights(w.graph)


def of_layer(case):
    """What a layer computes in training, forward and back, in three sweeps, and its gradients."""
    node, rng = case.node(), np.random.default_rng(0)
    g, inputs = node.graph, [case.inputs(rng, 4) for _ in range(3)]
    if not isinstance(node.layer, Cost):
        g.cost(Value(), node)
    run, found = mg.Run(g, training=True), []
    wrt = [source for slot, source in enumerate(node.inputs) if slot not in node.constant_inputs]
    for xs in inputs:
        run.forward({f"x{i}": x for i, x in enumerate(xs)}).backward(wrt=wrt)
        found += [run["node"].a, *(run[source].delta for source in wrt)]
        found += [run.grad(param) for param in node.layer.params.values() if run.trained().uses.get(param)]
    return b"".join(np.ascontiguousarray(array).tobytes() for array in found)


def trained(optimizer, width=30, dtype="float64", batch_size=10, seed=3):
    """The weights after an epoch of shuffled batches, with noise, dropout and running statistics."""
    rng = np.random.default_rng(0)
    images = Reshape((1, 28, 28)), Conv2D(2, 5, stride=2, activation="relu"), MaxPool2D(2), Flatten(), Dropout(0.2)
    hidden = GaussianNoise(0.1), Dense(width, "gelu"), BatchNorm()
    g = mg.Sequential(784, *images, *hidden, Dense(10), cost=SoftmaxCrossEntropy(), seed=seed, dtype=dtype)
    g.cost(L2(1e-3, of="*.w"))
    data = {"x": rng.random((100, 784)), "t": rng.integers(0, 10, 100)}
    mg.fit(g, data, epochs=2, batch_size=batch_size, optimizer=optimizer, progress=False)
    return weights(g) + g.find(BatchNorm)[0].layer.mean.tobytes()


def of_digits(width, batch_size):
    """The book's network of digits after some steps by clipped gradients."""
    rng = np.random.default_rng(0)
    g = mg.Sequential(784, Dense(width, "sigmoid"), Dense(10, "sigmoid"), cost=mg.costs.Quadratic(), seed=0)
    data = {"x": rng.random((10 * batch_size, 784)), "t": rng.random((10 * batch_size, 10))}
    sgd = mg.SGD(0.5, momentum=0.9, clip_norm=0.01)
    mg.fit(g, data, epochs=1, batch_size=batch_size, optimizer=sgd, progress=False)
    return weights(g)


TRAININGS = {
    "Adam": lambda: trained(mg.Adam(1e-2)),
    "AdaGrad, float32": lambda: trained(mg.AdaGrad(1e-2), dtype="float32"),
    "RMSprop, the last batch short": lambda: trained(mg.RMSprop(1e-3), batch_size=32),
    "digits, just below the size": lambda: of_digits(30, 10),  # 10 · 784 · 30 = 235,200
}


def told():
    """For everything that is tried here a digest of its numbers."""
    made = {name: of_wiring(name) for name in [*ROWS, *range(10)]}
    made |= {case.id: of_layer(case) for case in ROW_OF.values()}
    made |= {name: training() for name, training in TRAININGS.items()}
    return "".join(f"{name!r}: {hashlib.sha256(numbers).hexdigest()}\n" for name, numbers in made.items())


def wide():
    """The weights of a network whose products several threads share."""
    assert SIZE < 64 * 784 * 100
    return of_digits(100, 64)


def process(folder, threads, hash_seed):
    """Start another Python process that tells the same, and leaves the weights of the wide network in a file."""
    code = (
        "import sys, test_determinism as t; print(t.told(), end=''); open(sys.argv[1], 'wb').write(t.wide() + t.wide())"
    )
    paths = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    numbers = dict.fromkeys(["OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"], str(threads))
    return subprocess.Popen(
        [sys.executable, "-c", code, str(folder / f"wide {threads}")],
        env={**os.environ, "PYTHONPATH": paths, "PYTHONHASHSEED": str(hash_seed), **numbers},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    """What two processes with different hashes and numbers of threads told, and the weights they left, twice each."""
    folder, known = tmp_path_factory.mktemp("processes"), ((1, 0), (2, 1))
    started = [process(folder, *options) for options in known]
    texts = [one.communicate(timeout=120)[0] for one in started]
    assert [one.returncode for one in started] == [0, 0]
    return texts, [np.fromfile(folder / f"wide {threads}").reshape(2, -1) for threads, _ in known]


def test_the_same_seed_gives_the_same_bits_in_every_process_with_one_thread_and_with_two(processes):
    here = told()
    for text in processes[0]:
        assert text.splitlines() == here.splitlines()
    assert len(here.splitlines()) == len(ROWS) + 10 + len(ROW_OF) + len(TRAININGS)
    seen = [line.rpartition(": ")[2] for line in here.splitlines()]
    assert len({*seen[: len(ROWS) + 10], *seen[-len(TRAININGS) :]}) == len(ROWS) + 10 + len(TRAININGS)


def test_threads_that_share_a_product_change_no_more_than_its_rounding(processes):
    _, (one, two) = processes
    for weights_twice in (one, two):
        assert np.array_equal(*weights_twice)
    assert abs(one - two).max() <= 1e-12 * abs(one).max()


@pytest.mark.parametrize("name", TRAININGS)
def test_five_runs_in_one_process_give_the_same_bits(name):
    assert len({TRAININGS[name]() for _ in range(5)}) == 1


def test_other_seeds_give_other_bits():
    assert len({trained(mg.SGD(0.01), seed=seed) for seed in range(3)}) == 3
