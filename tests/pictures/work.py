"""A piece of work in mode default, in tmux, in a clone of a real repository: how often must the person say yes?

    python tests/pictures/work.py /tmp/clone --test 'make test' --tested passed

The model edits three files, runs the tests and looks at it all with git; the real program, litellm over HTTP to server.py. Each
decision bar is counted and answered "this session"; more than two are a failure. The clone is put back. Exit code 0 or 1.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import server
from walk import READY, Fell, Screen, arguments, decide

PROMPTS = 2
FILES = 3
GIT = ("git status --short", "git diff --stat", "git log --oneline -3", "git diff | grep '^+' | wc -l", "git show --stat HEAD")
ASKED = "y once"


def scenario(edits: list[dict[str, str]], test: str) -> list[dict[str, Any]]:
    """What the model does when it is told to."""

    def says(text: str, *calls: tuple[str, dict[str, str]]) -> dict[str, Any]:
        return {"text": text, "calls": [{"name": name, "args": args} for name, args in calls], "rate": 0, "thinking": ""}

    steps = [
        says("First I read them.", *(("read_file", {"path": edit["path"]}) for edit in edits)),
        says("Now the three edits.", *(("edit_file", edit) for edit in edits)),
        says("Now the tests.", ("shell", {"command": test})),
        says("Now git.", *(("shell", {"command": command}) for command in GIT)),
        says("Once more, after a second thought.", ("shell", {"command": test})),
        says("END-OF-WORK"),
    ]
    return [{"match": "Do the work", "steps": steps}]


def edits_in(repository: Path) -> list[dict[str, str]]:
    """A line of each of three files that is there once, and what it becomes."""
    tracked = subprocess.run(["git", "-C", str(repository), "ls-files"], capture_output=True, text=True, check=True).stdout
    found: list[dict[str, str]] = []
    for path in sorted(tracked.split(), key=lambda path: (path.startswith("."), path)):
        file = repository / path
        lines = file.read_text(errors="replace").splitlines() if file.is_file() and not file.is_symlink() else []
        comments = [line for line in lines if line.startswith(("# ", '"""')) and lines.count(line) == 1 and len(line) < 60]
        if comments and all(comments[0] not in other for other in lines if other != comments[0]):
            found.append({"path": path, "old": comments[0], "new": f"{comments[0]} "})
    if len(found) < FILES:
        raise SystemExit(f"{repository} has no {FILES} files with a comment that is there once")
    return found[:FILES]


def work(screen: Screen, flowchat: str, tested: str) -> int:
    """Do it; gives how often was asked."""
    screen.say(f"clear; {flowchat}")
    screen.shows(READY, "default", name="starts in mode default")
    screen.say("Do the work.")
    asked = 0
    while ASKED in screen.until(lambda seen: ASKED in seen or ("END-OF-WORK" in seen and "Esc stop" not in seen), "decided"):
        asked += 1
        screen.shows(ASKED, name=f"asks, {asked}")
        decide(screen, "s")
        screen.until(lambda seen: ASKED not in seen, "decided")
    screen.shows("END-OF-WORK", "exit 0", name="has done the work")
    screen.press("C-o")
    screen.shows(tested, name="unfolds what was printed")
    screen.press("C-d")
    screen.shows("flowchat -r", "walk$")
    return asked


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("repository", type=Path)
    parser.add_argument("--test", default="make test", help="the command that runs the repository's tests")
    parser.add_argument("--tested", default="passed", help="a word its output has")
    given = parser.parse_args()
    repository: Path = given.repository.resolve()
    columns, rows = map(int, given.size.split("x"))
    if given.keep:
        given.keep.mkdir(parents=True, exist_ok=True)
    edits = edits_in(repository)
    before = {edit["path"]: (repository / edit["path"]).read_bytes() for edit in edits}
    try:
        with tempfile.TemporaryDirectory() as home, server.serving(scenario(edits, given.test)) as own:
            model = {"OPENAI_API_KEY": "none", "OPENAI_API_BASE": own.base, "FLOWCHAT_MODEL": "openai/walk"}
            with Screen(columns, rows, repository, {"FLOWCHAT_HOME": home, **model}, given.keep) as screen:
                asked = work(screen, given.flowchat, given.tested)
        changed = [path for path, text in before.items() if (repository / path).read_bytes() != text]
        print(f"asked {asked} times for {len(changed)} edits, 2 test runs and {len(GIT)} git commands")
        return 0 if asked <= PROMPTS and len(changed) == FILES else 1
    except Fell as fell:
        print(f"FELL: {fell}", file=sys.stderr)
        return 1
    finally:
        for path, text in before.items():
            (repository / path).write_bytes(text)


if __name__ == "__main__":
    sys.exit(main())
