"""Attention: masks, extremes, and what its forms have in common."""

from functools import partial

import numpy as np
import pytest
from oddities import close, equal, slopes
from test_layers import assert_close

import minigraph as mg
from minigraph.errors import FeedError, GraphError
from minigraph.layers import MultiHeadAttention, ScaledDotProductAttention


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def attended(layer, *arrays, error=None, dtype="float64", training=False):
    """A run, both ways, of a layer at "node" over batches "x0", "x1", …; those of integers take no error."""
    g = mg.Graph(seed=1, dtype=dtype)
    arrays = [np.asarray(x) for x in arrays]
    kinds = [int if x.dtype.kind == "i" else None for x in arrays]
    g.add(layer, *(g.input(f"x{i}", x.shape[1:], kinds[i]) for i, x in enumerate(arrays)), name="node")
    run = g.forward({f"x{i}": x for i, x in enumerate(arrays)}, training=training, seed=3)
    error = drawn(*run["node"].a.shape, seed=9) if error is None else error
    wrt = [f"x{i}" for i in range(len(arrays)) if i not in g["node"].constant_inputs]
    return run.backward("node", error, wrt=wrt)


def errors(run, count=3):
    return [run.edge(f"x{i}", "node").grad for i in range(count)]


Q, K, V = drawn(2, 3, 4, seed=1), drawn(2, 5, 4, seed=2), drawn(2, 5, 6, seed=3)


# ---- masks ----


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("layer", [ScaledDotProductAttention, lambda **how: MultiHeadAttention(2, **how)])
def test_what_is_hidden_plays_no_part_and_gets_no_error(layer, causal):
    layer = layer(causal=causal)
    mask = np.array([[1, 0, 1, 0, 0], [0, 1, 1, 1, 0]])
    run = attended(layer, Q, K, V, mask)
    k, v = np.where(mask[..., None], K, 1e3 * K), np.where(mask[..., None], V, -7.0)
    other = attended(layer, Q, k, v, mask)
    equal([run["node"].a], [other["node"].a])
    for i, x in enumerate(errors(run)):
        equal([x], [errors(other)[i]])
        if i:
            assert not x[mask == 0].any()
    assert not np.moveaxis(run["node"].p, -1, 1)[mask == 0].any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "mask", [[[1, 0, 0, 0, 1], [0] * 5], [2, 0], np.eye(2)[:, [0], None] * np.ones((3, 5))], ids=str
)
def test_queries_that_can_look_nowhere_get_zeros(mask, dtype):
    mask = np.array(mask)
    run = attended(ScaledDotProductAttention(), Q, K, V, mask, dtype=dtype)
    assert not run["node"].a[1].any()
    assert run["node"].a[0].all()
    for x in errors(run):
        assert not x[1].any()
        assert np.isfinite(x).all()
    layer = MultiHeadAttention(2, biases="ones")
    run = attended(layer, Q, K, V, mask, dtype=dtype)
    equal([run["node"].a[1]], [np.ones((3, 4), dtype)])
    assert all(np.isfinite(run.grad(param)).all() for param in layer.params.values())


def test_one_query_that_can_look_nowhere_leaves_the_others_as_they_are():
    mask = np.ones((2, 3, 5))
    mask[0, 1] = 0
    run, free = attended(ScaledDotProductAttention(), Q, K, V, mask), attended(ScaledDotProductAttention(), Q, K, V)
    rest = mask[:, :, 0] == 1
    assert not run["node"].a[0, 1].any()
    equal([run["node"].a[rest]], [free["node"].a[rest]])


def test_causal_queries_look_at_keys_up_to_their_own_place():
    run = attended(ScaledDotProductAttention(causal=True), Q, K, V)
    seen = run["node"].p > 0
    equal([seen], [np.broadcast_to(np.tri(3, 5, dtype=bool), (2, 3, 5))])
    close(run["node"].a[:, 0], V[:, 0])


