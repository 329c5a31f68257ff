"""All the ways in which minigraph says no: what it takes, what it got, and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .nonfinite import Fault
    from .render.picture import Picture
    from .render.style import Style
    from .results import Results


class MinigraphError(Exception):
    """Base of every error that minigraph raises on purpose."""


class GraphError(MinigraphError, ValueError):
    """A graph was wired in a way that means nothing: foreign nodes, repeated names, unknown names."""


class ShapeError(GraphError):
    """A layer was given samples of a shape or dtype that it doesn't take."""


class NotBuiltError(GraphError, AttributeError):
    """A Param was asked for before the layer's first use in a graph created it."""


class FeedError(MinigraphError, ValueError):
    """The arrays given to a run don't fit its inputs: missing, unknown, wrong shape, dtype or batch size."""


class NotComputedError(MinigraphError, RuntimeError):
    """A number was asked for before the sweep that computes it."""


class NoPathError(NotComputedError):
    """A gradient was asked for where none exists: no path leads from there to the cost."""


class StaleError(MinigraphError, RuntimeError):
    """Numbers of an earlier sweep, of older weights or of an interrupted sweep were asked for."""


class LayerError(MinigraphError, RuntimeError):
    """A layer broke its contract: it failed, or returned the wrong number, shape or dtype of arrays."""


class NonFiniteError(MinigraphError, ArithmeticError):
    """A node made NaN or infinite numbers out of finite ones, in a run that was told to watch for them.

    `node` is its name and `direction` "forward" or "backward". `run` is the run that stopped there, with all that it
    had computed: `fault.run["h1"].z`, `fault.run.diagnose()`. A copy, as another process gets it, has no run.
    """

    def __init__(self, message: str, fault: Fault | None = None, run: Results | None = None):
        super().__init__(message)
        self.node = None if fault is None else fault.node.name
        self.direction = None if fault is None else fault.direction
        self.run = run
        self._fault = fault
        self._sweep = None if run is None else run.sweeping

    def picture(self, *, style: Style | str = "light", **view: Any) -> Picture:
        """A drawing of the network with that node marked and what was computed so far; options are those of `mg.View`.

        Raises StaleError when the run was swept anew since, NotComputedError for a copy, which has no run.
        """
        from .render.stopped import stopped_picture
        from .render.themes import style as themed
        from .render.view import view_of

        if self.run is None or self._fault is None:
            raise NotComputedError("this is a copy of a NonFiniteError, without the run that it was about")
        if self.run.sweeping is not self._sweep:
            raise StaleError("the run was swept anew after this NonFiniteError: draw it before")
        return stopped_picture(self.run, self._fault, view_of(view), themed(style))

    def draw(
        self, path: str | Path, *, style: Style | str = "light", timeout: float = 30.0, dpi: float = 192.0, **view: Any
    ) -> Path:
        """Draw it into a file; the format goes by the extension, as in `Picture.save`. Returns the path."""
        return self.picture(style=style, **view).save(path, timeout=timeout, dpi=dpi)

    def __reduce__(self) -> Any:
        return type(self), self.args, {"node": self.node, "direction": self.direction}


class CheckError(MinigraphError, AssertionError):
    """A gradient check failed and was asked to raise."""


class FileError(MinigraphError, ValueError):
    """A saved file is damaged, of another version, or about something else than what it is loaded into."""


class DatasetError(MinigraphError, ValueError):
    """A data file is missing, truncated, or not what it should be."""


class RenderError(MinigraphError, RuntimeError):
    """No picture could be made."""


class LayoutTimeout(RenderError):
    """The layout of a picture took longer than it was allowed."""


class GraphWarning(UserWarning):
    """A graph runs, but a part of it does nothing (a dangling input, a dead node), or a drawing of it may take long."""
