"""Rows of attention."""

import math

import numpy as np

from minigraph.layers import MultiHeadAttention, ScaledDotProductAttention

from .case import Case, Refused, normal


def looks(mask, t, j):
    """Whether query t may look at key j."""
    if mask is None or mask.ndim == 0:
        return mask is None or j < mask
    return bool((mask[t] if mask.ndim == 2 else mask)[j])


def averages(q, k, v, mask, causal, keep=None):
    """For one example, vectors as lists: a list of averages."""
    found = []
    for t, query in enumerate(q):
        scores = [math.fsum(a * b for a, b in zip(query, key, strict=True)) / math.sqrt(len(query)) for key in k]
        seen = [j for j in range(len(k)) if looks(mask, t, j) and (j <= t or not causal)]
        total = math.fsum(math.exp(scores[j]) for j in seen)
        p = {j: math.exp(scores[j]) / total * (1.0 if keep is None else keep[t][j]) for j in seen}
        found.append([math.fsum(p[j] * v[j][c] for j in seen) for c in range(len(v[0]))])
    return found


def kept(given, rate, shape):
    return (given.rng.random(shape) >= rate) / (1 - rate or 1) if given.training and rate else np.ones(shape)


def single(causal=False, dropout=0.0):
    def reference(given, q, k, v, mask=None):
        out = np.empty((*q.shape[:-1], v.shape[-1]))
        keep = kept(given, dropout, (*q.shape[:-1], k.shape[-2]))
        for i in np.ndindex(q.shape[:-2]):
            here = None if mask is None else mask[i[0]]
            out[i] = averages(q[i].tolist(), k[i].tolist(), v[i].tolist(), here, causal, keep[i])
        return out

    return reference


def projected(given, letter, vectors):
    w = getattr(given, f"w_{letter}").tolist()
    b = getattr(given, f"b_{letter}").tolist() if hasattr(given, f"b_{letter}") else [0.0] * len(w)
    return [
        [math.fsum(p * q for p, q in zip(row, x, strict=True)) + c for row, c in zip(w, b, strict=True)]
        for x in vectors
    ]


def roles(inputs):
    """(query, key, value, mask) of the inputs, batches or single samples."""
    masked = len(inputs) == 4 or (len(inputs) > 1 and inputs[-1].ndim < inputs[0].ndim)
    *x, mask = inputs if masked else (*inputs, None)
    return x[0], x[min(1, len(x) - 1)], x[-1], mask