def test_lengths_and_masks_of_both_ranks_say_the_same():
    lengths = np.array([2, 5])
    keys = (np.arange(5) < lengths[:, None]).astype(float)
    both = np.repeat(keys[:, None], 3, axis=1)
    for make in (ScaledDotProductAttention, lambda: MultiHeadAttention(2)):
        first, *others = (attended(make(), Q, K, V, mask) for mask in (lengths, keys, keys.astype(int), both))
        for other in others:
            equal([first["node"].a, *errors(first)], [other["node"].a, *errors(other)])


@pytest.mark.parametrize("make", [ScaledDotProductAttention, lambda: MultiHeadAttention(1)])
@pytest.mark.parametrize(
    ("mask", "said"),
    [
        (np.full((2, 5), 0.5), "takes a mask of 1 (look) and 0 (don't), got other values"),
        (np.full((2, 5), -np.inf), "takes a mask of 1 (look) and 0 (don't)"),
        (np.full((2, 3, 5), np.nan), "takes a mask of 1 (look) and 0 (don't)"),
        (np.full((2, 3, 5), 2), "takes a mask of 1 (look) and 0 (don't)"),
        (np.array([6, 1]), "takes lengths from 0 to 5, got lengths from 1 to 6"),
        (np.array([-1, 1]), "takes lengths from 0 to 5, got lengths from -1 to 1"),
        (np.array([1.0, 2.0]), "takes integer lengths, got float64: declare the input so"),
    ],
    ids=str,
)
def test_masks_that_are_none_are_refused(make, mask, said):
    with pytest.raises(FeedError, match="'node'") as caught:
        attended(make(), Q, K, V, mask)
    assert said in str(caught.value)


# ---- extremes ----


