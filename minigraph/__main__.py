"""The command line: `minigraph demo`, `draw`, `explore`, `check`, `summary`."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module

from .command.arguments import parser
from .errors import GraphWarning, MinigraphError
from .summary import printable


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code.

    0, 1 when a check failed, 2 when the arguments or files are wrong, 130 after Ctrl-C, and 141 where nobody reads what
    is printed any more, as behind `| head`.
    """
    if argv is None:
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="replace")  # a terminal without → and σ shows ? there
    heading = "minigraph"

    def say(what: object, *_: object) -> None:
        line = printable(" ".join(str(what).split()))  # names in files may be anything
        print(f"{heading}: {line}", file=sys.stderr)

    try:
        with _printed(), warnings.catch_warnings():
            given = parser().parse_args(argv)
            heading = f"minigraph {given.command}"
            warnings.simplefilter("always", GraphWarning)
            warnings.showwarning = say  # type: ignore[assignment]
            return int(import_module(f".command.{given.command}", __package__).run(given))
    except BrokenPipeError:
        return 141
    except (MinigraphError, OSError) as fault:
        say(fault)
        return 2
    except MemoryError as fault:
        say(f"there is too little memory: {fault}")
        return 2
    except KeyboardInterrupt:
        print("\nminigraph: interrupted", file=sys.stderr)
        return 130


@contextmanager
def _printed() -> Iterator[None]:
    """Have all written that was printed meanwhile; raises OSError where that fails, and drops it."""
    try:
        yield
    finally:
        try:
            if sys.stdout is not None:
                sys.stdout.flush()
        except OSError:
            # Python tries once more at its end, and would complain in lines of its own
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)
            raise


if __name__ == "__main__":
    sys.exit(main())
