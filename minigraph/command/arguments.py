"""What the command line takes: commands, their options, and the help on them."""

from __future__ import annotations

import argparse
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

OWN_LAYERS = (
    "A file made with layers, activations or functions of your own names them, and holds no code: --import says which "
    "module registers them (mg.register). It is looked for in the current folder first, and is run: import what you "
    "trust."
)


class Parser(argparse.ArgumentParser):
    """A parser that says in one line what is wrong."""

    def error(self, message: str) -> NoReturn:
        """Print the line and leave with exit code 2."""
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def parser() -> Parser:
    """All commands."""
    whole = Parser(
        prog="minigraph",
        description="Backpropagation: explicit, checked, visible and fast.",
        epilog="Exit codes: 0 all is well, 1 a gradient is wrong, 2 arguments or files are. Messages go to stderr.",
    )
    whole.add_argument("--version", action="version", version=f"minigraph {version('minigraph')}")
    commands = whole.add_subparsers(dest="command", metavar="command", required=True, parser_class=Parser)
    _demo(commands)
    _draw(commands)
    _explore(commands)
    _check(commands)
    _summary(commands)
    return whole


def _demo(commands: argparse._SubParsersAction[Parser]) -> None:
    command = commands.add_parser(
        "demo",
        help="learn handwritten digits, check the gradients, draw the network, its gradient flow, and a page",
        description="Train the book's network [784, 30, 10] on handwritten digits; write network.svg, "
        "gradient_flow.svg, history.csv and page.html, which steps through backpropagation.",
    )
    command.add_argument(
        "--out", type=Path, metavar="DIR", default=Path("minigraph-demo"), help="folder to write to (minigraph-demo)"
    )
    command.add_argument(
        "--data", type=Path, metavar="DIR", help="folder with the four full MNIST files (else the embedded part)"
    )
    command.add_argument("--epochs", type=_positive, metavar="N", default=20, help="passes over the training data (20)")


def _draw(commands: argparse._SubParsersAction[Parser]) -> None:
    command = _about_a_model(
        commands,
        "draw",
        "draw the network in a file",
        "Draw a network that g.save wrote, or a checkpoint of mg.fit.",
    )
    command.add_argument(
        "-o",
        "--out",
        type=Path,
        metavar="FILE",
        help="drawing to write; its ending says the format: .svg .png .pdf .html .tikz .tex .dot .gv "
        "(MODEL with the ending .svg)",
    )
    command.add_argument("--style", choices=("light", "dark", "print"), default="light", help="colors (light)")
    _view(command)


def _explore(commands: argparse._SubParsersAction[Parser]) -> None:
    command = _about_a_model(
        commands,
        "explore",
        "write a page that steps through backpropagation with a file's weights",
        "Run a network forward and backward, and write one HTML file that steps through it with all numbers. A network "
        "without a cost is run forward.",
    )
    command.add_argument("-o", "--out", type=Path, metavar="FILE", help="page to write (MODEL with the ending .html)")
    _data(command)
    _view(command)


def _check(commands: argparse._SubParsersAction[Parser]) -> None:
    command = _about_a_model(
        commands,
        "check",
        "check every gradient of the network in a file",
        "Hold every backward against central differences of its own forward, then the whole network end to end, and "
        "print what was found. Exit code 1 where a gradient is wrong.",
    )
    _data(command)


def _summary(commands: argparse._SubParsersAction[Parser]) -> None:
    _about_a_model(
        commands,
        "summary",
        "print a table of the network in a file",
        "Print nodes, layers, shapes and numbers of parameters; of a checkpoint, also how far its training was.",
    )


def _about_a_model(commands: argparse._SubParsersAction[Parser], name: str, said: str, description: str) -> Parser:
    command: Parser = commands.add_parser(name, help=said, description=description, epilog=OWN_LAYERS)
    command.add_argument("model", type=Path, metavar="MODEL", help="safetensors file by g.save or mg.fit(checkpoint=…)")
    command.add_argument(
        "--import",
        dest="modules",
        action="append",
        default=[],
        metavar="MODULE",
        help="run a module of yours first, which registers your layers; may be given several times",
    )
    return command


def _data(command: Parser) -> None:
    command.add_argument(
        "--data",
        type=Path,
        metavar="FILE",
        help=".npz file with an array for each input, by its name (else made-up numbers: normal ones, and labels, "
        "indices and lengths as the network takes them)",
    )
    command.add_argument(
        "--examples", type=_positive, metavar="N", default=10, help="take the first N examples, or make up N (10)"
    )
    command.add_argument("--seed", type=_whole, metavar="N", default=0, help="decides the made-up numbers (0)")


def _view(command: Parser) -> None:
    command.add_argument("--fold", action="store_true", help="draw what is repeated once, marked ×N")
    command.add_argument("--depth", type=_whole, metavar="N", help="draw blocks that lie deeper as one box each")
    command.add_argument(
        "--detail", choices=("name", "shapes", "full", "symbols"), default="full", help="what a box says (full)"
    )
    command.add_argument(
        "--direction", choices=("right", "down", "left", "up"), help="where to (short networks right, deep ones down)"
    )


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _whole(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError
    return number


_positive.__name__ = "positive whole number"  # argparse names the type so
_whole.__name__ = "whole number of 0 or more"
