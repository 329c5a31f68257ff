"""The line of the user's code that a call came from."""

from __future__ import annotations

import os
import sys
from types import FrameType


def user_line() -> str:
    """File and line, outside of this package, that the call came from."""
    frame, _ = user_frame()
    return f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"


def user_frame() -> tuple[FrameType, int]:
    """The first frame outside of this package, and the `stacklevel` at which the caller warns there."""
    package = __name__.partition(".")[0]
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == package:
        frame, level = frame.f_back, level + 1
    return frame, level
