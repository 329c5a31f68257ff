"""The workflow and the forms of the code host: they parse, and name commands, paths and versions that are real."""

import re
from importlib.metadata import metadata
from pathlib import Path

import pytest

from minigraph.command.arguments import parser

yaml = pytest.importorskip("yaml", reason="PyYAML, which myst-parser of the extra docs brings, is not installed")

ROOT = Path(__file__).parents[1]
HOST = ROOT / ".github"
if not HOST.is_dir():
    pytest.skip("the sdist has no .github", allow_module_level=True)
FORMS = sorted(path.stem for path in (HOST / "ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config")


def read(path):
    return yaml.safe_load((HOST / path).read_text(encoding="utf-8"))


def texts(node):
    """All texts in a parsed file."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, (dict, list)):
        for part in node.values() if isinstance(node, dict) else node:
            yield from texts(part)


@pytest.fixture(scope="module")
def jobs():
    return read("workflows/ci.yml")["jobs"]


def test_every_python_that_is_declared_is_tested_on_every_system(jobs):
    matrix = jobs["suite"]["strategy"]["matrix"]
    assert {system.partition("-")[0] for system in matrix["os"]} == {"ubuntu", "macos", "windows"}
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'requires-python = ">={matrix["python"][0]}"' in project
    named = re.findall(r"Programming Language :: Python :: (3\.\d+)", project)
    assert named == matrix["python"]
    assert all(isinstance(version, str) for version in matrix["python"])  # 3.10 unquoted is 3.1


def test_actions_are_pinned_by_their_major_version(jobs):
    used = [step["uses"] for job in jobs.values() for step in job["steps"] if "uses" in step]
    assert used
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", one) for one in used)


def test_steps_run_what_is_there(jobs):
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    extras = {name for command in commands for name in re.findall(r"'\.\[(\w+)\]'", command)}
    assert extras <= set(metadata("minigraph").get_all("Provides-Extra"))
    assert "test" in extras
    assert ".ci/run" in commands
    assert (ROOT / ".ci" / "run").is_file()
    paths = re.findall(r"\$GITHUB_WORKSPACE/([\w./]+)", " ".join(commands))
    assert "tests/smoke.py" in paths
    assert all((ROOT / path).is_file() for path in paths)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    tested = next(command for command in commands if "pytest" in command)
    assert tested.removeprefix("python ") in readme
    demo = next(command for command in commands if command.startswith("minigraph "))
    assert parser().parse_args(demo.replace('"', "").split()[1:]).command == "demo"


@pytest.mark.parametrize("name", FORMS)
def test_forms_are_forms(name):
    form = read(f"ISSUE_TEMPLATE/{name}.yml")
    assert {"name", "description", "body"} <= set(form)
    asked = [part for part in form["body"] if part["type"] != "markdown"]
    assert {part["type"] for part in asked} <= {"textarea", "input", "dropdown"}
    assert all(part["attributes"]["label"] for part in asked)
    ids = [part["id"] for part in asked]
    assert len(set(ids)) == len(ids)
    assert any(part.get("validations", {}).get("required") for part in asked)


def test_commands_named_in_forms_are_real():
    said = [text for name in FORMS for text in texts(read(f"ISSUE_TEMPLATE/{name}.yml"))]
    said.append((HOST / "PULL_REQUEST_TEMPLATE.md").read_text(encoding="utf-8"))
    commands = {found for text in said for found in re.findall(r"`minigraph (\S+?)[` ]", text)}
    assert {"--version", "summary", "check"} <= commands
    known = parser().format_help()
    assert all(re.search(rf"(?m)^ +{re.escape(command)}\b", known) for command in commands)
    paths = {found for text in said for found in re.findall(r"`((?:tests|docs|\.ci)/[\w./]*)`", text)}
    assert {".ci/run", "tests/cases/", "docs/changelog.md"} <= paths
    assert all((ROOT / path).exists() for path in paths)