def multi(heads, causal=False, dropout=0.0):
    def reference(given, *inputs):
        query, key, value, mask = roles(inputs)
        n = len(given.w_o)
        keep = kept(given, dropout, (len(query), heads, query.shape[1], key.shape[1]))
        out = np.empty((*query.shape[:2], n))
        for x in range(len(query)):
            q, k, v = (projected(given, s, a[x].tolist()) for s, a in (("q", query), ("k", key), ("v", value)))
            c = [[] for _ in q]
            for h in range(heads):
                own = slice(h * n // heads, (h + 1) * n // heads)
                parts = [[vector[own] for vector in vectors] for vectors in (q, k, v)]
                here = None if mask is None else mask[x]
                for row, average in zip(c, averages(*parts, here, causal, keep[x, h]), strict=True):
                    row += average
            out[x] = projected(given, "o", c)
        return out

    return reference


# ---- PyTorch ----


def allowed(torch, mask, causal, scores):
    """A mask for PyTorch, True where to look; scores is (m, …, T, S), and None is a mask of everything."""
    *_, queries, keys = scores
    look = torch.ones(scores, dtype=bool)
    if mask is not None:
        if mask.ndim == 1:
            mask = torch.arange(keys) < mask[:, None]
        shape = (len(mask), *[1] * (len(scores) - 3), queries if mask.ndim == 3 else 1, keys)
        look = look & (mask != 0).reshape(shape)
    return look.tril() if causal else look


def torch_single(causal=False):
    def theirs(torch, given, q, k, v, mask=None):
        attend = torch.nn.functional.scaled_dot_product_attention
        if mask is None:
            return attend(q, k, v, is_causal=causal)
        return attend(q, k, v, attn_mask=allowed(torch, mask, causal, (*q.shape[:-1], k.shape[-2])))

    return theirs


def torch_multi(heads, causal=False):
    def theirs(torch, given, *inputs):
        query, key, value, mask = roles(inputs)
        m, n = len(query), len(given.w_o)
        biases = [getattr(given, f"b_{letter}", None) for letter in "qkvo"]
        look = allowed(torch, mask, causal, (m, heads, query.shape[1], key.shape[1]))
        a, _ = torch.nn.functional.multi_head_attention_forward(
            *(x.transpose(0, 1) for x in (query, key, value)), n, heads, None, None if biases[0] is None
            else torch.cat(biases[:3]), None, None, False, 0.0, given.w_o, biases[3], use_separate_proj_weight=True,
            q_proj_weight=given.w_q, k_proj_weight=given.w_k, v_proj_weight=given.w_v, need_weights=False,
            attn_mask=~look.reshape(-1, *look.shape[2:]),
        )  # fmt: skip
        return a.transpose(0, 1)

    return theirs


# ---- masks ----


def some(rng, shape):
    """1 for look, 0 for don't; each query can look somewhere."""
    mask = rng.integers(0, 2, shape).astype(float)
    mask[..., 0] = 1
    return mask


def whole(draw):
    return lambda rng, shape: draw(rng, shape).astype(int)


def none_for_the_first(rng, shape):
    mask = some(rng, shape)
    mask[0] = 0
    return mask


def lengths(low, high):
    def draw(rng, shape):
        drawn = rng.integers(low, high + 1, shape)
        drawn[0] = low
        return drawn

    return draw


Q, K, V = (2, 3), (4, 3), (4, 5)  # T 2, S 4, d 3, n 5
QKV = (normal, normal, normal)
MASKS = {
    "mask": ((4,), some, True),
    "mask-integers": ((4,), whole(some), True),
    "mask-of-queries": ((2, 4), some, True),
    "lengths": ((), lengths(1, 4), True),
    "nothing": ((4,), none_for_the_first, False),
    "lengths-0": ((), lengths(0, 4), False),
}
NO_ATTENTION = (
    *(Refused(shapes, "takes query, key, value and perhaps a mask", f"got {len(shapes)} inputs")
      for shapes in ((Q,), (Q, K), (Q, K, V, (4,), (4,)))),
    *(Refused(shapes, "takes query (…, T, d), key (…, S, d) and value (…, S, n)", "got " + str(shapes[0]))
      for shapes in ((Q, (4, 2), V), (Q, K, (3, 5)), ((3,), (3,), (3,)), ((2, *Q), K, V), ((2, *Q), (3, *K), (2, *V)))),
    *(Refused((Q, K, V, mask), "takes a mask of shape (4,) or (2, 4), or lengths ()", f"got {mask}")
      for mask in ((2,), (4, 2), (1, 4), (1,))),
)  # fmt: skip
NO_HEADS = (
    Refused(((5, 7),), "divides its units among 2 heads", "got 7 units"),
    Refused(((5, 6), (3, 6), (4, 6)), "takes as many values as keys", "got key (3, 6) and value (4, 6)"),
    *(Refused(shapes, "takes one to three sequences (steps, features) and perhaps a mask", ", ".join(map(str, shapes)))
      for shapes in (((6,),), ((),), ((5, 6), (5,), (5,)), ((2, 5, 6),), ((5, 6), (5, 6), (5,), (5,)),
                     ((5, 6), (5, 6), (5, 6), (5,), (5,)))),
    *(Refused((*sequences, mask), "takes a mask of shape", f"got {mask}")
      for sequences, mask in ((((5, 6),), (4,)), (((5, 6), (3, 6)), (5,)), (((5, 6), (3, 6), (3, 6)), (3, 5)))),
)  # fmt: skip


def scaled(name, shapes, causal=False, draws=(), dropout=0.0, torch=True, **options):
    return Case(
        f"ScaledDotProductAttention{name}",
        lambda: ScaledDotProductAttention(causal, dropout),
        shapes,
        single(causal, dropout),
        draws,
        torch=torch_single(causal) if torch and not dropout else None,
        modes_differ=dropout > 0,
        **options,
    )


def headed(name, heads, shapes, draws=(), torch=True, refuses=(), **options):
    causal, dropout, units = (options.get(key, 0) for key in ("causal", "dropout", "units"))
    return Case(
        f"MultiHeadAttention{name}",
        lambda: MultiHeadAttention(heads, **options),
        shapes,
        multi(heads, causal, dropout),
        draws,
        refuses,
        torch=torch_multi(heads, causal) if torch and not dropout and not units else None,
        modes_differ=dropout > 0,
    )


# fmt: off
CASES = [
    scaled("", (Q, K, V), refuses=NO_ATTENTION),
    scaled("-heads", ((2, 3, *Q), (2, 3, *K), (2, 3, *V))),
    scaled("-causal", ((3, 2),) * 3, causal=True),
    scaled("-causal-wide", (Q, K, V), causal=True),
    scaled("-causal-tall", ((5, 3), (2, 3), (2, 1)), causal=True),
    *(scaled(f"-{name}", (Q, K, V, shape), draws=(*QKV, draw), torch=torch)
      for name, (shape, draw, torch) in MASKS.items()),
    *(scaled(f"-heads-causal-{name}", ((3, *Q), (3, *K), (3, *V), shape), True, (*QKV, draw), torch=torch)
      for name, (shape, draw, torch) in MASKS.items()),
    scaled("-dropout", (Q, K, V, (4,)), draws=(*QKV, some), dropout=0.3),
    scaled("-1", ((1, 1),) * 3),
    headed("", 2, ((5, 4),), refuses=NO_HEADS),
    headed("-one-head", 1, ((3, 4),), biases="normal"),
    headed("-heads-of-1", 3, ((4, 3),), bias=False),
    headed("-causal", 2, ((4, 2),), causal=True, weights="normal"),
    headed("-units", 3, ((4, 2), (3, 5)), units=6),
    headed("-memory", 2, ((3, 4), (5, 4))),
    headed("-memory-causal", 2, ((3, 4), (5, 3)), causal=True),
    headed("-three", 2, ((3, 4), (5, 2), (5, 7))),
    headed("-self-mask", 2, ((4, 2), (4,)), (normal, some)),
    headed("-self-lengths", 2, ((4, 2), ()), (normal, lengths(1, 4)), causal=True),
    headed("-memory-mask", 2, ((2, 2), (4, 3), (4,)), (normal, normal, whole(some))),
    headed("-memory-lengths-0", 1, ((2, 2), (4, 3), ()), (normal, normal, lengths(0, 4)), torch=False),
    *(headed(f"-three-{name}", 2, ((2, 4), (4, 3), (4, 1), shape), (*QKV, draw), torch=torch, bias=False)
      for name, (shape, draw, torch) in MASKS.items()),
    headed("-three-causal-mask", 2, ((3, 4), (4, 3), (4, 1), (3, 4)), (*QKV, some), causal=True),
    headed("-dropout", 2, ((3, 4),), dropout=0.4),
    headed("-dropout-all", 1, ((3, 2),), dropout=1),
    headed("-1", 1, ((1, 1),)),
]
