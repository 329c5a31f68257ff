"""Ctrl-C while training: it waits for what has to be done wholly."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class Interrupts:
    """Within a `with` block, Ctrl-C between `busy = True` and `over()` is put off until then; a second one isn't.

    Works in the main thread, as long as the handler in charge is Python's own or another of these; else all is as
    without it.
    """

    def __init__(self) -> None:
        self.busy = False
        """Whether something is being done that has to be done wholly."""
        self.waiting = False
        self._before: Any = None

    def __enter__(self) -> Interrupts:
        handler = signal.getsignal(signal.SIGINT)
        known = handler is signal.default_int_handler or isinstance(getattr(handler, "__self__", None), Interrupts)
        if known and threading.current_thread() is threading.main_thread():
            self._before = handler
            signal.signal(signal.SIGINT, self._asked)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None and signal.getsignal(signal.SIGINT) == self._asked:
            signal.signal(signal.SIGINT, self._before)
        self.busy = False
        if self.waiting and kind is not KeyboardInterrupt:
            raise KeyboardInterrupt

    def over(self) -> None:
        """End what had to be done wholly; raises KeyboardInterrupt if it was asked for meanwhile."""
        self.busy = False
        if self.waiting:
            self.waiting = False
            raise KeyboardInterrupt

    def _asked(self, number: int, frame: FrameType | None) -> None:
        if _is_at_the_door(frame) or (self.busy and not self.waiting):
            self.waiting = True
        else:
            self.waiting = False
            self._before(number, frame)


_DOORS = (Interrupts.__enter__.__code__, Interrupts.__exit__.__code__)


def _is_at_the_door(frame: FrameType | None) -> bool:
    """Whether a handler is just put in charge, or the one before: that has to be done wholly, too."""
    while frame is not None:
        if frame.f_code in _DOORS:
            return True
        frame = frame.f_back
    return False
