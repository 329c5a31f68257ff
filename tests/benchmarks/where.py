"""Where a training step's time goes: its numpy calls, how long they take, and what is left for Python."""

from __future__ import annotations

import statistics
import sys
import time
from collections import Counter
from types import FrameType
from typing import Any

import numpy as np
from contestants import ours
from works import Work

import minigraph as mg

SETTLED = 10
"""After so many steps all is allocated, bound and prepared."""


def profile(work: Work, repeats: int = 30) -> str:
    """The step's time, that of its numpy calls alone, each function's part of it, and the Python calls around them."""
    entry = ours.enter(work)
    with Recorder() as recorder:
        for _ in range(SETTLED):
            recorder.calls.clear()
            entry.step()
    calls = [(function, args, kwargs) for _, function, args, kwargs in recorder.calls]
    entry = ours.enter(work)
    for _ in range(SETTLED):
        entry.step()
    python = python_calls(entry.step)
    steps, replays, single = [], [], [[0.0] * repeats for _ in calls]
    with np.errstate(all="ignore"):  # what is replayed again and again goes anywhere
        for i in range(repeats):
            steps.append(timed(entry.step))
            replays.append(timed(replay, calls))
            for k, (function, args, kwargs) in enumerate(calls):
                began = time.perf_counter()
                function(*args, **kwargs)
                single[k][i] = time.perf_counter() - began
    step, alone = statistics.median(steps), statistics.median(replays)
    share: Counter[str] = Counter()
    for (name, *_), times in zip(recorder.calls, single, strict=True):
        share[name] += statistics.median(times)
    counts = Counter(name for name, *_ in recorder.calls)
    lines = [
        f"({work.key}) {work.title}",
        f"  a step {1e6 * step:.1f} µs; its {len(calls)} numpy calls alone {1e6 * alone:.1f} µs ({alone / step:.0%}); "
        f"the rest {1e6 * (step - alone):.1f} µs",
        f"  {sum(python.values())} calls of Python functions a step",
        "  numpy: " + ", ".join(f"{name} {counts[name]}× {1e6 * t:.1f} µs" for name, t in share.most_common(12)),
        "  Python: " + ", ".join(f"{name} {count}×" for name, count in python.most_common(12)),
    ]
    return "\n".join(lines)


def replay(calls: list[tuple[Any, Any, Any]]) -> None:
    for function, args, kwargs in calls:
        function(*args, **kwargs)


def timed(function: Any, *args: Any) -> float:
    began = time.perf_counter()
    function(*args)
    return time.perf_counter() - began


def python_calls(step: Any) -> Counter[str]:
    """How often each Python function of minigraph and numpy is called in a step."""
    found: Counter[str] = Counter()

    def seen(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            code = frame.f_code
            found[f"{frame.f_globals.get('__name__', '?').removeprefix('minigraph.')}.{code.co_name}"] += 1

    sys.setprofile(seen)
    step()
    sys.setprofile(None)
    return found


class Recorder:
    """Stands in for numpy in minigraph's modules, and notes every call of one of its functions.

    Layers that minigraph would call no more, as it knows their calls, are called as long as that goes on.
    """

    def __enter__(self) -> Recorder:
        self.calls: list[tuple[str, Any, tuple[Any, ...], dict[str, Any]]] = []
        self.changed = []
        for name, module in list(sys.modules.items()):
            if name == mg.__name__ or name.startswith(f"{mg.__name__}."):
                for key, value in list(vars(module).items()):
                    if value is np or isinstance(value, np.ufunc):
                        self.changed.append((module, key, value))
                        setattr(module, key, Numpy(self) if value is np else Noted(self, value, value.__name__))
                    elif isinstance(value, type) and vars(value).get("steady") is True:
                        self.changed.append((value, "steady", True))
                        value.steady = False
        return self

    def __exit__(self, *_: object) -> None:
        for module, key, value in self.changed:
            setattr(module, key, value)


class Numpy:
    """numpy, with its functions noted."""

    def __init__(self, recorder: Recorder):
        self._recorder = recorder

    def __getattr__(self, name: str) -> Any:
        value = getattr(np, name)
        plain = callable(value) and not isinstance(value, type) and name not in ("errstate",)
        return Noted(self._recorder, value, name) if plain else value


class Noted:
    """A function of numpy, or a ufunc's method, that notes its calls."""

    def __init__(self, recorder: Recorder, function: Any, name: str):
        self._recorder, self._function, self._name = recorder, function, name

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._function, name)
        return Noted(self._recorder, value, f"{self._name}.{name}") if callable(value) else value

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self._recorder.calls.append((self._name, self._function, args, kwargs))
        return self._function(*args, **kwargs)
