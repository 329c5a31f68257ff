"""What a training step costs, counted rather than timed: calls made from Python, bytecodes run, bytes allocated."""

import dis
import sys
import tracemalloc
from collections import Counter

import numpy as np
import pytest

import minigraph as mg
from minigraph.blocks import transformer_encoder
from minigraph.costs import Quadratic, SoftmaxCrossEntropy
from minigraph.layers import LSTM, Add, Conv2D, Dense, Flatten, MaxPool2D

RNG = np.random.default_rng(0)


def mlp():
    net = mg.Sequential(784, Dense(30, "sigmoid"), Dense(10, "sigmoid"), cost=Quadratic(), seed=0, dtype="float32")
    return net, {"x": floats(10, 784), "t": floats(10, 10)}


def classifier():
    layers = Dense(32, "relu"), Dense(32, "relu"), Dense(10)
    net = mg.Sequential(64, *layers, cost=SoftmaxCrossEntropy(), seed=0, dtype="float32")
    return net, {"x": floats(128, 64), "t": RNG.integers(0, 10, 128)}


def chain(n):
    net = mg.Sequential(32, *(Dense(32, "sigmoid") for _ in range(n)), cost=Quadratic(), seed=0, dtype="float32")
    return net, {"x": floats(32, 32), "t": floats(32, 32)}


def forks():
    g = mg.Graph(seed=0, dtype="float32")
    h = g.input("x", 16)
    for _ in range(10):
        h = Add()(h, h >> Dense(16, "tanh"))
    g.cost(Quadratic(), h, target="t")
    return g, {"x": floats(16, 16), "t": floats(16, 16)}


def cnn():
    layers = Conv2D(4, 3, activation="relu"), MaxPool2D(2), Flatten(), Dense(10)
    net = mg.Sequential((1, 12, 12), *layers, cost=SoftmaxCrossEntropy(), seed=0, dtype="float32")
    return net, {"x": floats(8, 1, 12, 12), "t": RNG.integers(0, 10, 8)}


def transformer():
    g = mg.Graph(seed=0, dtype="float32")
    h = g.input("x", (8, 16))
    h = h >> transformer_encoder(h, 4, 32) >> Dense(10)
    g.cost(SoftmaxCrossEntropy(), h, target="t")
    return g, {"x": floats(4, 8, 16), "t": RNG.integers(0, 10, (4, 8))}


def lstm():
    layers = LSTM(8, returns="last"), Dense(10)
    net = mg.Sequential((10, 6), *layers, cost=SoftmaxCrossEntropy(), seed=0, dtype="float32")
    return net, {"x": floats(4, 10, 6), "t": RNG.integers(0, 10, 4)}


def floats(*shape):
    return RNG.standard_normal(shape, "float32")


LIMITS = {
    # what is trained, calls, bytecodes, bytes
    "mlp": (mlp, 97, 1600, 1024),
    "classifier": (classifier, 179, 2900, 24000),
    "20 layers": (lambda: chain(20), 366, 5500, 1024),
    "40 layers": (lambda: chain(40), 660, 9700, 1024),
    "10 forks": (forks, 192, 3000, 1024),
    "cnn": (cnn, 230, 3500, 24000),
    "transformer": (transformer, 344, 5000, 8000),
    "lstm": (lstm, 458, 6300, 8000),
}
"""The most that a step may cost, with room for versions: Python's differ by a tenth in bytecodes, numpy's in bytes."""
OLDER = (66, 1800, 700) if np.__version__ < "2" else (0, 0, 0)
"""So much more with numpy 1, where softmax with cross-entropy is called rather than bound, and scalars take room."""

SETTLED = 10
"""After so many steps all is allocated, bound and prepared."""


def steady(make):
    """A training step as users write it, which has been taken before."""
    g, feeds = make()
    run, sgd = mg.Run(g, training=True, guard=False), mg.SGD(lr=0.01)

    def step():
        run.forward(feeds).backward()
        sgd.step(run)

    for _ in range(SETTLED):
        step()
    return step


CALLS = frozenset(
    code for name, code in dis.opmap.items() if name.startswith("CALL") and not name.startswith("CALL_INTRINSIC")
)
"""Opcodes that call something: a function of numpy's or of Python's."""


def counted(step):
    """Calls and bytecodes of a step; operators on arrays are bytecodes."""
    seen, codes = Counter(), {}

    def run(code, offset):
        if code not in codes:
            codes[code] = code.co_code
        seen[codes[code][offset]] += 1

    (monitored if sys.version_info >= (3, 12) else traced)(step, run)
    return sum(count for code, count in seen.items() if code in CALLS), seen.total()


def monitored(step, run):
    monitoring, tool = sys.monitoring, sys.monitoring.PROFILER_ID
    monitoring.use_tool_id(tool, "counts")
    monitoring.register_callback(tool, monitoring.events.INSTRUCTION, run)
    monitoring.set_events(tool, monitoring.events.INSTRUCTION)
    try:
        step()
    finally:
        monitoring.set_events(tool, 0)
        monitoring.free_tool_id(tool)


def traced(step, run):
    def trace(frame, event, _):
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "opcode":
            run(frame.f_code, frame.f_lasti)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        step()
    finally:
        sys.settrace(before)


def allocated(step):
    """The bytes by which memory rises during a step, at most."""
    tracemalloc.start()
    try:
        step()
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        step()
        return tracemalloc.get_traced_memory()[1] - held
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("what", LIMITS)
def test_a_step_costs_no_more_than_it_did(what):
    make, *limits = LIMITS[what]
    most_calls, most_bytecodes, most_bytes = (most + more for most, more in zip(limits, OLDER, strict=True))
    step = steady(make)
    calls, bytecodes = counted(step)
    found = {"calls": calls, "bytecodes": bytecodes, "bytes": allocated(step)}
    print(what, found)
    assert found["calls"] <= most_calls, found
    assert found["bytecodes"] <= most_bytecodes, found
    assert found["bytes"] <= most_bytes, found
