"""The command line: `minigraph demo`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

from .check import check
from .costs import Quadratic
from .datasets import mnist, one_hot
from .errors import MinigraphError
from .gradient_history import GradientHistory
from .graph import Sequential
from .layers import Dense
from .optimizers import SGD
from .train import fit
from .trainer import evaluate


class Parser(argparse.ArgumentParser):
    """A parser that says in one line what is wrong."""

    def error(self, message: str) -> NoReturn:
        """Print the line and leave with exit code 2."""
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code: 0, 1 when a check failed, 2 when the arguments or files are wrong."""
    parser = Parser(prog="minigraph", description="Backpropagation: explicit, checked, visible and fast.")
    parser.add_argument("--version", action="version", version=f"minigraph {version('minigraph')}")
    commands = parser.add_subparsers(dest="command", metavar="command", required=True, parser_class=Parser)
    command = commands.add_parser(
        "demo",
        help="learn handwritten digits, check the gradients, draw the network, its gradient flow, and a page",
        description="Train the book's network [784, 30, 10] on handwritten digits; write network.svg, "
        "gradient_flow.svg, history.csv and page.html, which steps through backpropagation.",
    )
    command.add_argument("--out", type=Path, default=Path("minigraph-demo"), help="folder to write to (minigraph-demo)")
    command.add_argument("--data", type=Path, help="folder with the four full MNIST files (else the embedded part)")
    command.add_argument("--epochs", type=_positive, default=20, help="passes over the training data (20)")
    given = parser.parse_args(argv)
    try:
        return demo(given.out, given.data, given.epochs)
    except (MinigraphError, OSError) as fault:
        print(f"minigraph {given.command}: {' '.join(str(fault).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nminigraph: interrupted", file=sys.stderr)
        return 130


def demo(out: Path, data: Path | None, epochs: int) -> int:
    """Learn digits, check and diagnose the gradients, draw; returns 0, or 1 when the check failed."""
    began = time.perf_counter()
    x_train, y_train, x_test, y_test = mnist(data)
    out.mkdir(parents=True, exist_ok=True)
    g = Sequential(784, Dense(30, "sigmoid"), Dense(10, "sigmoid"), cost=Quadratic(), name="digits", seed=0)
    print(f"{g}\n\n{len(x_train):,} digits to learn from, {len(x_test):,} to be tested on")

    train, test = {"x": x_train, "t": one_hot(y_train)}, {"x": x_test, "t": one_hot(y_test)}
    gradients = GradientHistory(every=-(-epochs * len(x_train) // 500))
    history = fit(g, train, epochs=epochs, batch_size=10, optimizer=SGD(lr=3.0), validation=test, watch=[gradients])
    print(f"accuracy on the test digits: {evaluate(g, test).accuracy:.2%}")

    batch = {name: rows[:10] for name, rows in test.items()}
    report = check(g, batch)
    print(f"gradients: {report}")

    run = g.forward(batch).backward()
    print(run.diagnose(lr=3.0))
    written = [
        g.draw(out / "network.svg"),
        run.draw(out / "gradient_flow.svg"),
        history.to_csv(out / "history.csv"),
        run.explore(out / "page.html", history=gradients),
    ]
    print(f"wrote {', '.join(map(str, written))} in {time.perf_counter() - began:.1f} s altogether")
    return 0 if report.ok else 1


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


_positive.__name__ = "positive whole number"  # argparse names the type so

if __name__ == "__main__":
    sys.exit(main())
