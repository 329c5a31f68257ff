"""A recurrent cell used once a time step, as a graph of visible nodes."""

from __future__ import annotations

from .errors import GraphError, ShapeError
from .layer import Node, graph_of
from .layers import Cell, Recurrent, Slice, Stack


def unroll(
    cell: Cell,
    x: Node,
    state: Node | None = None,
    returns: str = "sequence",
    *,
    reverse: bool = False,
    name: str = "cell",
) -> Node:
    """Use one cell on every step of a node with samples (T, k), and return the node with the result.

    There are a Slice x_t and a use of the cell for each t, named "x_0", "cell_0", "x_1", …, all uses with the same
    Params. The first takes `state`, or none: then it is 0. `returns` is "sequence", every h stacked to samples (T, n),
    "last", the last h (n,), or for an LSTMCell "cell", the last c (n,), or "state", the last h and c (2, n).
    `reverse=True` goes from the last step to the first. A layer with the same Params, `LSTM(n, weights=cell.w,
    recurrent=cell.u, biases=cell.b)`, computes the same numbers in one node. Raises GraphError for what is no cell,
    ShapeError for what is no sequence.
    """
    if not isinstance(cell, Cell) or isinstance(cell, Recurrent):
        raise GraphError(f"unroll takes a cell, such as LSTMCell(…), got {cell!r}")
    known = ("sequence", "last") if cell.parts == 1 else ("sequence", "last", "cell", "state")
    if returns not in known:
        raise GraphError(f"unroll returns one of {', '.join(map(repr, known))}, got {returns!r}")
    g = graph_of([x] if state is None else [x, state], "unroll")
    if len(x.shape) != 2:
        raise ShapeError(f"unroll takes sequences (T, k), got samples of shape {x.shape} from {x.name!r}")
    steps, states = range(x.shape[0]), []
    for t in reversed(steps) if reverse else steps:
        step = g.add(Slice(t), x, name=g.names.unique(f"{x.name}_{t}"))
        inputs = (step,) if state is None else (step, state)
        state = g.add(cell, *inputs, name=g.names.unique(f"{name}_{t}"))
        states.append(state)
    result: Node = states[-1]
    if returns == "sequence":
        result = g.add(Stack(axis=0), *(reversed(states) if reverse else states))
        return result if cell.parts == 1 else result >> Slice((slice(None), 0))
    return result if cell.parts == 1 or returns == "state" else result >> Slice(int(returns == "cell"))
