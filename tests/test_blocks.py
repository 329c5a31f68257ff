"""Blocks: their nodes, their numbers against compositions by hand, and against PyTorch's layers."""

import math
from functools import partial

import numpy as np
import pytest
from oddities import close, equal
from test_layers import assert_close

import minigraph as mg
from minigraph import blocks
from minigraph.errors import GraphError, ShapeError
from minigraph.layers import Dropout

T, S, D, H, N = 5, 3, 8, 2, 7
BLOCKS = {
    "encoder": lambda **how: blocks.transformer_encoder((T, D), H, N, **how),
    "decoder": lambda **how: blocks.transformer_decoder((T, D), (S, 6), H, N, **how),
    "residual": lambda **how: blocks.residual((2, 5, 5), 3, **how),
}
every_block = pytest.mark.parametrize("make", BLOCKS.values(), ids=BLOCKS)


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def moved(g, seed=5):
    """The same graph, its Params and running statistics moved off their start."""
    rng = np.random.default_rng(seed)
    for param in g.params.values():
        param.value = param.value + 0.5 * rng.normal(size=param.shape)
    for node in g.nodes:
        for name in node.layer.statistics:
            setattr(node.layer, name, getattr(node.layer, name) + rng.uniform(0.2, 1.0, node.shape[0]))
    return g


# ---- by hand ----


def norm(x, layer):
    deviation = x - x.mean(axis=-1, keepdims=True)
    return layer.gamma.value * deviation / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5) + layer.beta.value


def attention(x, memory, layer, look=True):
    def heads(source, w, b):
        return (source @ w.value.T + b.value).reshape(*source.shape[:2], H, -1)

    q, k, v = heads(x, layer.w_q, layer.b_q), heads(memory, layer.w_k, layer.b_k), heads(memory, layer.w_v, layer.b_v)
    scores = np.exp(np.einsum("mthd,mshd->mhts", q, k) / math.sqrt(D / H)) * look
    c = np.einsum("mhts,mshd->mthd", scores / scores.sum(axis=-1, keepdims=True), v).reshape(*x.shape[:2], -1)
    return c @ layer.w_o.value.T + layer.b_o.value


def feed_forward(x, hidden, out):
    z = np.maximum(x @ hidden.w.value.T + hidden.b.value, 0)
    return z @ out.w.value.T + out.b.value


def layers(g):
    return {node.name: node.layer for node in g.nodes}


def test_an_encoder_is_a_composition_of_its_parts():
    x = drawn(4, T, D)
    g = moved(BLOCKS["encoder"]())
    part = layers(g)
    h = norm(x + attention(x, x, part["attention"]), part["norm_1"])
    close(g.forward(x=x)["norm_2"].a, norm(h + feed_forward(h, part["hidden"], part["out"]), part["norm_2"]))


def test_norms_stand_first_if_asked():
    x, lengths = drawn(4, T, D), np.array([5, 1, 3, 2])
    look = (np.arange(T) < lengths[:, None])[:, None, None]
    g = moved(BLOCKS["encoder"](norm_first=True, causal=True, mask="lengths", seed=0))
    part = layers(g)
    n = norm(x, part["norm_1"])
    h = x + attention(n, n, part["attention"], look & np.tri(T, dtype=bool))
    expected = h + feed_forward(norm(h, part["norm_2"]), part["hidden"], part["out"])
    close(g.forward(x=x, lengths=lengths)["add_2"].a, expected)
    again = moved(BLOCKS["encoder"](norm_first=True, causal=True, mask="keys", seed=0))
    close(again.forward(x=x, mask=look[:, 0, 0])["add_2"].a, expected)


@pytest.mark.parametrize("causal", [True, False])
def test_a_decoder_is_a_composition_of_its_parts(causal):
    x, memory, lengths = drawn(4, T, D), drawn(4, S, 6, seed=1), np.array([3, 1, 2, 2])
    look = (np.arange(S) < lengths[:, None])[:, None, None]
    g = moved(BLOCKS["decoder"](mask="lengths", causal=causal))
    part = layers(g)
    own = attention(x, x, part["self_attention"], np.tri(T, dtype=bool) if causal else True)
    h = norm(x + own, part["norm_1"])
    h = norm(h + attention(h, memory, part["cross_attention"], look), part["norm_2"])
    expected = norm(h + feed_forward(h, part["hidden"], part["out"]), part["norm_3"])
    close(g.forward(x=x, memory=memory, lengths=lengths)["norm_3"].a, expected)


