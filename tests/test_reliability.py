"""The page on reliability: all 54 rows are there, and the tests that it names exist."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "docs" / "reliability.md").read_text("utf-8")
ROWS = [re.split(r" \| ", line.strip("| ")) for line in re.findall(r"^\| \d.*\|$", PAGE, re.MULTILINE)]


@cache
def functions(file):
    """The names of the tests in a file."""
    tree = ast.parse(file.read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def test_each_failure_class_has_its_row():
    assert [int(number) for number, *_ in ROWS] == list(range(1, 55))
    assert all(len(row) == 3 and row[1] for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_each_row_says_what_is_done_and_names_tests_that_are_there(row):
    verdict = row[2]
    kinds = re.findall(r"\*\*(\w+)\*\*", verdict)
    assert kinds
    assert set(kinds) <= {"impossible", "tested", "documented"}
    named = re.findall(r"`(tests/[^`]*)`", verdict)
    assert named or "tested" not in kinds
    for name in named:
        file, _, test = name.partition("::")
        path = TESTS.parent / file
        assert path.is_file(), name
        found = functions(path)
        assert test in found if test else found, name


def test_tests_of_failure_classes_stand_in_their_rows():
    for test in functions(TESTS / "test_failure_classes.py"):
        row = ROWS[int(test.split("_")[1]) - 1]
        assert f"tests/test_failure_classes.py::{test}`" in row[2]
