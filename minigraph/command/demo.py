"""`minigraph demo`: handwritten digits, from training to pictures."""

from __future__ import annotations

import time
from argparse import Namespace

from ..check import check
from ..costs import Quadratic
from ..datasets import mnist, one_hot
from ..gradient_history import GradientHistory
from ..graph import Sequential
from ..layers import Dense
from ..optimizers import SGD
from ..train import fit
from ..trainer import evaluate


def run(given: Namespace) -> int:
    """Learn digits, check and diagnose the gradients, draw; returns 0, or 1 when the check failed."""
    began, out, epochs = time.perf_counter(), given.out, given.epochs
    x_train, y_train, x_test, y_test = mnist(given.data)
    out.mkdir(parents=True, exist_ok=True)
    g = Sequential(784, Dense(30, "sigmoid"), Dense(10, "sigmoid"), cost=Quadratic(), name="digits", seed=0)
    drawn = g.draw(out / "network.svg")  # first, as it needs Graphviz
    print(f"{g}\n\n{len(x_train):,} digits to learn from, {len(x_test):,} to be tested on")

    train, test = {"x": x_train, "t": one_hot(y_train)}, {"x": x_test, "t": one_hot(y_test)}
    gradients = GradientHistory(every=-(-epochs * len(x_train) // 500))
    history = fit(g, train, epochs=epochs, batch_size=10, optimizer=SGD(lr=3.0), validation=test, watch=[gradients])
    print(f"accuracy on the test digits: {evaluate(g, test).accuracy:.2%}")

    batch = {name: rows[:10] for name, rows in test.items()}
    report = check(g, batch)
    print(f"gradients: {report}")

    flow = g.forward(batch).backward()
    print(flow.diagnose(lr=3.0))
    written = [
        drawn,
        flow.draw(out / "gradient_flow.svg"),
        history.to_csv(out / "history.csv"),
        flow.explore(out / "page.html", history=gradients),
    ]
    print(f"wrote {', '.join(map(str, written))} in {time.perf_counter() - began:.1f} s altogether")
    print(f"open {out / 'page.html'} in a browser to step through backpropagation")
    return 0 if report.ok else 1