def convolved(x, layer, stride):
    w = layer.w.value
    size = w.shape[2]
    pad = size // 2
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    out = np.empty((len(x), len(w), *(-(-n // stride) for n in x.shape[2:])))
    for i, j in np.ndindex(out.shape[2:]):
        window = padded[:, :, i * stride : i * stride + size, j * stride : j * stride + size]
        out[:, :, i, j] = np.einsum("mcuv,fcuv->mf", window, w)
    return out


def batch_norm(x, layer):
    scale = layer.gamma.value / np.sqrt(layer.variance + 1e-5)
    return (x - layer.mean[:, None, None]) * scale[:, None, None] + layer.beta.value[:, None, None]


@pytest.mark.parametrize(("filters", "stride"), [(2, 1), (3, 1), (2, 2), (4, 3)])
def test_a_residual_block_is_a_composition_of_its_parts(filters, stride):
    x = drawn(3, 2, 7, 5)
    g = moved(blocks.residual((2, 7, 5), filters, stride=stride))
    part = layers(g)
    h = np.maximum(batch_norm(convolved(x, part["conv_1"], stride), part["norm_1"]), 0)
    h = batch_norm(convolved(h, part["conv_2"], 1), part["norm_2"])
    assert ("skip" in part) == ((filters, stride) != (2, 1))
    skip = batch_norm(convolved(x, part["skip"], stride), part["skip_norm"]) if "skip" in part else x
    close(g.forward(x=x)["activation_2"].a, np.maximum(skip + h, 0))
    assert [layer.bias for name, layer in part.items() if name in ("conv_1", "conv_2", "skip") and layer.bias] == []


# ---- as blocks ----


def used(make, **how):
    """A graph with a block used twice if it maps its input's shape to itself, and a cost."""
    block = make(**how)
    g = mg.Graph(seed=0, dtype=how.get("dtype", "float64"))
    first, *rest = (g.input(node.name, node.shape, node.dtype) for node in block.inputs)
    h = block(first, *rest)
    h = block(h, *rest) if h.shape == first.shape else h
    g.cost(mg.costs.Quadratic(), h, target="t")
    rng = np.random.default_rng(3)
    feeds = {node.name: rng.normal(size=(4, *node.shape)) for node in g.inputs}
    return g, {name: feed.astype(g.dtype) for name, feed in feeds.items()}


@every_block
def test_gradients_are_those_of_differences(make):
    g, feeds = used(make, activation="tanh")
    moved(g)
    assert mg.check(g, feeds)


@pytest.mark.parametrize("name", ["encoder", "decoder"])
def test_a_block_used_twice_shares_its_params_and_is_drawn_as_two_clusters(name):
    g, _ = used(BLOCKS[name])
    assert g[f"{name}/hidden"].layer is g[f"{name}_1/hidden"].layer
    assert len(g.params) == len(BLOCKS[name]().params)
    dot = g.picture().dot
    assert dot.count("subgraph cluster") == 2
    assert f">{name}<" in dot
    assert f">{name}_1<" in dot


@every_block
def test_seed_name_and_dtype_are_those_asked_for(make):
    one, same, other = make(seed=1), make(seed=1), make(seed=2)
    for params in zip(*(g.params.values() for g in (one, same, other)), strict=True):
        equal([params[0].value], [params[1].value])
    assert any((p.value != q.value).any() for p, q in zip(one.params.values(), other.params.values(), strict=True))
    g, feeds = used(make, dtype="float32", name="own name")
    run = g.forward(feeds).backward()
    assert {run.grad(param).dtype for param in g.params.values()} == {np.dtype("float32")}
    assert any(node.name.startswith("own name/") for node in g.nodes)


@pytest.mark.parametrize("name", ["encoder", "decoder"])
@pytest.mark.parametrize("norm_first", [False, True])
def test_dropout_stands_behind_each_part_and_in_the_middle_and_acts_in_training_only(name, norm_first):
    plain = BLOCKS[name](seed=0, norm_first=norm_first)
    g = BLOCKS[name](seed=0, norm_first=norm_first, dropout=0.5)
    count = 2 if name == "encoder" else 3
    drops = [node for node in g.nodes if isinstance(node.layer, Dropout)]
    assert {node.name: node.inputs[0].name for node in drops} == {
        "dropout_1": "attention" if name == "encoder" else "self_attention",
        **({"dropout_2": "cross_attention"} if name == "decoder" else {}),
        "hidden_dropout": "hidden",
        f"dropout_{count}": "out",
    }
    assert all(layer.dropout == 0.5 for layer in layers(g).values() if hasattr(layer, "dropout"))
    feeds = {node.name: drawn(4, *node.shape) for node in g.inputs}
    last, expected = g.outputs[0], plain.forward(feeds)[plain.outputs[0].name].a
    equal([g.forward(feeds)[last].a], [expected])
    assert not np.isclose(g.forward(feeds, training=True)[last].a, expected).all()


def test_what_makes_no_sense_is_refused():
    with pytest.raises(GraphError, match=r'encoder takes "keys" or "lengths" as mask, or None, got True'):
        BLOCKS["encoder"](mask=True)
    with pytest.raises(ShapeError, match=r"MultiHeadAttention 'attention' divides its units among 3 heads, got 8"):
        blocks.transformer_encoder((T, D), 3, N)
    with pytest.raises(GraphError, match=r"Dropout takes a rate from 0 to 1|takes a dropout from 0 to 1, got 2"):
        BLOCKS["decoder"](dropout=2)
    with pytest.raises(GraphError, match="of units, got 0"):
        blocks.transformer_encoder((T, D), H, 0)
    with pytest.raises(ShapeError, match=r"Conv2D 'conv_1' takes samples .*, got \(2, 5\)"):
        blocks.residual((2, 5), 3)
    with pytest.raises(ShapeError, match="takes one to three sequences"):
        blocks.transformer_encoder((D,), H, N)
    with pytest.raises(ShapeError, match=r"decoder takes a memory of shape \(S, ·\), got \(5,\)"):
        blocks.transformer_decoder((T, D), (T,), H, N)  # T = 5: it would pass for a mask of the steps
    with pytest.raises(GraphError, match="encoder takes True or False as norm_first, got 'pre'"):
        BLOCKS["encoder"](norm_first="pre")


# ---- PyTorch ----

close_to_torch = partial(assert_close, rtol=1e-9, atol=1e-9)


def load(torch, theirs, attention, ours):
    """Give PyTorch's attention our numbers."""
    parts = [p.value for p in (attention.w_q, attention.w_k, attention.w_v)]
    theirs.in_proj_weight.data = torch.tensor(np.concatenate(parts))
    theirs.in_proj_bias.data = torch.tensor(
        np.concatenate([attention.b_q.value, attention.b_k.value, attention.b_v.value])
    )
    put(torch, theirs.out_proj, attention.w_o, attention.b_o)
    ours |= {theirs.out_proj.weight: attention.w_o, theirs.out_proj.bias: attention.b_o}


def put(torch, theirs, w, b):
    theirs.weight.data, theirs.bias.data = torch.tensor(w.value), torch.tensor(b.value)


def same_numbers(torch, g, theirs, feeds, expected, pairs, tensors):
    last = g.outputs[0]
    error = drawn(*expected.shape, seed=8)
    run = g.forward(feeds).backward(last, error, wrt=list(tensors))
    expected.backward(torch.tensor(error))
    close_to_torch(run[last].a, expected.detach().numpy())
    for name, tensor in tensors.items():
        close_to_torch(run[name].error, tensor.grad.numpy())
    for tensor, param in pairs.items():
        close_to_torch(4 * run.grad(param), tensor.grad.numpy())


@pytest.mark.parametrize("mask", [None, "keys", "lengths"])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("norm_first", "activation"), [(False, "relu"), (True, "gelu")])
@pytest.mark.parametrize("kind", ["encoder", "decoder"])
def test_transformers_give_the_numbers_of_pytorch(kind, norm_first, activation, causal, mask):
    torch = pytest.importorskip("torch", reason="needs PyTorch to compare with")
    nn = torch.nn
    encodes = kind == "encoder"
    how = {"activation": activation, "norm_first": norm_first}
    if encodes:
        g = blocks.transformer_encoder((T, D), H, N, **how, causal=causal, mask=mask, seed=0)
    else:
        g = blocks.transformer_decoder((T, D), (S, D), H, N, **how, causal=causal, mask=mask, seed=0)
    part = layers(moved(g))
    make = nn.TransformerEncoderLayer if encodes else nn.TransformerDecoderLayer
    theirs = make(D, H, N, dropout=0.0, batch_first=True, dtype=torch.float64, **how)
    pairs = {}
    for module, name in (
        *((("linear1", "hidden"), ("linear2", "out"))),
        *((f"norm{i}", f"norm_{i}") for i in range(1, 3 if encodes else 4)),
    ):
        module, layer = getattr(theirs, module), part[name]
        w, b = (layer.w, layer.b) if hasattr(layer, "w") else (layer.gamma, layer.beta)
        put(torch, module, w, b)
        pairs |= {module.weight: w, module.bias: b}
    load(torch, theirs.self_attn, part["attention" if encodes else "self_attention"], pairs)
    x = {"x": drawn(4, T, D)}
    hidden, lengths = None, np.array([1, 3, 2, 3])
    keys = np.arange(T if encodes else S) < lengths[:, None]
    if mask:
        hidden = ~torch.tensor(keys)
    square = torch.triu(torch.ones(T, T, dtype=bool), 1) if causal else None
    if encodes:
        tensors = {"x": torch.tensor(x["x"], requires_grad=True)}
        expected = theirs(tensors["x"], src_mask=square, src_key_padding_mask=hidden)
    else:
        load(torch, theirs.multihead_attn, part["cross_attention"], pairs)
        x["memory"] = drawn(4, S, D, seed=2)
        tensors = {name: torch.tensor(value, requires_grad=True) for name, value in x.items()}
        expected = theirs(*tensors.values(), tgt_mask=square, memory_key_padding_mask=hidden)
    side = {None: {}, "keys": {"mask": keys.astype(float)}, "lengths": {"lengths": lengths}}[mask]
    same_numbers(torch, g, theirs, x | side, expected, pairs, tensors)


@pytest.mark.parametrize("training", [False, True], ids=["inference", "training"])
@pytest.mark.parametrize(("filters", "stride"), [(2, 1), (5, 2)])
def test_residual_blocks_give_the_numbers_of_pytorch(filters, stride, training):
    torch = pytest.importorskip("torch", reason="needs PyTorch to compare with")
    functional = torch.nn.functional
    g = moved(blocks.residual((2, 7, 6), filters, stride=stride, seed=0))
    part, x = layers(g), drawn(4, 2, 7, 6)
    pairs = {p: torch.tensor(p.value, requires_grad=True) for p in g.params.values()}
    image = torch.tensor(x, requires_grad=True)

    def step(a, conv, stride, padding, norm):
        conv, norm = part[conv], part[norm]
        z = functional.conv2d(a, pairs[conv.w], None, stride, padding)
        running = torch.tensor(norm.mean), torch.tensor(norm.variance)
        return functional.batch_norm(z, *running, pairs[norm.gamma], pairs[norm.beta], training=training)

    h = step(torch.relu(step(image, "conv_1", stride, 1, "norm_1")), "conv_2", 1, 1, "norm_2")
    expected = torch.relu(h + (step(image, "skip", stride, 0, "skip_norm") if "skip" in part else image))
    error = drawn(*expected.shape, seed=8)
    expected.backward(torch.tensor(error))
    run = g.forward(x=x, training=training).backward("activation_2", error, wrt="x")
    close_to_torch(run["activation_2"].a, expected.detach().numpy())
    close_to_torch(run["x"].error, image.grad.numpy())
    for param, tensor in pairs.items():
        close_to_torch(4 * run.grad(param), tensor.grad.numpy())


@pytest.mark.parametrize("block", ["transformer_encoder", "residual"])
def test_a_block_may_be_made_for_a_node_whose_graph_decides_dtype_and_weights(block):
    def weights(seed):
        g = mg.Graph(seed=seed, dtype="float32")
        x = g.input("x", (4, 6) if block == "transformer_encoder" else (2, 4, 4))
        made = blocks.transformer_encoder(x, 2, 8) if block == "transformer_encoder" else blocks.residual(x, 3)
        g.add(made, x, name="block")
        return np.concatenate([param.value.ravel() for param in g.params.values()])

    assert weights(1).dtype == np.float32
    np.testing.assert_array_equal(weights(1), weights(1))
    assert (weights(1) != weights(2)).any()


def test_a_decoder_takes_the_memory_node_as_a_shape():
    g = mg.Graph(seed=0, dtype="float32")
    x, memory = g.input("x", (3, 4)), g.input("memory", (5, 6))
    out = blocks.transformer_decoder(x, memory, 2, 8)(x, memory)
    assert out.shape == (3, 4)
