"""Arguments that say yes or no take nothing else: a word out of its place would count as yes."""

from dataclasses import fields

import pytest
from cases import CASES

from minigraph.errors import GraphError

KINDS = {type(case.make()): case for case in CASES}
FLAGS = [
    pytest.param(case, option.name, id=f"{kind.__name__}-{option.name}")
    for kind, case in KINDS.items()
    for option in fields(kind)
    if option.init and option.type == "bool" and option.name != "frozen"
]


@pytest.mark.parametrize("value", ["he_normal", 0, None])
@pytest.mark.parametrize(("case", "flag"), FLAGS)
def test_flags_are_true_or_false(case, flag, value):
    layer = case.make()
    given = {option.name: getattr(layer, option.name) for option in fields(layer) if option.init}
    type(layer)(**given)
    with pytest.raises(GraphError) as caught:
        type(layer)(**{**given, flag: value})
    assert type(layer).__name__ in str(caught.value)
    assert flag in str(caught.value)
    assert repr(value) in str(caught.value)


def test_there_are_flags():
    assert {"Dense-bias", "Conv2D-bias", "LSTM-reverse", "BatchNorm-affine", "MaxPool2D-ceil_mode"} <= {
        flag.id for flag in FLAGS
    }