@pytest.mark.parametrize("mask", [(), (np.array([3, 0]),)], ids=["whole", "masked"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extreme_scores_choose_one_key(dtype, mask):
    q, k = np.zeros((2, 3, 1)), np.array([[[0.0], [1e4], [-1e4], [5.0], [3.0]]] * 2)
    q[:, 0], q[:, 1], q[:, 2] = 1.0, -1.0, 1e4
    run = attended(ScaledDotProductAttention(), q, k, V, *mask, dtype=dtype)
    visible = slice(0, None if not mask else 1)
    equal([run["node"].a[visible]], [V[visible, [1, 2, 1]].astype(dtype)])
    assert all(np.isfinite(x).all() for x in errors(run))
    assert not errors(run)[0].any()


def test_extreme_inputs_of_heads_stay_finite():
    layer = MultiHeadAttention(2)
    run = attended(layer, 1e4 * drawn(2, 5, 4), dtype="float32")
    assert np.isfinite(run["node"].a).all()
    assert np.isfinite(run.edge("x0", "node").grad).all()
    assert all(np.isfinite(run.grad(param)).all() for param in layer.params.values())


def test_a_nan_stays_in_its_example():
    q = Q.copy()
    q[1, 2, 0] = np.nan
    a = attended(ScaledDotProductAttention(), q, K, V)["node"].a
    bad = np.zeros((2, 3), bool)
    bad[1, 2] = True
    equal([np.isnan(a)], [np.repeat(bad[..., None], 6, axis=2)])


# ---- forms ----


def heads_like(layer, **how):
    """Another layer with the same Params."""
    twin = MultiHeadAttention(layer.heads, **how)
    for name, param in layer.params.items():
        setattr(twin, name, param)
    return twin


def test_one_input_is_query_and_memory_and_query_key_and_value():
    x = drawn(2, 3, 4)
    layer = MultiHeadAttention(2, biases="normal")
    alone = attended(layer, x)
    for count in (2, 3):
        run = attended(heads_like(layer), *(x,) * count)
        close(run["node"].a, alone["node"].a)
        close(sum(errors(run, count)), alone.edge("x0", "node").grad)
        for param in layer.params.values():
            close(run.grad(param), alone.grad(param))
        g = mg.Graph()
        node = g.add(heads_like(layer), *(g.input("x", (3, 4)),) * count, name="node")
        forked = g.forward(x=x).backward("node", drawn(2, 3, 4, seed=9), wrt="x")
        close(forked["x"].error, alone.edge("x0", "node").grad)
        assert node.shape == (3, 4)


def test_heads_of_unit_projections_are_attentions_of_blocks_of_features():
    x = drawn(2, 3, 6)
    layer = MultiHeadAttention(3, weights=lambda shape, rng: np.eye(shape[0]))
    a = attended(layer, x)["node"].a
    for own in (slice(0, 2), slice(2, 4), slice(4, 6)):
        part = x[:, :, own]
        close(a[:, :, own], attended(ScaledDotProductAttention(), part, part, part)["node"].a)


def test_masks_take_no_error_and_may_be_integers_only_where_masks_stand():
    g = mg.Graph()
    x, y = g.input("x", (3, 4)), g.input("y", (5, 2))
    keys, steps, lengths = g.input("keys", 5, dtype=int), g.input("steps", 3), g.input("lengths", (), dtype=int)
    square, wide = g.input("square", (3, 3), dtype=int), g.input("wide", (3, 5))
    for inputs, slots in (
        ((x,), ()),
        ((x, steps), {1}),
        ((x, lengths), {1}),
        ((x, y), ()),
        ((x, y, keys), {2}),
        ((x, y, lengths), {2}),
        ((x, y, y), ()),
        ((x, y, y, keys), {3}),
        ((x, y, y, wide), {3}),
        ((x, x, x, square), {3}),
    ):
        assert MultiHeadAttention(2)(*inputs).constant_inputs == frozenset(slots)
    for inputs in ((x, square), (x, x, square)):  # it would be a memory
        with pytest.raises(GraphError, match="takes floats, got the integers of 'square'"):
            MultiHeadAttention(2)(*inputs)


def test_the_weights_of_attention_can_be_read():
    p = attended(MultiHeadAttention(2), Q, K, V)["node"].p
    assert p.shape == (2, 2, 3, 5)
    close(p.sum(axis=-1), np.ones((2, 2, 3)))


def test_a_param_that_stands_twice_in_a_layer_gets_the_sum():
    x, error = drawn(2, 3, 4), drawn(2, 3, 4, seed=9)
    layer = MultiHeadAttention(2)
    attended(layer, x)
    layer.w_k = layer.w_v = layer.w_q
    layer.b_o = layer.b_v
    run = attended(layer, x)
    for param in layer.params.values():

        def total():
            return np.sum(error * run.graph.forward(x0=x)["node"].a) / 2

        close(run.grad(param), slopes(total, param.value))


def test_dropped_weights_are_scaled_in_training_and_kept_in_inference():
    ones = np.ones((1, 200, 1))
    v = np.eye(200)[None]
    layer = ScaledDotProductAttention(dropout=0.25)
    a = attended(layer, ones, ones, v, training=True)["node"].a
    np.testing.assert_allclose(np.unique(a), [0, 1 / 200 / 0.75], rtol=1e-12)
    assert abs(np.mean(a == 0) - 0.25) < 4 * np.sqrt(0.25 * 0.75 / a.size)
    close(attended(layer, ones, ones, v)["node"].a, np.full((1, 200, 200), 1 / 200))


def test_checks_pass_with_masks():
    g = mg.Graph(seed=0)
    x, memory = g.input("x", (3, 4)), g.input("memory", (5, 2))
    h = MultiHeadAttention(2, causal=True, name="self")(x, g.input("own", 3))
    h = MultiHeadAttention(1, name="cross")(h, memory, g.input("lengths", (), dtype=int))
    g.cost(mg.costs.Quadratic(), h)
    feeds = {"x": drawn(2, 3, 4), "memory": drawn(2, 5, 2), "own": [[1, 0, 1], [0, 1, 1]], "lengths": [3, 0]}
    assert mg.check(g, feeds, t=drawn(2, 3, 4, seed=5))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        *(({"heads": heads}, f"heads, got {heads!r}") for heads in (0, -1, 2.0, True, "3", None)),
        *(({"heads": 1, "units": units}, f"units, got {units!r}") for units in (0, 2.5, "4", False)),
        *(({"heads": 1, "dropout": rate}, f"from 0 to 1, got {rate!r}") for rate in (-0.1, 1.5, "half", float("nan"))),
        ({"heads": 1, "weights": mg.Param(np.ones((2, 2)))}, "one Param for all"),
        ({"heads": 1, "biases": mg.Param(np.ones(2))}, "one Param for all"),
    ],
)
def test_heads_that_make_no_sense_are_refused(options, said):
    with pytest.raises(GraphError, match="MultiHeadAttention") as caught:
        MultiHeadAttention(**options)
    assert said in str(caught.value)


