"""Rows of activations, and each σ number by number."""

import math

import numpy as np

from minigraph.activations import LeakyReLU
from minigraph.layers import Activation, Function, LogSoftmax, PReLU, Softmax

from .case import NOT_TWO, Case, Refused, elementwise, off_kinks, shares

SIGMA = {
    "identity": lambda z: z,
    "sigmoid": lambda z: 0.5 + 0.5 * math.tanh(0.5 * z),
    "tanh": lambda z: (math.exp(2 * z) - 1) / (math.exp(2 * z) + 1),
    "relu": lambda z: z if z > 0 else 0.0,
    "leaky_relu": lambda z: z if z > 0 else z / 100,
    "softplus": lambda z: math.log(1 + math.exp(z)),
    "elu": lambda z: z if z > 0 else math.exp(z) - 1,
    "selu": lambda z: 1.0507009873554805 * (z if z > 0 else 1.6732632423543772 * (math.exp(z) - 1)),
    "gelu": lambda z: z * math.erfc(-z / math.sqrt(2)) / 2,
    "gelu_tanh": lambda z: 0.5 * z * (1 + math.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3))),
    "silu": lambda z: z / (1 + math.exp(-z)),
    "mish": lambda z: z * math.tanh(math.log(1 + math.exp(z))),
}
TORCH = {
    "identity": lambda torch, given, z: z * 1,
    "gelu": lambda torch, given, z: torch.nn.functional.gelu(z),
    "gelu_tanh": lambda torch, given, z: torch.nn.functional.gelu(z, approximate="tanh"),
} | {
    name: lambda torch, given, z, name=name: getattr(torch.nn.functional, name)(z)
    for name in ("sigmoid", "tanh", "relu", "leaky_relu", "softplus", "elu", "selu", "silu", "mish")
}


PAIR = (np.sin, np.cos)
MIXED = ["tanh", PAIR, "relu", "tanh", LeakyReLU(0.3)]
MIXED_SIGMA = (SIGMA["tanh"], math.sin, SIGMA["relu"], SIGMA["tanh"], lambda z: max(z, 0.3 * z))


def along(axis, *functions):
    """The output whose element j along an axis, the batch axis counted, is functions[j] of the input's element."""

    def reference(given, x):
        out = np.empty(x.shape)
        for i in np.ndindex(x.shape):
            out[i] = functions[i[axis]](float(x[i]))
        return out

    return reference


def softmax(axis, f=float):
    """f of the shares along an axis, the batch axis counted."""

    def reference(given, x):
        out = np.empty(x.shape)
        for i in np.ndindex(*(1 if k == axis % x.ndim else n for k, n in enumerate(x.shape))):
            line = tuple(slice(None) if k == axis % x.ndim else j for k, j in enumerate(i))
            out[line] = [f(share) for share in shares(x[line].tolist())]
        return out

    return reference


def prelu(given, x):
    out = np.empty(x.shape)
    for i in np.ndindex(x.shape):
        slope = given.w[i[1] if len(given.w) > 1 else 0]
        out[i] = x[i] if x[i] > 0 else slope * x[i]
    return out


def torch_prelu(torch, given, x):
    return torch.nn.functional.prelu(x, given.w)


BY_NAME = [
    Case(
        f"Activation-{name}",
        lambda name=name: Activation(name),
        ((3,),),
        elementwise(f),
        (off_kinks,),
        torch=TORCH[name],
    )
    for name, f in SIGMA.items()
]
NO_AXIS = Refused(((),), "takes samples with at least one axis", "got single numbers")

