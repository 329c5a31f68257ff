"""Saved files, damaged: the same number makes the same damage of the same bytes."""

import copy
import json
import random
from functools import lru_cache

words = str.split
HUGE = 10**12
SCALARS = [None, True, False, -1, 0, 1, 2, 3, 7, 64, 10**9, HUGE, 2**31, 2**53 + 1, 2**62, 2**63, -(2**63), 10**400]
SCALARS += [0.0, -0.5, 1.5, 1e308, "", "x", "dense", "w", "0", "../..", "a\x00b", "\ud800", "δ|<>{}", "long " * 5000]
CONTAINERS = [
    [],
    {},
    [[]],
    [None],
    [-1],
    [HUGE],
    [10**9, 10**9],
    [1] * 70,
    [2**62] * 3,
    [0] * 5000,
    {"": 0},
    {"x": [1]},
]
NAMES = words("""
    os.system eval exec open __import__ builtins.eval __class__ __dict__ __init__ load Layer Split Cost Penalty
    Recurrent Cell Neurons Graph Param Node PerNeuron forward params param build steady statistics units sigma name
    frozen edition activations.Function activations.Sigmoid activations.PerNeuron initializers.Scaled schedules.Step
    numpy.sin numpy.isnat numpy.invert numpy.load initializers.zeros fuzzed float64 O V9
""")
KINDS = words("""
    Dense Conv2D LSTM GRU BatchNorm LayerNorm Embedding Reshape Flatten Pad Input L2 AdaptiveAvgPool2D
    PositionalEncoding MaxPool2D Softmax MultiHeadAttention Broadcast Scale Add
""")
REFERENCES = words("""
    float tuple dict slice array param transposed layer object neurons function
""")
RAW = [
    "NaN",
    "-Infinity",
    "1e999",
    "-1e999",
    "1.0",
    "[" * 90_000 + "]" * 90_000,
    '{"tuple":[' * 900 + "]}" * 900,
    "9" * 5000,
]
RAW += ['{"a":1,"a":2}', "1,", '"', "0x10", "nul", "[1,]", "{}}", "1e5", "-0"]
"""Texts that stand in the JSON as they are."""


# ---- bytes ----


def flipped(rng, data):
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 8, 64])):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def cut(rng, data):
    return data[: rng.choice([rng.randrange(len(data)), rng.randrange(20), len(data) - rng.randrange(1, 20)])]


def inserted(rng, data):
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.randbytes(rng.choice([1, 2, 8, 500])) + data[at:]


def deleted(rng, data):
    at = rng.randrange(len(data))
    return data[:at] + data[at + rng.choice([1, 2, 8, 500]) :]


def repeated(rng, data):
    at, n = rng.randrange(len(data)), rng.choice([1, 8, 100, 1000])
    return data[:at] + data[at : at + n] * rng.choice([2, 3, 50]) + data[at + n :]


def swapped(rng, data):
    a, b, c, d = sorted(rng.randrange(len(data) + 1) for _ in range(4))
    return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def relength(rng, data):
    n = int.from_bytes(data[:8], "little")
    lengths = [0, 1, 2, n - 1, n + 1, n + 8, len(data), len(data) - 8, 10**8, 10**8 + 1, 2**31, 2**63, 2**64 - 1]
    return rng.choice(lengths).to_bytes(8, "little") + data[8:]


BYTES = [flipped, cut, inserted, deleted, repeated, swapped, relength]


# ---- JSON ----


def places(value, path=()):
    """The paths to all values within a value."""
    yield path
    if isinstance(value, (dict, list)):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*path, key))


def inner(value, path):
    for key in path:
        value = value[key]
    return value


def hostile(rng, there, raw):
    """Something to stand in a value's place; `raw` gathers what isn't JSON."""
    pool = rng.randrange(9)
    if pool == 0:
        raw.append(rng.choice(RAW))
        return f"@raw {len(raw) - 1}@"
    if pool == 1 and type(there) is int:
        return there + rng.choice([-1, 1, 2, -there, there, 10**6])
    if pool == 2 and isinstance(there, list) and there:
        return there * rng.choice([2, 1000]) if len(str(there)) < 500 else there[::-1]
    if pool == 3:
        return {rng.choice(REFERENCES): rng.choice([0, 1, 5, -1, "numpy.sin", [], [[1, 2]], None, "nan", [1, 1, 0]])}
    if pool == 4 or (isinstance(there, str) and pool < 7):
        return rng.choice([*NAMES, *KINDS])
    if pool == 5:
        return copy.deepcopy(rng.choice(CONTAINERS))
    return rng.choice(SCALARS)


def disturbed(rng, tree, raw, path=None):
    """One value of a tree changed: replaced, left out, doubled, swapped for another, renamed."""
    every = list(places(tree))
    path = rng.choice(every[1:]) if path is None else path
    parent, key = inner(tree, path[:-1]), path[-1]
    there, way = parent[key], rng.randrange(12)
    if way == 0:
        del parent[key]
    elif way == 1 and isinstance(parent, list):
        parent.insert(rng.randrange(len(parent) + 1), copy.deepcopy(there))
    elif way == 2 and isinstance(parent, list):
        other = rng.randrange(len(parent))
        parent[key], parent[other] = parent[other], there
    elif way == 3 and isinstance(parent, dict):
        parent[rng.choice([*NAMES, *parent])] = parent.pop(key)
    elif way == 4:
        parent[key] = copy.deepcopy(inner(tree, rng.choice(every)))
    elif way == 5 and isinstance(parent, dict):
        parent[rng.choice(NAMES)] = copy.deepcopy(there)
    else:
        parent[key] = hostile(rng, there, raw)