def test_attention_without_heads_refuses_rates_too():
    with pytest.raises(GraphError, match="ScaledDotProductAttention takes a dropout from 0 to 1, got 2"):
        ScaledDotProductAttention(dropout=2)


# ---- PyTorch, as a user loads it ----

close_to_torch = partial(assert_close, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("widths", [(8, 8), (5, 3)], ids=["self", "other widths"])
def test_modules_of_pytorch_load_as_the_docstring_says(widths, bias):
    torch = pytest.importorskip("torch", reason="needs PyTorch to compare with")
    torch.manual_seed(0)
    theirs = torch.nn.MultiheadAttention(8, 4, bias=bias, kdim=widths[0], vdim=widths[1], batch_first=True).double()
    ours = MultiHeadAttention(4, bias=bias)
    x = [drawn(3, 6, 8), drawn(3, 7, widths[0], seed=1), drawn(3, 7, widths[1], seed=2)]
    lengths = np.array([7, 1, 4])
    attended(ours, *x, lengths)
    if bias:
        torch.nn.init.normal_(theirs.in_proj_bias)
        torch.nn.init.normal_(theirs.out_proj.bias)
        ours.b_q.value, ours.b_k.value, ours.b_v.value = theirs.in_proj_bias.detach().numpy().reshape(3, 8)
        ours.b_o.value = theirs.out_proj.bias.detach().numpy()
    separate = (theirs.q_proj_weight, theirs.k_proj_weight, theirs.v_proj_weight)
    parts = theirs.in_proj_weight.reshape(3, 8, 8) if widths == (8, 8) else separate
    ours.w_q.value, ours.w_k.value, ours.w_v.value = (part.detach().numpy() for part in parts)
    ours.w_o.value = theirs.out_proj.weight.detach().numpy()
    tensors = [torch.tensor(part, requires_grad=True) for part in x]
    hidden = torch.arange(7) >= torch.tensor(lengths)[:, None]
    a, p = theirs(*tensors, key_padding_mask=hidden, average_attn_weights=False)
    run = attended(ours, *x, lengths)
    a.backward(torch.tensor(drawn(3, 6, 8, seed=9)))
    close_to_torch(run["node"].a, a.detach().numpy())
    close_to_torch(run["node"].p, p.detach().numpy())
    for sent, tensor in zip(errors(run), tensors, strict=True):
        close_to_torch(sent, tensor.grad.numpy())
    close_to_torch(3 * run.grad(ours.w_o), theirs.out_proj.weight.grad.numpy())
    grads = [3 * run.grad(w) for w in (ours.w_q, ours.w_k, ours.w_v)]
    if widths == (8, 8):
        close_to_torch(np.concatenate(grads), theirs.in_proj_weight.grad.numpy())
    else:
        for grad, part in zip(grads, parts, strict=True):
            close_to_torch(grad, part.grad.numpy())
