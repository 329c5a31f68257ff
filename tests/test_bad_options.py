"""Layers, costs, optimizers and schedules made with options that mean nothing: each row names what it must be told."""

from dataclasses import MISSING, fields, is_dataclass

import numpy as np
import pytest
from refusals import bad, check

import minigraph as mg
from minigraph import costs, layers
from minigraph.errors import GraphError, MinigraphError, ShapeError
from minigraph.layers import Dense, Layer


def made(make, *names):
    return bad(lambda g: make(), GraphError, *names, at=None)


def option(kind, name, value, *takes, **others):
    """One option of a layer or cost that is refused by its name and its class's, and shown."""
    return made(
        lambda: kind(**{**NEEDED.get(kind, {}), **others, name: value}), kind.__name__, *takes, f"got {value!r}"
    )


NEEDED = {
    layers.Dense: {"units": 2},
    layers.Conv1D: {"filters": 2, "kernel_size": 2},
    layers.Conv2D: {"filters": 2, "kernel_size": 2},
    layers.ConvTranspose2D: {"filters": 2, "kernel_size": 2},
    layers.AvgPool2D: {"pool_size": 2},
    layers.MaxPool2D: {"pool_size": 2},
    layers.AdaptiveAvgPool2D: {"output_size": 2},
    layers.UpSample2D: {"size": 2},
    layers.Embedding: {"size": 3, "units": 2},
    layers.MultiHeadAttention: {"heads": 1},
    layers.GroupNorm: {"groups": 2},
    layers.Activation: {"kind": "tanh"},
    layers.Function: {"f": np.sin, "slope": np.cos},
    layers.GaussianNoise: {"std": 1.0},
    layers.Broadcast: {"shape": 2},
    layers.Reshape: {"shape": 2},
    layers.ExpandDims: {"axis": 0},
    layers.Slice: {"index": 0},
    layers.Split: {"sections": 2},
    layers.Power: {"exponent": 2.0},
    layers.Pad: {"widths": 1},
    costs.L1: {"strength": 1.0, "of": "*"},
    costs.L2: {"strength": 1.0, "of": "*"},
    costs.Penalty: {"strength": 1.0, "of": "*"},
    **{
        kind: {"units": 2}
        for kind in (layers.RNN, layers.LSTM, layers.GRU, layers.RNNCell, layers.LSTMCell, layers.GRUCell)
    },
    layers.Cell: {"units": 2},
    layers.Recurrent: {"units": 2},
}
"""What has no value unless one is given."""
WHOLE, NOT_BELOW_0, FLAG = (
    "takes a positive whole number",
    "takes a whole number of 0 or more",
    "takes True or False as",
)

