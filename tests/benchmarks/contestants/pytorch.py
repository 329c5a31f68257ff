"""PyTorch eager, with modules and its SGD, at one thread and at all."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch import nn
from works import CNN, DAG, MLP, Convolution, Memory, Transformer

from . import Entry

THREADS = torch.get_num_threads()


def enter(work):
    variants = {}
    for threads in sorted({1, THREADS}):
        step, weights = stepper(work)
        before = lambda threads=threads: torch.set_num_threads(threads)  # noqa: E731
        variants[f"{threads} thread{'s' * (threads > 1)}"] = Entry(step, weights, before)
    return variants


def stepper(work, wrap=lambda function: function):
    """A training step, whose parts `wrap` may make faster, and the weights by minigraph's names."""
    model, names = modules(work.net)
    own = dict(model.named_parameters())
    start = {name: torch.from_numpy(value) for name, value in work.start().items()}
    with torch.no_grad():
        for name, wanted in names.items():
            own[name].copy_(torch.cat([start[one] for one in wanted]))
    x, t = (torch.from_numpy(array) for array in work.data())
    given = isinstance(work.net, Convolution)
    quadratic = isinstance(work.net, DAG) or (isinstance(work.net, MLP) and work.net.sigma == "sigmoid")
    sgd = torch.optim.SGD([own[name] for name in names], lr=work.lr / work.batch if given else work.lr)
    x.requires_grad_(given)

    net = model

    def loss():
        y = net(x)
        if quadratic:
            return 0.5 * ((y - t) ** 2).sum() / len(x)
        return nn.functional.cross_entropy(y.flatten(0, -2), t.flatten())

    loss, model, update = wrap(loss), wrap(model), wrap(sgd.step)

    def step():
        sgd.zero_grad()
        loss().backward()
        update()

    def step_with_error():
        sgd.zero_grad()
        x.grad = None
        model(x).backward(t)
        update()

    def weights():
        found = {}
        for name, wanted in names.items():
            found |= zip(wanted, np.split(own[name].detach().numpy(), len(wanted)), strict=True)
        return found

    return step_with_error if given else step, weights


def modules(net):
    """A module, and for each of its parameters the names of minigraph's that are on top of each other there."""
    if isinstance(net, MLP):
        sigma = nn.Sigmoid if net.sigma == "sigmoid" else nn.ReLU
        layers = [layer for k, n in pairwise(net.sizes) for layer in (nn.Linear(k, n), sigma())]
        model = nn.Sequential(*(layers if net.sigma == "sigmoid" else layers[:-1]))
        return model, {f"{2 * i}.{p}": [f"{i + 1}.{q}"] for i in range(len(net.sizes) - 1) for p, q in WB}
    if isinstance(net, CNN):
        relu, pool = nn.ReLU(), nn.MaxPool2d(2)
        model = nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2), relu, pool, nn.Conv2d(6, 16, 5), relu, pool, nn.Flatten(),
            nn.Linear(400, 120), relu, nn.Linear(120, 84), relu, nn.Linear(84, 10))  # fmt: skip
        return model, {f"{i}.{p}": [f"{j}.{q}"] for j, i in enumerate((0, 3, 7, 9, 11), 1) for p, q in WB}
    if isinstance(net, Convolution):
        return nn.Conv2d(16, 32, 3, padding=1), {p: [f"1.{q}"] for p, q in WB}
    if isinstance(net, Transformer):
        encoders = [
            nn.TransformerEncoderLayer(net.d, net.heads, net.hidden, dropout=0.0, batch_first=True)
            for _ in range(net.blocks)
        ]
        names = {f"{net.blocks}.{p}": [f"logits.{q}"] for p, q in WB}
        for i in range(net.blocks):
            block = str(i)
            for p, q in WB:
                names[f"{i}.self_attn.in_proj_{p}"] = [f"{block}/attention.{q}_{one}" for one in "qkv"]
                names[f"{i}.self_attn.out_proj.{p}"] = [f"{block}/attention.{q}_o"]
                names[f"{i}.linear1.{p}"] = [f"{block}/hidden.{q}"]
                names[f"{i}.linear2.{p}"] = [f"{block}/out.{q}"]
            for j, (p, q) in ((j, pq) for j in (1, 2) for pq in (("weight", "gamma"), ("bias", "beta"))):
                names[f"{i}.norm{j}.{p}"] = [f"{block}/norm_{j}.{q}"]
        return nn.Sequential(*encoders, nn.Linear(net.d, net.classes)), names
    if isinstance(net, Memory):
        model = Last(net.k, net.n, net.classes)
        return model, {
            "lstm.weight_ih_l0": ["lstm.w"], "lstm.weight_hh_l0": ["lstm.u"], "lstm.bias_ih_l0": ["lstm.b"],
            "out.weight": ["out.w"], "out.bias": ["out.b"]}  # fmt: skip
    if isinstance(net, DAG):
        model = Wired(net)
        return model, {f"dense.{i}.{p}": [f"{i}.{q}"] for i in model.dense for p, q in WB}
    raise TypeError(net)


WB = (("weight", "w"), ("bias", "b"))


class Last(nn.Module):
    """An LSTM, whose second bias stays 0, and what is made of its last state."""

    def __init__(self, k, n, classes):
        super().__init__()
        self.lstm = nn.LSTM(k, n, batch_first=True)
        self.out = nn.Linear(n, classes)
        nn.init.zeros_(self.lstm.bias_hh_l0).requires_grad_(False)

    def forward(self, x):
        return self.out(self.lstm(x)[0][:, -1])


class Wired(nn.Module):
    """The nodes of a DAG, one after the other."""

    def __init__(self, net):
        super().__init__()
        self.plan = net.plan
        self.dense = nn.ModuleDict(
            {str(i): nn.Linear(net.width, net.width) for i, (kind, _) in enumerate(net.plan, 1) if kind == "dense"}
        )

    def forward(self, x):
        values, dense = [x], self.dense
        for i, (kind, sources) in enumerate(self.plan, 1):
            a = values[sources[0]]
            if kind == "dense":
                values.append(torch.tanh(dense[str(i)](a)))
            elif kind == "tanh":
                values.append(torch.tanh(a))
            elif kind == "add":
                values.append(a + values[sources[1]])
            else:
                values.append(a * values[sources[1]])
        return values[-1]
