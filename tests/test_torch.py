"""Layers and costs give PyTorch's numbers, forward and backward, where a row says what PyTorch calls them."""

import numpy as np
import pytest
from cases import CASES
from test_layers import as_it_is, assert_close, backward_in_memory, given, open_slots, prepared, swept

torch = pytest.importorskip("torch", reason="needs PyTorch to compare with")


@pytest.mark.parametrize("layout", [as_it_is, backward_in_memory], ids=lambda f: f.__name__)
@pytest.mark.parametrize("training", [False, True], ids=["inference", "training"])
@pytest.mark.parametrize("m", [1, 4])
@pytest.mark.parametrize("case", [case for case in CASES if case.torch], ids=lambda case: case.id)
def test_numbers_are_those_of_pytorch(case, m, training, layout):
    m = max(m, case.fewest if training else 1)
    node, inputs, error = prepared(case, m)
    run = swept(node, [layout(x)[1] for x in inputs], layout(error)[1], training)
    theirs = given(node, training)
    params = {p: torch.tensor(p.value, requires_grad=True) for p in node.layer.params.values()}
    for name, param in node.layer.params.items():
        setattr(theirs, name, params[param])
    for name in node.layer.statistics:
        setattr(theirs, name, torch.tensor(getattr(theirs, name)))
    tensors = [torch.tensor(x) for x in inputs]
    for i in open_slots(node):
        tensors[i].requires_grad_()
    a = case.torch(torch, theirs, *tensors)
    if a.requires_grad:
        a.backward(torch.tensor(error))
    assert_close(run["node"].a, a.detach().numpy(), rtol=1e-9, atol=1e-9)
    for i in open_slots(node):
        sent = tensors[i].grad
        expected = np.zeros_like(inputs[i]) if sent is None else sent.numpy()
        assert_close(run.edge(f"x{i}", "node").grad, expected, rtol=1e-9, atol=1e-9)
    for param, tensor in params.items():
        assert_close(run.swept().records[node].grad[param], tensor.grad.numpy(), rtol=1e-9, atol=1e-9)