# fmt: off
CASES = [
    *BY_NAME,
    Case("Activation-pair", lambda: Activation(PAIR), ((2, 3),), elementwise(math.sin), refuses=(NOT_TWO,)),
    Case("Activation-number", lambda: Activation("tanh"), ((),), elementwise(SIGMA["tanh"])),
    Case("Activation-1", lambda: Activation("softplus"), ((1, 1),), elementwise(SIGMA["softplus"])),
    Case("Activation-per-neuron", lambda: Activation(MIXED), ((2, 5),), along(-1, *MIXED_SIGMA), (off_kinks,), (
        Refused(((5, 4),), "has 5 activations", "got samples of shape (5, 4)"),
        Refused(((),), "has 5 activations", "got samples of shape ()"),
    )),
    Case("Activation-per-channel", lambda: Activation(MIXED, axis=0), ((5, 1, 3),), along(1, *MIXED_SIGMA),
         (off_kinks,), (
        Refused(((3, 5),), "has 5 activations for axis 0", "got samples of shape (3, 5)"),
        Refused(((),), "has 5 activations for axis 0", "got samples of shape ()"),
    )),
    Case("Activation-per-row", lambda: Activation(["tanh", "gelu"], axis=-2), ((3, 2, 1),),
         along(2, SIGMA["tanh"], SIGMA["gelu"]), refuses=(
        Refused(((2,),), "has 2 activations for axis -2", "got samples of shape (2,)"),
    )),
    Case("Function", lambda: Function(*PAIR), ((2, 3),), elementwise(math.sin), refuses=(NOT_TWO,)),
    Case("Function-number", lambda: Function(*PAIR), ((),), elementwise(math.sin)),
    Case("Function-1", lambda: Function(*PAIR), ((1, 1),), elementwise(math.sin)),
    Case("PReLU", PReLU, ((3,),), prelu, (off_kinks,), (NOT_TWO,), torch=torch_prelu),
    Case("PReLU-image", PReLU, ((2, 1, 3),), prelu, (off_kinks,), torch=torch_prelu),
    Case("PReLU-channels", lambda: PReLU(channels=True), ((3, 1, 2),), prelu, (off_kinks,), (
        Refused(((),), "takes samples whose axis 0 is the channels", "got single numbers"),
    ), torch=torch_prelu),
    Case("PReLU-neurons", lambda: PReLU(channels=True, slope="normal"), ((4,),), prelu, (off_kinks,),
         torch=torch_prelu),
    Case("PReLU-sequence", lambda: PReLU(channels=True, slope=-1), ((2, 5),), prelu, (off_kinks,), torch=torch_prelu),
    Case("PReLU-number", PReLU, ((),), prelu, (off_kinks,), torch=torch_prelu),
    Case("PReLU-1", lambda: PReLU(channels=True), ((1, 1),), prelu, (off_kinks,), torch=torch_prelu),
    Case("Softmax", Softmax, ((4,),), softmax(-1), refuses=(NO_AXIS, NOT_TWO),
         torch=lambda torch, given, x: torch.softmax(x, -1)),
    Case("Softmax-3d", Softmax, ((2, 1, 3),), softmax(-1), torch=lambda torch, given, x: torch.softmax(x, -1)),
    Case("Softmax-axis-0", lambda: Softmax(axis=0), ((3, 1, 2),), softmax(1),
         torch=lambda torch, given, x: torch.softmax(x, 1)),
    Case("Softmax-middle", lambda: Softmax(axis=-2), ((2, 4, 3),), softmax(2), refuses=(
        Refused(((3,),), "works along axis -2", "got samples of shape (3,)"),
        NO_AXIS,
    ), torch=lambda torch, given, x: torch.softmax(x, 2)),
    Case("Softmax-1", Softmax, ((1,),), softmax(-1), torch=lambda torch, given, x: torch.softmax(x, -1)),
    Case("LogSoftmax", LogSoftmax, ((4,),), softmax(-1, math.log), refuses=(NO_AXIS, NOT_TWO),
         torch=lambda torch, given, x: torch.log_softmax(x, -1)),
    Case("LogSoftmax-axis-1", lambda: LogSoftmax(axis=1), ((2, 3, 2),), softmax(2, math.log), refuses=(
        Refused(((3,),), "works along axis 1", "got samples of shape (3,)"),
    ), torch=lambda torch, given, x: torch.log_softmax(x, 2)),
    Case("LogSoftmax-axis-0", lambda: LogSoftmax(0), ((3, 2),), softmax(1, math.log),
         torch=lambda torch, given, x: torch.log_softmax(x, 1)),
    Case("LogSoftmax-1", LogSoftmax, ((1, 1),), softmax(-1, math.log),
         torch=lambda torch, given, x: torch.log_softmax(x, -1)),
]
