"""What mutations.py puts into the code: one small fault at every place that computes."""

import ast
import copy
import functools
import gc
import importlib
import pkgutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FunctionType

PACKAGES = ("layers", "activations", "costs", "optimizers", "schedules")
CHECKS = ("__post_init__", "build", "describe", "check", "suit", "_check", "_amount", "_flag", "_require")


@dataclass
class Mutant:
    module: str
    line: int
    change: str
    kind: str
    parent: ast.AST = field(repr=False)
    place: tuple = field(repr=False)  # field of the parent, and the index where that is a list
    new: ast.AST = field(repr=False)
    top: ast.stmt | None = field(repr=False)  # the statement, where it stands in no function
    code: list = field(default_factory=list, repr=False)  # (function, its code in the mutant), outermost first
    calls: set = field(default_factory=set, repr=False)  # ids of the code that a test must run to see it

    def __str__(self):
        return f"{self.module}:{self.line}  {self.change}"


# ---- what is changed ----

TWINS = {"add": "subtract", "subtract": "add", "negative": "positive", "maximum": "minimum", "minimum": "maximum"}
EDGES = {"greater": "greater_equal", "greater_equal": "greater", "less": "less_equal", "less_equal": "less"}
FLIPS = {ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Lt: ast.LtE, ast.LtE: ast.Lt}
TURNS = ("swapaxes", "transpose", "moveaxis")


def with_(node, **changes):
    other = copy.copy(node)
    vars(other).update(changes)
    return other


def changed(node):
    """(kind, what stands there instead) for everything that can go wrong at this node itself."""
    match node:
        case ast.BinOp(left, ast.Mult(), right) if not (is_made(left) or is_made(right)):
            yield from (("factor", left), ("factor", right))
        case ast.BinOp(left, ast.Div() | ast.Pow(), _):
            yield "factor", left
        case ast.BinOp(left, ast.Add() | ast.Sub() as op, right) if not (is_made(left) or is_made(right)):
            yield "sign", with_(node, op=ast.Sub() if isinstance(op, ast.Add) else ast.Add())
        case ast.UnaryOp(ast.USub(), operand):
            yield "sign", operand
        case ast.AugAssign(_, ast.Mult() | ast.Div(), _):
            yield "factor", ast.Pass()
        case ast.AugAssign(target, ast.Add() | ast.Sub() as op, value):
            yield "sign", with_(node, op=ast.Sub() if isinstance(op, ast.Add) else ast.Add())
            yield "+=", ast.Assign([target], value)
        case ast.Attribute(value, "T" | "mT"):
            yield "transpose", value
        case ast.Call(ast.Attribute(ast.Name("np"), name), args):
            yield from changed_call(node, name, args)
        case ast.Call(ast.Attribute(ast.Name("math"), "sqrt"), [x]):
            yield "factor", x
        case ast.Call(ast.Attribute(value, name)) if name in TURNS:
            yield "transpose", value
        case ast.keyword("axis" | "axes", ast.Constant() | ast.UnaryOp() | ast.Tuple() as axis):
            yield from (("axis", with_(node, value=wrong)) for wrong in wrong_axes(axis))
        case ast.Constant(float(x)):
            yield "number", ast.Constant(2 * x or 1.0)
        case ast.Compare(ops=[op]) if type(op) in FLIPS:
            yield "edge", with_(node, ops=[FLIPS[type(op)]()])
    if isinstance(node, (ast.BinOp, ast.AugAssign)):
        for name in ("left", "right", "value"):
            operand = getattr(node, name, None)
            if isinstance(operand, ast.Constant) and type(operand.value) is int:
                yield "number", with_(node, **{name: ast.Constant(operand.value + 1)})


def changed_call(node, name, args):
    """The same for a call of numpy's function of that name."""
    out = next((ast.dump(word.value) for word in node.keywords if word.arg == "out"), None)
    if name in TWINS:
        yield "sign", with_(node, func=with_(node.func, attr=TWINS[name]))
    if name == "add" and out in map(ast.dump, args):
        term = args[1] if ast.dump(args[0]) == out else args[0]
        yield "+=", with_(node, func=with_(node.func, attr="positive"), args=[term])
    if name in ("multiply", "divide"):
        yield "factor", with_(node, args=[args[0], ast.Constant(1.0)])
    if name == "multiply":
        yield "factor", with_(node, args=[ast.Constant(1.0), args[1]])
    if name in ("sqrt", "square", "abs", "absolute", "reciprocal", "sign"):
        yield "factor", with_(node, func=with_(node.func, attr="positive"))
    if name in TURNS:
        yield "transpose", args[0]
    if name == "where" and len(args) == 3:
        yield "sign", with_(node, args=[args[0], args[2], args[1]])
    if name in EDGES:
        yield "edge", with_(node, func=with_(node.func, attr=EDGES[name]))


def wrong_axes(axis):
    if isinstance(axis, ast.Tuple):
        yield from (with_(axis, elts=axis.elts[:i] + axis.elts[i + 1 :]) for i in range(len(axis.elts)))
    else:
        k = ast.literal_eval(axis)
        if isinstance(k, int):
            yield ast.Constant({0: 1, -1: -2}.get(k, k - 1 if k > 0 else k + 1))


def is_made(node):
    """Whether it is text or a sequence, so that + and * have another meaning."""
    text = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return text or isinstance(node, (ast.Tuple, ast.List, ast.ListComp, ast.JoinedStr))


# ---- where ----


