"""torch.compile of the forward and backward pass and of the update."""

from __future__ import annotations

import logging
import shutil

import torch

from . import Entry
from .pytorch import THREADS, stepper


def enter(work):
    if not (shutil.which("c++") or shutil.which("g++")):
        return "no C++ compiler"
    torch._dynamo.reset()  # else the limit on recompilation counts all works together
    logging.getLogger("torch._dynamo").setLevel(logging.ERROR)
    torch.set_num_threads(THREADS)
    step, weights = stepper(work, wrap=torch.compile)
    return Entry(step, weights, lambda: torch.set_num_threads(THREADS))
