"""Processes that train until they are killed: the end that tests hold."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path


class Process:
    def __init__(self, folder):
        self.folder = folder
        self._child = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("training_process.py")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        )  # fmt: skip
        assert self._child.stdout.readline() == "ready\n"

    def start(self, training, **job):
        """Begin a training, or what else the script knows; the id of its process."""
        training = {"folder": str(self.folder)} | training
        job = {"training": training} | ({} if "path" in job else {"result": str(self.folder / "result.json")}) | job
        (self.folder / "result.json").unlink(missing_ok=True)
        self._child.stdin.write(json.dumps(job, default=str) + "\n")
        self._child.stdin.flush()
        return int(self._child.stdout.readline())

    def ended(self):
        """How it ended: 0, or minus the number of a signal."""
        return int(self._child.stdout.readline())

    def send(self, pid, number=signal.SIGKILL):
        """Send it a signal, if it isn't over."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    def run(self, training, **job):
        """Train to the end; what that left."""
        self.start(training, **job)
        assert self.ended() == 0
        return self.left()

    def left(self):
        return json.loads((self.folder / "result.json").read_text())

    def close(self):
        self._child.communicate()