@lru_cache(16)
def parsed(data):
    n = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + n])
    texts = header.get("__metadata__", {})
    trees = {key: json.loads(text) for key, text in texts.items() if text[:1] == "{"}
    for key, tree in trees.items():
        if tree.pop("crc32", None):  # who changes a file on purpose leaves its checksums out
            texts[key] = json.dumps(tree)
    return header, trees, n


def split(data):
    """The table of arrays, the texts of the metadata, and the arrays."""
    header, trees, n = parsed(data)
    return copy.deepcopy(header), trees, data[8 + n :]


def text_of(tree, raw):
    text = json.dumps(tree)
    for place, other in enumerate(raw):
        text = text.replace(f'"@raw {place}@"', other)
    return text


def joined(header, payload):
    text = header if isinstance(header, str) else json.dumps(header)
    encoded = text.encode()
    return len(encoded).to_bytes(8, "little") + encoded + payload


def reheaded(rng, data):
    """The table of arrays, changed."""
    header, _, payload = split(data)
    metadata, raw = header.pop("__metadata__", {}), []
    rows = [name for name in header if header[name]["shape"]]
    way, row = rng.randrange(7), header[rng.choice(rows)]
    if way == 0:
        row["shape"] = rng.choice([row["shape"][::-1], [*row["shape"], 1], [0, HUGE], [2**40] * 2, [1] * 100])
    elif way == 1:
        row["dtype"] = rng.choice(["F64", "F32", "F16", "BF16", "I64", "U8", "BOOL", "F8_E4M3", "O", ""])
    elif way == 2:
        row["data_offsets"][rng.randrange(2)] += rng.choice([-8, -1, 1, 8, HUGE, 2**63, -HUGE])
    elif way == 3:
        a, b = rng.choice(rows), rng.choice(rows)
        header[a], header[b] = header[b], header[a]
    for _ in range(rng.choice([0, 1, 2]) if way < 4 else 1):
        disturbed(rng, header, raw)
    if rng.randrange(8) == 0 and "minigraph" in metadata:
        seal = rng.choice([{}, [], 1, {"text": 0, "arrays": {}}, {"text": [], "arrays": 3}])
        metadata = {**metadata, "minigraph": json.dumps({**json.loads(metadata["minigraph"]), "crc32": seal})}
    if rng.randrange(4) == 0:
        metadata = rng.choice([{}, None, [], {"minigraph": 3}, {"minigraph": "null"}, {"minigraph": "[]"}, metadata])
    return joined(text_of({"__metadata__": metadata, **header}, raw), payload)


def rewired(rng, data, turn=None):
    """A text of the metadata, changed; the values of all texts take turns if there is a number."""
    header, trees, payload = split(data)
    every = turns(data)
    key, path = rng.choice(every) if turn is None else every[turn % len(every)]
    tree, raw = copy.deepcopy(trees[key]), []
    disturbed(rng, tree, raw, path)
    for _ in range(rng.choice([0, 0, 0, 1, 3])):
        disturbed(rng, tree, raw)
    header["__metadata__"][key] = text_of(tree, raw)
    return joined(header, payload)


@lru_cache(16)
def turns(data):
    """The paths to all values of all texts."""
    return [(key, path) for key, tree in parsed(data)[1].items() for path in places(tree) if path]


def huge(rng, data):
    """Numbers of the wiring all at once, or those of a layer together with its arrays."""
    header, trees, payload = split(data)
    wiring = copy.deepcopy(trees["minigraph"])
    big = rng.choice([10**5, 10**9, HUGE])
    row = rng.choice(wiring["layers"])
    for name, value in row["fields"].items():
        if type(value) is int:
            row["fields"][name] = big
    for node in wiring["nodes"]:
        if wiring["layers"][node["layer"]] is row and node["shape"]:
            node["shape"][rng.randrange(len(node["shape"]))] = big
    if row["kind"] == "Input":
        row["fields"]["shape"] = {
            "tuple": next(n["shape"] for n in wiring["nodes"] if wiring["layers"][n["layer"]] is row)
        }
    for place in row["params"].values():
        shape = header[wiring["params"][place][0]]["shape"]
        shape[:] = rng.choice([[big, *shape[1:]], [0, big], [big] * len(shape)])
    header["__metadata__"]["minigraph"] = json.dumps(wiring)
    return joined(header, payload)


def damaged(data, seed, number):
    """The bytes with damage of that number."""
    rng = random.Random(f"{seed} {number}")
    way = number % 10
    has_texts = "minigraph" in parsed(data)[1]
    if way < 2:
        return rng.choice(BYTES)(rng, data if way else joined(*split(data)[::2]))
    if way < 4 or not has_texts:
        return reheaded(rng, data)
    if way < 5:
        return huge(rng, data)
    return rewired(rng, data, number if way < 8 else None)
