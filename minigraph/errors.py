"""All the ways in which minigraph says no: what it takes, what it got, and what to do."""


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


class CheckError(MinigraphError, AssertionError):
    """A gradient check failed and was asked to raise."""


class DatasetError(MinigraphError, ValueError):
    """A data file is missing, truncated, or not what it should be."""


class RenderError(MinigraphError, RuntimeError):
    """No picture could be made."""


class LayoutTimeout(RenderError):
    """The layout of a picture took longer than it was allowed."""


class GraphWarning(UserWarning):
    """A graph runs, but a part of it does nothing (a dangling input, a dead node), or a drawing of it may take long."""
