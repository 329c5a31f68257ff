"""A process that trains as lines of JSON tell it, each time in a child of its own, which can be killed."""

import contextlib
import itertools
import json
import os
import signal
import sys
import traceback
from pathlib import Path

import numpy as np
from deadly import plant
from long_trainings import followed, outcome, prepared, settled

import minigraph as mg


def train(training, result, places=(), follow=False, **fit):
    g, options = prepared(**training)
    for place, number in places:
        plant(place, number)
    history, optimizers = mg.History(), settled(options["optimizer"])
    trail = followed(g, optimizers, setattr) if follow else []
    with contextlib.suppress(KeyboardInterrupt):
        mg.fit(g, history=history, **options | fit)
    left = outcome(g, history, optimizers, fit.get("checkpoint")) | {"trail": trail}
    Path(result).write_text(json.dumps(left))


def save(training, path):
    g, _ = prepared(**training)
    for number in itertools.count(1):
        for param in g.params.values():
            param.value = np.full(param.shape, number)
        g.save(path)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.fsync = lambda handle: None  # a killed process loses nothing that it gave to the system
    print("ready", flush=True)
    for line in sys.stdin:
        child = os.fork()
        if not child:
            try:
                job = json.loads(line)
                (save if "path" in job else train)(**job)
            except KeyboardInterrupt:  # too early, or too late
                os._exit(130)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