# one row or more for each family
LAYERS = {
    "Dense of no units": option(layers.Dense, "units", 0, WHOLE, "of units"),
    "Dense of a float": option(layers.Dense, "units", 3.0, WHOLE, "of units"),
    "Dense of a bool": option(layers.Dense, "units", True, WHOLE, "of units"),
    "Dense of no known activation": made(
        lambda: Dense(2, "rely"), "Dense has no activation 'rely': did you mean 'relu'? There are"
    ),
    "Dense of a function without its slope": made(
        lambda: Dense(2, np.sin), "'sin' has no derivative", "the pair (f, slope)"
    ),
    "Dense of too few activations": made(lambda: Dense(3, ["tanh"]), "one activation for each of its 3 neurons, got 1"),
    "Dense of an array for an activation": made(
        lambda: Dense(2, np.ones(2)), "Dense has no activation an array of shape"
    ),
    "Dense with an option out of its place": option(layers.Dense, "bias", "he_normal", FLAG, "bias"),
    "Dense frozen by a word": option(layers.Dense, "frozen", "yes", "frozen as True or False"),
    "Conv2D of windows below 0": option(layers.Conv2D, "kernel_size", (3, -1), WHOLE, "kernel_size"),
    "Conv2D of a stride of 0": option(layers.Conv2D, "stride", 0, WHOLE, "stride"),
    "Conv2D of padding below 0": option(layers.Conv2D, "padding", -1, NOT_BELOW_0, "padding"),
    "Conv2D of groups that don't divide": made(lambda: layers.Conv2D(3, 2, groups=2), "2 groups divide, got 3"),
    "Conv1D of a float": option(layers.Conv1D, "dilation", 1.5, WHOLE, "dilation"),
    "ConvTranspose2D of much more": option(layers.ConvTranspose2D, "output_padding", 1.5, "output_padding"),
    "MaxPool2D of a float": option(layers.MaxPool2D, "pool_size", 2.0, WHOLE, "pool_size"),
    "MaxPool2D of padding above half": option(layers.MaxPool2D, "padding", 2, "padding of at most half its pool_size"),
    "AvgPool2D of a bool": option(layers.AvgPool2D, "stride", True, WHOLE, "stride"),
    "BatchNorm of a momentum above 1": option(layers.BatchNorm, "momentum", 1.5, "a momentum from 0 to 1"),
    "LayerNorm of a negative eps": option(layers.LayerNorm, "eps", -1e-5, "a finite eps of 0 or more"),
    "GroupNorm of no groups": option(layers.GroupNorm, "groups", 0, WHOLE, "of groups"),
    "LSTM of no units": option(layers.LSTM, "units", -3, WHOLE, "of units"),
    "LSTM that returns nothing known": option(layers.LSTM, "returns", "all", "returns one of 'sequence', 'last'"),
    "GRUCell of a float": option(layers.GRUCell, "units", 2.5, WHOLE, "of units"),
    "attention of no heads": option(layers.MultiHeadAttention, "heads", 0, WHOLE, "of heads"),
    "attention with dropout above 1": option(layers.MultiHeadAttention, "dropout", 1.1, "a dropout from 0 to 1"),
    "Embedding of no rows": option(layers.Embedding, "size", 0, WHOLE, "as size"),
    "Embedding padded outside": option(layers.Embedding, "padding_index", 3, "a padding_index from 0 to 2, or None"),
    "Dropout of 150 %": option(layers.Dropout, "rate", 1.5, "a rate from 0 to 1"),
    "GaussianNoise below 0": option(layers.GaussianNoise, "std", -1.0, "a finite standard deviation of 0 or more"),
    "Concat along a float": option(layers.Concat, "axis", 1.0, "takes a whole number as axis"),
    "Reshape to nothing": option(layers.Reshape, "shape", (2, 0), "positive whole numbers, and -1"),
    "Transpose of an axis twice": option(layers.Transpose, "axes", (0, 0), "several different whole numbers"),
    "Slice by an array": option(layers.Slice, "index", [0, 1], "whole numbers, slices", "picks no elements by arrays"),
    "Split into no parts": option(layers.Split, "sections", 0, "a positive number of parts"),
    "Pad in no known mode": option(layers.Pad, "mode", "wrap", "'constant', 'reflect' or 'edge'"),
    "Sum along a float": option(layers.Sum, "axes", 0.0, "several different whole numbers"),
    "Scale by text": option(layers.Scale, "factor", "2", "a number or an array of numbers as factor"),
    "Power of infinity": option(layers.Power, "exponent", np.inf, "a finite number as exponent"),
    "Huber of no delta": option(costs.Huber, "delta", 0.0, "takes a delta above 0"),
    "TripletMargin of a negative eps": option(costs.TripletMargin, "eps", -1.0, "takes an eps of 0 or more"),
    "a penalty below 0": option(costs.L2, "strength", -1.0, "takes a strength of 0 or more"),
    "a penalty on numbers": option(costs.L1, "of", (3,), "takes patterns of Params' names, or Params"),
    "labels smoothed above 1": option(costs.SoftmaxCrossEntropy, "label_smoothing", 2.0, "label_smoothing from 0 to 1"),
    "a class left out by name": option(costs.SoftmaxCrossEntropy, "ignore_index", "cat", "ignore_index, or None"),
    "bits summed no known way": option(costs.BinaryCrossEntropy, "reduction", "max", "the reduction 'sum' or 'mean'"),
    "Params of integers": bad(
        lambda g: mg.Param(np.ones(3, int)), ShapeError, "'param'", "takes a float array", at=None
    ),
    "a Param that is a number": bad(lambda g: mg.Param(1.0), ShapeError, "'param'", "at least one axis", at=None),
}


def sgd(name, value, *takes, **others):
    return made(lambda: mg.SGD(**{"lr": 0.1, **others, name: value}), "SGD takes", *takes, f"got {name}={value!r}")


