"""The machine and the libraries, in words."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from pathlib import Path

import numpy as np


def described() -> dict[str, str]:
    """Machine, Python, BLAS with its threads, the other libraries."""
    return {"machine": _processor(), "python": _python(), "blas": _blas(), "libraries": _libraries()}


def _processor() -> str:
    name, info = platform.processor() or platform.machine(), Path("/proc/cpuinfo")
    if info.exists():
        lines = [line.partition(":") for line in info.read_text().splitlines()]
        name = next((value.strip() for key, _, value in lines if key.strip() == "model name"), name)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{name}, {platform.machine()}, {cores} cores, {platform.system()}"


def _python() -> str:
    return f"Python {platform.python_version()} ({sys.implementation.name}), numpy {np.__version__}"


def _blas() -> str:
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        found = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
        return f"{found['name']} {found['version']}, threads as it likes (threadpoolctl, which tells, is not installed)"
    for pool in threadpool_info():
        if pool["user_api"] == "blas" and "numpy" in pool["filepath"]:
            kind = f"{pool['internal_api']} {pool['version']} ({pool['architecture']})"
            return f"{kind}, {pool['num_threads']} threads, as it chose itself"
    return "unknown"


def _libraries() -> str:
    names = ("torch", "jax", "scikit-learn", "autograd")
    found = []
    for name in names:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            found.append(f"{name} not installed")
    return ", ".join(found)
