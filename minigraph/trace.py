"""Trace: arrays that tell what numpy is asked to do with them, and the calls that come of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any, TypeAlias

import numpy as np

from .nested import arrays_in, each, owner
from .param import Array

Call: TypeAlias = "tuple[Callable[..., Any], tuple[Any, ...]]"
"""A function of numpy with its arguments, `out` among them."""

ROOM = 2**18
"""A layer may leave arrays of so many bytes to numpy to allocate; with more it is called as a whole."""

SMALL = 2**18
"""Arrays of up to so many bytes are copied where numpy would be slow: see `Trace._elementwise`."""


class Trace:
    """The calls made of numpy with arrays that this trace has shown."""

    def __init__(self, scratch: dict[Any, Any]) -> None:
        self.calls: list[Call] | None = []
        self.seen: list[Traced] = []
        """Views whose `plain` is a view of them: a circle that no garbage collector sees."""
        self._scratch = scratch
        self._shown: dict[int, Traced] = {}
        self._made: list[Array] = []
        self._room = ROOM
        self._errors = np.geterr()

    def shown(self, array: Array) -> Array:
        """The array as one that tells the trace what is done with it; the same one for the same array."""
        if isinstance(array, Traced):
            return array
        found = self._shown.get(id(array))
        if found is None:
            found = self._shown[id(array)] = array.view(Traced)
            found.tracer, found.plain = self, array
        return found

    def close(self, left: Any, complete: bool) -> list[Call] | None:
        """The calls, if they are all that the arrays have seen.

        Arrays made on the way are free for others, if they aren't among those `left`, and these are `complete`.
        """
        held = {id(owner(array)) for array in arrays_in(left)}
        for block in self._made:
            if complete and id(block) not in held:
                self._scratch.setdefault(block.size, []).append(block)
        for view in self.seen:
            view.plain = None
        calls, self.calls, self._shown, self.seen = self.calls, None, {}, []
        return calls

    def stop(self) -> None:
        """Something is done that can't be written down."""
        self.calls = None

    def note(self, function: Callable[..., Any], *args: Any, **options: Any) -> None:
        """Write a call down."""
        errors = dict(np.geterr().items() - self._errors.items())
        if errors:
            function = _under(errors, partial(function, **options) if options else function)
            options = {}
        if self.calls is not None:
            self.calls.append((partial(function, **options) if options else function, args))

    def ufunc(self, ufunc: np.ufunc, method: str, inputs: Any, out: Any, options: Any) -> Any:
        """Make a ufunc's call, and write it down with an array for its result."""
        inputs, out, options = each(bare, inputs), each(bare, out), each(bare, options)
        if method == "__call__" and ufunc.nout == 1:
            result = self._placed(ufunc(*inputs, out=out[0] if out else None, **options), out)
            if ufunc in _EXACT and not options and isinstance(result, np.ndarray):
                self._elementwise(ufunc, inputs, result)
            else:
                self.note(ufunc, *inputs, result, **options)
        elif method == "reduce":
            result = self._placed(ufunc.reduce(inputs[0], out=out[0] if out else None, **options), out)
            if options.keys() <= {"axis", "dtype", "keepdims"}:
                axis, dtype, keep = options.get("axis", 0), options.get("dtype"), options.get("keepdims", False)
                self.note(ufunc.reduce, inputs[0], axis, dtype, result, keep)
            else:
                self.note(ufunc.reduce, inputs[0], out=result, **options)
        else:
            self.stop()
            result = getattr(ufunc, method)(*inputs, **({"out": out} if out else {}), **options)
        return each(self.shown, result)

    def function(self, function: Callable[..., Any], args: Any, options: Any) -> Any:
        """Call another function of numpy, and write it down if it writes; views need no call."""
        args, options = each(bare, args), each(bare, options)
        result = function(*args, **options)
        given = options.get("out")
        if function is np.copyto:
            self.note(function, *args, **options)
        elif function is np.dot:
            result = self._placed(result, (given, *args[2:]))
            self.note(function, *args[:2], result)
        elif isinstance(given, np.ndarray):
            self.note(function, *args, **options)
        elif function not in _FACTS and not _is_view(result, (args, options)):
            self.stop()
        return each(self.shown, result)

    # ---- calls as numpy makes them fastest ----

    def _elementwise(self, ufunc: np.ufunc, inputs: Any, result: Array) -> None:
        """Write down an elementwise call whose numbers are the same, however they lie in memory."""
        small = result.ndim > 0 and result.nbytes <= SMALL
        ready = [self._ready(x, result, i, small) for i, x in enumerate(inputs)]
        aside = small and not result.flags.c_contiguous
        place = self._room_for("out", result.shape, result.dtype) if aside else result
        if ufunc in _BY_NAME:
            self.note(_with_out(ufunc, place), *ready)
        else:
            self.note(ufunc, *ready, place)
        if aside:
            self.note(result.__setitem__, ..., place)

    def _ready(self, x: Any, result: Array, i: int, small: bool) -> Any:
        """Input number i in a form that numpy needn't convert, broadcast or buffer: a copy takes half that time."""
        if type(x) in (int, float) and result.dtype.kind == "f":
            return np.array(x, result.dtype)  # which is what the number would become anyway
        if isinstance(x, np.ndarray) and x.ndim and small and (x.shape != result.shape or not x.flags.c_contiguous):
            full = self._room_for(i, result.shape, x.dtype)
            self.note(full.__setitem__, ..., x)
            return full
        return x

    def _room_for(self, role: Any, shape: Any, dtype: Any) -> Array:
        key = role, shape, dtype
        if key not in self._scratch:
            self._scratch[key] = np.empty(shape, dtype)
        found: Array = self._scratch[key]
        return found

    def _placed(self, result: Any, out: Any) -> Any:
        """The result in an array that is there in later sweeps, too; a number instead of one may steer the layer."""
        if not isinstance(result, np.ndarray):
            self.stop()
        elif not any(given is result for given in out):
            self._room -= result.nbytes
            if self._room < 0:
                self.stop()
            else:
                free = self._scratch.get(result.nbytes)
                block = free.pop() if free else np.empty(result.nbytes, np.uint8)
                self._made.append(block)
                place = block.view(result.dtype).reshape(result.shape)
                place[...] = result
                return place
        return result