def mutants_of(module, tree, only):
    """Mutants in what a module computes, not in checks, messages, types and defaults; `only` these classes, if any."""

    def walk(node, inside, top, wanted):
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "decorator_list", "args") and not isinstance(node, ast.Call):
                continue
            if name in ("test", "body") and isinstance(node, ast.If) and isinstance(node.body[0], ast.Raise):
                continue
            for i, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if isinstance(child, ast.AST) and not is_check(child):
                    yield from at(child, node, (name, i), inside, top, wanted)

    def at(node, parent, place, inside, top, wanted):
        if isinstance(node, ast.ClassDef):
            wanted = not only or node.name in only
        elif parent is tree:
            wanted = not only
        top = node if parent is tree and isinstance(node, (ast.Assign, ast.AnnAssign)) else top
        inside = inside or isinstance(node, (ast.FunctionDef, ast.Lambda))
        if wanted and (inside or top is not None):
            for kind, new in changed(node):
                line = getattr(node, "lineno", None) or node.value.lineno
                change = shown(node, new, parent, place)
                yield Mutant(module, line, change, kind, parent, place, new, None if inside else top)
        if not isinstance(node, (ast.Raise, ast.Assert, ast.JoinedStr)):
            yield from walk(node, inside, top, wanted)

    yield from walk(tree, False, None, not only)


def shown(node, new, parent, place):
    """Old and new source, of the parent where the node alone says little."""
    name, i = place
    if isinstance(node, (ast.Constant, ast.UnaryOp)) and isinstance(parent, ast.expr):
        there = getattr(parent, name)
        node, new = parent, with_(parent, **{name: new if i is None else [*there[:i], new, *there[i + 1 :]]})
    return " → ".join(ast.unparse(ast.fix_missing_locations(copy.deepcopy(tree))) for tree in (node, new))


def is_check(node):
    return isinstance(node, ast.FunctionDef) and (node.name in CHECKS or node.name.startswith(("_check", "_expect")))


def compiled(mutant, tree, path):
    """The mutant's module, compiled, or its statement alone where it stands in no function."""
    name, i = mutant.place
    there = getattr(mutant.parent, name)
    old = there if i is None else there[i]
    new = ast.copy_location(mutant.new, old)

    def put(what):
        if i is None:
            setattr(mutant.parent, name, what)
        else:
            there[i] = what

    put(new)
    try:
        what = tree if mutant.top is None else ast.Module([mutant.top], [])
        return compile(ast.fix_missing_locations(what), path, "exec", dont_inherit=True)
    finally:
        put(old)


def pairs_that_differ(old, new):
    """Code objects of functions that differ, outermost first."""
    if old == new:
        return []
    inner = [[c for c in code.co_consts if isinstance(c, CodeType)] for code in (old, new)]
    deeper = [pair for both in zip(*inner, strict=False) for pair in pairs_that_differ(*both)]
    return [(old, new), *(deeper if len(inner[0]) == len(inner[1]) else [])]


def prepare(names):
    """The mutants, each with what a child is to put in its place; without code where no function is alive to change."""
    chosen, live = list(modules(names)), {}
    for function in gc.get_objects():
        if type(function) is FunctionType and "/minigraph/" in function.__code__.co_filename:
            live.setdefault(function.__code__, []).append(function)
    for module in chosen:
        path = module.__file__
        tree, source = ast.parse(Path(path).read_text()), Path(path).read_text()
        short = module.__name__.partition(".")[2]
        only = set() if {short, short.rpartition(".")[2], short.partition(".")[0]} & set(names) else set(names)
        original = compile(source, path, "exec", dont_inherit=True)
        for mutant in mutants_of(short, tree, only):
            code = compiled(mutant, tree, path)
            if mutant.top is None:
                pairs = pairs_that_differ(original, code)
                mutant.code = [(function, new) for old, new in pairs for function in live.get(old, ())]
                mutant.code = [(f, new) for f, new in mutant.code if f.__code__.co_freevars == new.co_freevars]
                mutant.calls = {id(mutant.code[-1][0].__code__)} if mutant.code else set()
            else:
                mutant.code = [(module, code)]
                bound = {n.id for n in ast.walk(mutant.top) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
                mutant.calls = {id(c) for c in live if bound & set(c.co_names)}
            yield mutant


def modules(names):
    """The modules of these names, or with classes of these names, out of all that are to be mutated."""
    for package in map(importlib.import_module, (f"minigraph.{name}" for name in PACKAGES)):
        inner = pkgutil.iter_modules(package.__path__, f"{package.__name__}.") if hasattr(package, "__path__") else ()
        for module in [package, *(importlib.import_module(found.name) for found in inner)]:
            words = {module.__name__.rpartition(".")[2], package.__name__.rpartition(".")[2]}
            words |= {name for name, kind in vars(module).items() if getattr(kind, "__module__", "") == module.__name__}
            if not names or words & set(names):
                yield module


def mutate(mutant):
    """In a child: put the fault into the live functions, or into the constants of all modules that have them."""
    for function, code in mutant.code:
        if mutant.top is None:
            function.__code__ = code
            continue
        before = dict(vars(function))
        exec(code, vars(function))
        changes = {name: value for name, value in vars(function).items() if value is not before.get(name)}
        for name, value in changes.items():
            for other in [m for n, m in list(sys.modules.items()) if n.startswith("minigraph")]:
                if name in before and vars(other).get(name, before) is before[name]:
                    setattr(other, name, value)
        for other in [f for f in gc.get_objects() if isinstance(f, FunctionType) and f.__module__ == function.__name__]:
            by_default = [
                next((changes[n] for n in changes if before.get(n, code) is d), d) for d in other.__defaults__ or ()
            ]
            other.__defaults__ = tuple(by_default) or None
    for cached in [f for f in gc.get_objects() if isinstance(f, functools._lru_cache_wrapper)]:
        if (getattr(cached, "__module__", "") or "").startswith("minigraph"):
            cached.cache_clear()
