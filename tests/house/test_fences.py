"""What every file of the program keeps to, checked on its text and its tree."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowchat.transcript.entries import TYPES
from flowchat.transcript.events import DELTAS

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "flowchat").rglob("*.py"))
LINES_OF_A_FILE = 400
EVENTS = {kind.__name__ for kind in (*TYPES.values(), *DELTAS.values())}
TOP_LEVEL = {"flowchat", "tests", "themes", "pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE"}


def named(file: Path) -> str:
    return str(file.relative_to(ROOT))


@pytest.mark.parametrize("file", FILES, ids=named)
def test_a_file_opens_with_a_sentence_and_is_no_longer_than_a_few_screens(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    lines = text.count("\n")
    assert lines <= LINES_OF_A_FILE, f"{named(file)} has {lines} lines"
    if text:
        first = (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]
        assert first.endswith((".", ":", ";")), f"{named(file)} does not open with one sentence"


@pytest.mark.parametrize("file", FILES, ids=named)
def test_who_watches_events_says_what_becomes_of_each_kind(file: Path) -> None:
    """In the rooms that hear events, a `match` over their kinds ends in assert_never: a new kind does not pass unseen."""
    if file.parts[len(ROOT.parts) + 1] not in ("ui", "serve", "runtime"):
        return
    open_ended = [
        match.lineno for match in matches_over_events(ast.parse(file.read_text(encoding="utf-8"))) if not is_closed(match)
    ]
    assert open_ended == [], f"{named(file)}: the match in these lines does not end with `case _: assert_never(...)`"


def matches_over_events(tree: ast.AST) -> Iterator[ast.Match]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Match):
            classes = {
                ast.unparse(part.cls)
                for case in node.cases
                for part in ast.walk(case.pattern)
                if isinstance(part, ast.MatchClass)
            }
            if classes & EVENTS:
                yield node


def is_closed(match: ast.Match) -> bool:
    """A last `case _` that asserts, or none at all: then the type checker sees that nothing is left."""
    last = match.cases[-1]
    if not (isinstance(last.pattern, ast.MatchAs) and last.pattern.pattern is None and last.guard is None):
        return True
    return ast.unparse(last.body[-1]).startswith("assert_never(")


def test_only_agreed_things_lie_at_the_top() -> None:
    beside = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    assert beside - TOP_LEVEL - {"dist", "build"} == set()


@pytest.mark.parametrize("folder", [folder for folder in (ROOT / "flowchat").iterdir() if folder.is_dir()], ids=named)
def test_no_room_is_a_lumber_room(folder: Path) -> None:
    lumber = {"utils", "util", "helpers", "core", "common", "types", "misc", "manager", "handler", "service"}
    assert {path.stem for path in (folder, *folder.iterdir())} & lumber == set()


def test_nothing_names_this_machine_or_the_way_we_work() -> None:
    elsewhere = re.compile(
        r"/(?:work|home|root|Users)/|\.\./shared|(?<![\w.])(?:pypi\.org|files\.pythonhosted)|--index-url|--find-links"
    )
    texts = [path for path in ROOT.rglob("*") if path.is_file() and is_ours(path) and path != Path(__file__)]
    assert len(texts) > len(FILES)
    said = {named(path): elsewhere.findall(path.read_text(encoding="utf-8", errors="replace")) for path in texts}
    assert {name: found for name, found in said.items() if found} == {}


def is_ours(path: Path) -> bool:
    """Under version control, or about to be: not what tools leave behind."""
    top = path.relative_to(ROOT).parts[0]
    left_behind = (top.startswith(".") and top not in (".ci", ".gitignore")) or "__pycache__" in path.parts
    return not left_behind and (top in TOP_LEVEL or top.startswith("."))


def test_the_packages_with_stolen_keys_are_refused() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    [litellm] = [wanted for wanted in project["dependencies"] if wanted.startswith("litellm")]
    assert {"!=1.82.7", "!=1.82.8"} <= set(litellm.replace("litellm", "").split(","))


@pytest.mark.parametrize("name", ["run", "dev"])
def test_a_lock_file_is_exact_hashed_and_without_an_address(name: str) -> None:
    text = (ROOT / ".ci" / f"{name}.lock").read_text()
    wanted = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    assert [line for line in wanted if not re.match(r"[a-z0-9.-]+==\S+ (; .*)?\\$", line)] == []
    hashed = re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)[1:]
    assert [entry.split()[0] for entry in hashed if "--hash=sha256:" not in entry] == []
    assert re.findall(r"https?://|file:|index", text.replace("importlib", "")) == []


def test_what_runs_the_program_has_the_same_versions_where_the_tests_run() -> None:
    pins = {
        name: set(re.findall(r"^[a-z][a-z0-9.-]*==\S+", (ROOT / ".ci" / name).read_text(), re.MULTILINE))
        for name in ("run.lock", "dev.lock")
    }
    assert pins["run.lock"] - pins["dev.lock"] == set()


OFFENCES = {
    "Look downstairs only": ("flowchat/store/offence.py", "import flowchat.runtime"),
    "agent sees neither store nor config": ("flowchat/agent/offence.py", "import flowchat.config"),
    "widgets do not see the runtime": ("flowchat/ui/offence.py", "import flowchat.runtime"),
    "textual and rich only in ui": ("flowchat/serve/offence.py", "import rich"),
    "litellm and other wires only in model/provider": ("flowchat/model/offence.py", "import litellm"),
    "mcp nowhere yet": ("flowchat/tools/offence.py", "import mcp"),
    "fcntl only in store": ("flowchat/runtime/offence.py", "import fcntl"),
}


def test_every_fence_between_the_rooms_falls_when_it_is_crossed(tmp_path: Path) -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert {contract["name"] for contract in contracts} == set(OFFENCES)
    shutil.copytree(ROOT / "flowchat", tmp_path / "flowchat", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name, line in OFFENCES.values():
        (tmp_path / name).write_text(f'"""An offence."""\n\n{line}\n')
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [linter, "--no-cache"], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True
    )
    broken = set(re.findall(r"^(.+?) BROKEN", done.stdout, re.MULTILINE))
    assert (broken, done.returncode) == (set(OFFENCES), 1), done.stdout


@pytest.mark.parametrize("file", FILES, ids=named)
def test_no_pattern_is_possessive(file: Path) -> None:
    """Debian 12 has Python 3.11.2, where a possessive group may match nothing (cpython gh-106052): a loop over it never ends."""
    texts = [node.value for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.Constant)]
    assert [
        text for text in texts if isinstance(text, str) and re.search(r"[)\]}\w.][+*?]\+(?!\+)|\(\?>", text) and "(?" in text
    ] == []
