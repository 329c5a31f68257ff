"""The benchmarks: one training step of each work, minigraph against everyone else.

    python tests/benchmarks/run.py [--rounds 40] [--only a,b] [--against hand,pytorch] [--json FILE] [--docs]
    python tests/benchmarks/run.py --profile a

Contestants start from the same weights, are compared after three steps, and take turns round by round, so that a
drifting machine hits all alike; figures are medians of times and medians of the rounds' ratios. Thread counts are left
as they are, but for PyTorch, which is tried with one and with all.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from pathlib import Path

import contest
import epoch as epochs
import machine
import report
import where
from works import WORKS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=40, help="rounds of each work; slow works take fewer")
    parser.add_argument("--only", default=",".join([*WORKS, "j"]), help="keys of works: a,b")
    parser.add_argument("--against", help="contestants: hand,pytorch; all, but no torch.compile in under 10 rounds")
    parser.add_argument("--json", type=Path, help="a file for all the times")
    parser.add_argument("--docs", action="store_true", help="write the table and the chart into docs/")
    parser.add_argument("--profile", metavar="KEYS", help="instead, say where minigraph's time goes in works a,b")
    given = parser.parse_args()
    warnings.filterwarnings("ignore", module="torch|jax|sklearn|autograd")
    keys = (given.profile or given.only).split(",")
    everyone = [name for name in contest.NAMES if name != "compile" or given.rounds >= 10]  # it compiles for minutes
    names = ["ours", *(name for name in (given.against or ",".join(everyone)).split(",") if name != "ours")]
    unknown = {*keys} - {*WORKS, "j"} | {*names} - {*contest.NAMES}
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}: works are {', '.join(WORKS)}, j; see --help")
    if given.profile:
        print("\n".join([*machine.described().values(), *(where.profile(WORKS[key]) for key in keys if key in WORKS)]))
        return
    say = lambda what: print(f"\r{what:60}", end="\r", file=sys.stderr, flush=True)  # noqa: E731
    results = []
    for key in keys:
        if key in WORKS:
            results.append(contest.hold(WORKS[key], given.rounds, names, say))
            print(report.line(results[-1]), flush=True)
    epoch = None
    if "j" in keys:
        say("j: epochs")
        epoch = epochs.measured(given.rounds)
    say("")
    about = machine.described()
    print(report.text(about, results, epoch))
    if given.json:
        given.json.write_text(json.dumps(report.record(about, results, epoch), indent=1))
    if given.docs:
        report.write(about, results, epoch)


if __name__ == "__main__":
    main()