OPTIMIZERS = {
    "a rate below 0": sgd("lr", -0.1, "a finite lr of 0 or more or a schedule"),
    "a rate of text": sgd("lr", "fast", "a finite lr of 0 or more or a schedule"),
    "a rate of NaN": sgd("lr", np.nan, "a finite lr of 0 or more or a schedule"),
    "a rate that is a bool": sgd("lr", True, "a finite lr of 0 or more or a schedule"),
    "momentum below 0": sgd("momentum", -0.5, "a finite momentum of 0 or more"),
    "Nesterov's without momentum": made(lambda: mg.SGD(0.1, nesterov=True), "with a momentum above 0, got momentum=0"),
    "decay below 0": sgd("weight_decay", -1.0, "a finite weight_decay of 0 or more"),
    "clipping to nothing": sgd("clip_norm", 0.0, "a finite number above 0"),
    "groups of no options": made(lambda: mg.SGD(0.1, groups=3), 'takes groups as {"*.b": {"weight_decay": 0}}, got 3'),
    "an unknown option of a group": made(
        lambda: mg.SGD(0.1, groups={"*.b": {"decay": 1}}), "has no option 'decay'", "'*.b'"
    ),
    "a bad option of a group": made(lambda: mg.SGD(0.1, groups={"*.b": {"lr": -1}}), "got lr=-1", "the group '*.b'"),
    "Params by number": made(lambda: mg.SGD(0.1, params=3), "takes params as patterns of their names", "got 3"),
    "one beta": made(lambda: mg.Adam(betas=0.9), "Adam takes two betas from 0 to below 1, got betas=0.9"),
    "a beta of 1": made(
        lambda: mg.Adam(betas=(0.9, 1.0)), "Adam takes two betas from 0 to below 1, got betas=(0.9, 1.0)"
    ),
    "eps of text": made(lambda: mg.Adam(eps="tiny"), "Adam takes a finite eps of 0 or more, got eps='tiny'"),
}
TABLE = {**LAYERS, **OPTIMIZERS}


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)
def test_options_that_mean_nothing_are_refused_by_name_with_what_is_taken(row):
    check(row)


KINDS = [
    kind
    for module in (layers, costs)
    for kind in map(vars(module).get, module.__all__)
    if isinstance(kind, type) and issubclass(kind, Layer | layers.Split) and is_dataclass(kind)
    if kind not in (Layer, layers.Input, layers.Neurons, costs.Cost)
]
SIZES = "units filters kernel_size stride dilation groups pool_size output_size size heads sections"
NO_SIZES = [0, -1, 2.5, 3.0, np.float64(3), True, "3", 1j, np.nan, np.inf, object(), {}, (1, 2, 3), (), np.ones(2)]
ODD = [
    *NO_SIZES,
    None,
    -2.5,
    np.ones((2, 2)),
    [1, -2],
    10**12,
    2**70,
    10**400,
    np.sin,
    Dense,
    b"",
    np.datetime64("2026-01-01"),
]


def refusal(kind, name, value):
    try:
        kind(**{**NEEDED.get(kind, {}), name: value})
    except MinigraphError as fault:
        return fault
    return None


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_whatever_an_option_is_it_is_taken_or_refused_as_an_error_of_the_graph_that_names_the_layer(kind):
    for name in [option.name for option in fields(kind) if option.init]:
        for value in ODD:
            fault = refusal(kind, name, value)
            assert fault is None or (isinstance(fault, GraphError) and kind.__name__ in str(fault)), (
                name,
                value,
                fault,
            )


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_sizes_are_positive_whole_numbers(kind):
    for option in fields(kind):
        if option.name not in SIZES.split() or (kind, option.name) == (layers.Split, "sections"):
            continue
        for value in NO_SIZES:
            with pytest.raises(GraphError, match=rf"{kind.__name__} .*(whole number|positive number).*{option.name}"):
                kind(**{**NEEDED.get(kind, {}), option.name: value})


def test_each_layer_can_be_made_with_what_it_needs():
    needing = {kind for kind in KINDS if any(_needed(option) for option in fields(kind))}
    assert needing == NEEDED.keys()
    for kind in KINDS:
        kind(**NEEDED.get(kind, {}))


def _needed(option):
    return option.init and option.default is MISSING and option.default_factory is MISSING