_EXACT = {np.add, np.subtract, np.multiply, np.divide, np.negative, np.positive, np.maximum, np.minimum, np.absolute}
_EXACT |= {np.sqrt, np.square, np.reciprocal, np.greater, np.greater_equal, np.less, np.less_equal, np.equal}
"""Functions that give the same bits by whichever of numpy's loops: others, as exp, may differ in the last one."""

_BY_NAME = {np.minimum, np.maximum}
"""Functions that take their `out` by name only."""

_FACTS = {np.shape, np.ndim, np.size, np.result_type, np.may_share_memory, np.broadcast_shapes}


def _under(errors: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, called where numpy treats floating-point errors like this."""

    def call(*args: Any) -> None:
        with np.errstate(**errors):
            function(*args)

    return call


def _with_out(ufunc: np.ufunc, out: Array) -> Callable[..., Any]:
    """Half the time of a partial."""

    def call(x: Any, y: Any) -> None:
        ufunc(x, y, out=out)

    return call


def _is_view(result: Any, sources: Any) -> bool:
    arrays, results = list(arrays_in(sources)), list(arrays_in(result))
    return bool(results) and all(any(np.may_share_memory(r, a) for a in arrays) for r in results)


class Traced(np.ndarray[Any, Any]):
    """A view of an array, through which a trace sees what is done with it."""

    tracer: Trace
    plain: Array | None

    def __array_finalize__(self, source: Any) -> None:
        self.plain = None
        if isinstance(source, Traced):
            self.tracer = source.tracer
            if self.size and not _inside(self, source):
                self.tracer.stop()  # a copy, made where the trace couldn't see it

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = (), **options: Any) -> Any:
        return self.tracer.ufunc(ufunc, method, inputs, out, options)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        return self.tracer.function(function, args, options)

    def __setitem__(self, place: Any, value: Any) -> None:
        there = bare(self)[place]
        if not isinstance(there, np.ndarray) or not np.may_share_memory(there, bare(self)):
            self.tracer.stop()
            bare(self)[place] = bare(value)
        else:
            there[...] = bare(value)
            self.tracer.note(there.__setitem__, ..., bare(value))

    def __getitem__(self, place: Any) -> Any:
        part = super().__getitem__(each(bare, place))
        if not isinstance(part, np.ndarray):
            self.tracer.stop()
        return part

    def fill(self, value: Any) -> None:
        """Write one number everywhere."""
        bare(self).fill(value)
        self.tracer.note(bare(self).fill, value)

    def __bool__(self) -> bool:
        self.tracer.stop()
        return bool(bare(self))

    def __float__(self) -> float:
        self.tracer.stop()
        return float(bare(self))

    def __int__(self) -> int:
        self.tracer.stop()
        return int(bare(self))


def noted(function: Callable[..., None]) -> Callable[..., None]:
    """Have a trace write down a call of this function, in place of all that it asks of numpy.

    It must do the same with its arguments each time: write into arrays, or raise.
    """

    @wraps(function)
    def call(*args: Any) -> None:
        plain = each(bare, args)
        function(*plain)
        for arg in args:
            if isinstance(arg, Traced):
                arg.tracer.note(function, *plain)
                break

    return call


def _inside(part: Array, whole: Array) -> bool:
    start = whole.ctypes.data
    spans = [(n - 1) * step for n, step in zip(whole.shape, whole.strides, strict=True)]
    low, high = start + sum(s for s in spans if s < 0), start + sum(s for s in spans if s > 0) + whole.itemsize
    return bool(low <= part.ctypes.data < high)


def bare(value: Any) -> Any:
    """The array itself, without anybody seeing what is done with it."""
    if isinstance(value, Traced):
        if value.plain is None:
            value.plain = value.view(np.ndarray)
            value.tracer.seen.append(value)
        return value.plain
    return value
