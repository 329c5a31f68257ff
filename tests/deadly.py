"""Calls that end the process that makes them."""

import io
import itertools
import os
import signal

from minigraph.saving import files


class Half(io.BufferedWriter):
    def write(self, data):
        super().write(data[: len(data) // 2])
        self.flush()
        os.kill(os.getpid(), signal.SIGKILL)


def plant(place, number):
    """Have the process die when a call is made for that many times: before it, after it, or half through a file."""
    when, name = place.split()
    owner, calls = files if name == "open" else os, itertools.count(1)
    call = getattr(owner, name, open)

    def deadly(*args, **options):
        now = when if next(calls) == number else ""
        if now == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = call(*args, **options)
        if now == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return Half(result.detach()) if now == "half" else result

    setattr(owner, name, deadly)
