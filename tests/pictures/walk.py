"""A person's walk through the real program, in tmux, in a clone of a real repository; every step asserts words on the screen.

    git clone --depth 1 REPOSITORY /tmp/clone
    python tests/pictures/walk.py /tmp/clone --test 'make test' --tested passed

The real program, litellm over HTTP to server.py. More of it:
    --size 80x24 --keep FOLDER   in a smaller terminal, each screen kept as text
    --headless                   the same as stream-json
    --demo                       the first steps with the demo model and no network (unshare)
    --scenario FILE              only writes what the model is to say, for another server that reads the same,
    --base URL                   with which the walk is then walked

The clone's readme is changed on the way and put back. Exit code 0, or 1 with the screen that was not as it should be.
"""

import argparse
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import server

WAIT_SECONDS = 30
LOOK_SECONDS = 0.05
IMPATIENT_SECONDS = 0.4
BAR_SECONDS = 0.5
"""A decision counts only this long after the bar appeared."""
READY = "Write a message"
OVERVIEW = "# What this is\n\n" + "".join(
    f"## Part {n}\n\nPart {n} does **one** thing, `part_{n}` its name.\n\n- first it reads\n- then it writes\n\n"
    for n in range(1, 9)
)
TABLE = "| step | what |\n|---|---|\n| 1 | read |\n| 2 | write |\n\n"
CODE = "```python\ndef walk() -> None:\n    return None  # done\n```\n\n"


class Fell(Exception):
    """The screen is not as it should be."""


@dataclass(frozen=True)
class Plan:
    """What is walked through: a file of the repository, a line of it, and how its tests are run and what they print."""

    repository: Path
    readme: str
    line: str
    pattern: str
    test: str
    tested: str

    def scenario(self) -> list[dict[str, Any]]:
        """What the model says, for server.py and for servers that read the same."""
        edit = {"path": self.readme, "old": self.line, "new": f"{self.line} (walked)"}
        reading = [_call("read_file", path=self.readme), _call("grep", pattern=self.pattern)]
        slow = " ".join(f"word{n}" for n in range(400))
        return [
            _rule("overview", _says(f"{OVERVIEW}{TABLE}{CODE}END-OF-OVERVIEW", rate=120)),
            _rule(
                "Read the readme",
                _says("I look at both.", reading, thinking="Two things can be looked up at once."),
                _says("END-OF-READING: it says what it is."),
            ),
            _rule("Mark the title", _says("", [_call("edit_file", **edit)]), _says("END-OF-EDIT: marked.")),
            _rule("Run the tests", _says("Now the tests.", [_call("shell", command=self.test)]), _says("END-OF-TESTS.")),
            _rule("Look around", _says("Looking around. " + slow[:500], [_call("list_dir")], 25), _says("END-UNSTEERED")),
            _rule("only the docs", _says("END-OF-STEER: only the docs, then.")),
            _rule("Count to many", _says("Counting: " + slow[:600] + " END-OF-COUNTING", rate=25)),
            _rule("Say goodbye", _says("END-OF-QUEUE: goodbye.")),
            _rule("Talk for long", _says("It began: " + slow, rate=15)),
            _rule("Say it in one word", _says("END-OF-EDITED: walk.")),
            _rule("Where were we", _says("END-OF-RESUMED: at the end of the walk.")),
        ]


def _rule(match: str, *steps: dict[str, Any]) -> dict[str, Any]:
    return {"match": match, "steps": list(steps)}


def _says(text: str, calls: Sequence[dict[str, Any]] = (), rate: int = 0, thinking: str = "") -> dict[str, Any]:
    return {"text": text, "calls": list(calls), "rate": rate, "thinking": thinking}


def _call(name: str, **args: Any) -> dict[str, Any]:
    return {"name": name, "args": args}


def arguments(about: str | None) -> argparse.ArgumentParser:
    """What each walk takes: how large the terminal is, which program, and where its screens are kept."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="120x40")
    parser.add_argument("--flowchat", default=str(Path(sys.executable).with_name("flowchat")))
    parser.add_argument("--keep", type=Path)
    return parser


@dataclass
class Screen:
    """A terminal of tmux with a shell in it."""

    columns: int
    rows: int
    folder: Path
    environment: dict[str, str]
    keep: Path | None = None
    kept: int = 0
    tmux: list[str] = field(default_factory=lambda: ["tmux", "-L", f"walk{os.getpid()}", "-f", "/dev/null"])

    def __enter__(self) -> "Screen":
        given = [f"{name}={value}" for name, value in self.environment.items()]
        size = ["-x", str(self.columns), "-y", str(self.rows)]
        self._do("new-session", "-d", *size, "-c", str(self.folder), "env", *given, "PS1=walk$ ", "bash", "--norc", "--noprofile")
        self.shows("walk$")
        return self

    def __exit__(self, *_: object) -> None:
        self._do("kill-server")

    def look(self) -> str:
        return self._do("capture-pane", "-p")

    def write(self, text: str) -> None:
        self._do("send-keys", "-l", "--", text)

    def press(self, *keys: str) -> None:
        """Keys by tmux's names, each a read of its own: Enter in one burst with text is a new line."""
        for key in keys:
            time.sleep(LOOK_SECONDS)
            self._do("send-keys", key)

    def press_after_a_moment(self, *keys: str) -> None:
        """As a hand does; an Enter right behind another asks for nothing."""
        time.sleep(IMPATIENT_SECONDS)
        self.press(*keys)

    def say(self, text: str) -> None:
        """Write a line and send it; in few columns it is seen on two rows."""
        self.write(text)
        self.until(lambda seen: text[-20:] in seen or text[-20:] in seen.replace("\n", ""), f"{text[-20:]!r}")
        self.press("Enter")

    def shows(self, *words: str, without: tuple[str, ...] = (), name: str = "") -> str:
        """Wait until all the words are on the screen and none of `without` is; gives it."""

        def fits(seen: str) -> bool:
            return all(word in seen for word in words) and not any(word in seen for word in without)

        seen = self.until(fits, f"{words} without {without}")
        if name:
            print(f"  {name}")
            if self.keep is not None:
                self.kept += 1
                (self.keep / f"{self.kept:02}-{re.sub(r'[^a-z0-9]+', '-', name.lower())}.txt").write_text(seen)
        return seen

    def until(self, fits: Callable[[str], bool], what: str) -> str:
        end = time.monotonic() + WAIT_SECONDS
        while not fits(seen := self.look()):
            if time.monotonic() > end:
                raise Fell(f"after {WAIT_SECONDS} s still not {what}; the screen:\n{seen}")
            time.sleep(LOOK_SECONDS)
        return seen

    def _do(self, *words: str) -> str:
        return subprocess.run([*self.tmux, *words], capture_output=True, text=True, check=True).stdout


def walk(screen: Screen, plan: Plan, flowchat: str) -> None:
    """The whole walk."""
    screen.say(f"clear; {flowchat}")
    screen.shows(READY, "flowchat", name="starts")
    screen.say("Give me an overview.")
    early = screen.shows("Part 1", "Esc stop", name="streams")
    screen.until(lambda seen: seen != early and "Esc stop" in seen, "streaming on")
    screen.shows("END-OF-OVERVIEW", without=("Esc stop",), name="has streamed")

    screen.say("Read the readme, and grep.")
    screen.shows("END-OF-READING", "thought", "read", "grep", "match", without=("Esc stop",), name="has read and searched")

    screen.say("Mark the title.")
    screen.shows("(walked)", "y once", "n no", name="asks before the edit")
    decide(screen, "y")
    screen.shows("END-OF-EDIT", "edit", "+1", without=("Esc stop", "y once"), name="has edited")
    marked(plan, True)

    screen.say("Run the tests.")
    screen.shows("Run this command?", plan.test[:20], "y once", name="asks before the tests")
    decide(screen, "y")
    screen.shows("END-OF-TESTS", "exit 0", without=("Esc stop",), name="has run the tests")
    screen.press("C-o")
    screen.shows(plan.tested, name="unfolds what they printed")
    screen.press("C-o")

    screen.say("Look around.")
    screen.shows("Looking around", "Esc stop")
    screen.say("No: only the docs.")
    screen.shows("1 queued", "only the docs", name="queues while it runs")
    screen.press_after_a_moment("Enter")
    screen.shows("END-OF-STEER", without=("Esc stop", "END-UNSTEERED", "queued"), name="was steered")

    screen.say("Count to many.")
    screen.shows("Counting:", "Esc stop")
    screen.say("Say goodbye.")
    screen.shows("1 queued", name="has a message in the queue")
    screen.shows("END-OF-COUNTING", "END-OF-QUEUE", without=("Esc stop", "queued"), name="has answered the queue")

    screen.say("Talk for long.")
    screen.shows("It began: word0 word1", "Esc stop")
    screen.press("Escape")
    screen.shows("It began", "interrupted", without=("Esc stop",), name="was interrupted")

    screen.press("Escape", "Escape")
    screen.shows("Talk for long.", "Enter", name="offers earlier messages")
    screen.press("Enter")
    screen.shows("Editing message", "Talk for long.", name="has it in the composer")
    screen.press("C-u")
    screen.say("Say it in one word.")
    screen.shows("END-OF-EDITED", without=("Esc stop", "interrupted"), name="has an edited message")

    screen.say("/compact keep the names")
    screen.shows("Fold ", "tokens", "Enter fold", "p pin the line", name="shows the summary before it counts")
    screen.press_after_a_moment("Enter")
    screen.shows("compacted", without=("Esc stop", "END-OF-EDITED"), name="has compacted")
    screen.press("C-Up", "k", "Enter")
    screen.shows("compacted", "END-OF-EDITED", name="unfolds what it covers")
    screen.press("Enter", "Escape")
    screen.shows("compacted", without=("END-OF-EDITED", "▌"), name="folds it again")
    screen.say("/compact undo")
    screen.shows("compaction undone", "END-OF-EDITED", name="undoes the compaction")
    screen.say("/compact redo")
    screen.shows("compacted", "compaction restored", without=("END-OF-EDITED",), name="makes it again")

    screen.say("/quit")
    told = screen.shows("flowchat -r", "walk$", name="leaves and says how to go on")
    if READY in told:
        raise Fell(f"the screen was left behind:\n{told}")
    screen.say(f"clear; {flowchat} -c")
    screen.shows("compacted", READY, without=("END-OF-EDITED",), name="resumes")
    screen.say("Where were we?")
    screen.shows("END-OF-RESUMED", without=("Esc stop",), name="goes on")
    screen.press("C-d")
    screen.shows("flowchat -r", "walk$")
    screen.say("echo the shell is well")
    screen.shows("\nthe shell is well", name="leaves a terminal as it was")


def decide(screen: Screen, key: str) -> None:
    time.sleep(BAR_SECONDS)
    screen.press(key)


def marked(plan: Plan, wanted: bool) -> None:
    text = (plan.repository / plan.readme).read_text()
    if (f"{plan.line} (walked)" in text) is not wanted:
        raise Fell(f"{plan.readme} was {'not ' if wanted else ''}edited")


def demo(screen: Screen, plan: Plan, flowchat: str) -> None:
    """The first minutes of somebody without a model and without a network."""
    screen.say(f"clear; unshare --user --map-root-user --net {flowchat}")
    screen.shows(READY, "demo", name="starts without a network")
    screen.say("list .")
    screen.shows("Demo model", "list", "entries", without=("Esc stop",), name="lists")
    screen.say(f"read {plan.readme}")
    screen.shows("read", plan.readme, without=("Esc stop",), name="reads")
    screen.say("run echo wal''ked; touch walked")
    screen.shows("Run this command?", "y once", name="asks")
    decide(screen, "y")
    screen.shows("walked", without=("Esc stop",), name="runs")
    screen.say("run rm -r .")
    screen.shows("Run this command?", "rm -r .")
    decide(screen, "n")
    screen.shows("denied", without=("Esc stop",), name="denies")
    screen.say("long")
    screen.shows("Esc stop", name="streams")
    screen.press("Escape")
    screen.shows("interrupted", without=("Esc stop",), name="was interrupted")
    screen.press("C-c", "C-c")
    screen.shows("flowchat -r", "walk$", name="leaves")


def headless(plan: Plan, flowchat: str, environment: dict[str, str]) -> None:
    """The walk as stream-json: what can be done when nobody is there to ask."""
    allowed = ["--allow", f"edit_file({plan.readme})", "--allow", f"shell({plan.test})"]

    def ask(text: str, *more: str, code: int = 0, stop_at: str = "") -> list[dict[str, Any]]:
        command = [*shlex.split(flowchat), "-p", text, "--output-format", "stream-json", *more]
        whole = {**os.environ, **environment}
        pipes = {"stdout": subprocess.PIPE, "stdin": subprocess.DEVNULL}
        process = subprocess.Popen(command, cwd=plan.repository, env=whole, text=True, **pipes)
        lines: list[dict[str, Any]] = []
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(json.loads(line))
            if stop_at and lines[-1]["type"] == stop_at:
                process.send_signal(signal.SIGINT)
                stop_at = ""
        numbered = [line["i"] for line in lines] == list(range(1, len(lines) + 1))
        if process.wait() != code or not numbered or lines[-1]["type"] != "result":
            raise Fell(f"{text!r} ended {process.returncode} with\n" + "\n".join(map(json.dumps, lines[-5:])))
        print(f"  {text} {len(lines)} lines, {lines[-1]['outcome']}")
        return lines

    def shown(lines: list[dict[str, Any]], *words: str) -> None:
        text = json.dumps(lines)
        if missing := [word for word in words if word not in text]:
            raise Fell(f"{missing} is not in\n{text[-4000:]}")

    shown(ask("Give me an overview."), "END-OF-OVERVIEW", '"text"', '"run_ended"')
    shown(ask("Read the readme, and grep.", "-c"), "END-OF-READING", "read_file", "grep", "tool_answered", "thinking")
    shown(ask("Mark the title.", "-c"), "END-OF-EDIT", "denied")
    marked(plan, False)
    shown(ask("Mark the title.", "-c", *allowed), "END-OF-EDIT", "edit_file")
    marked(plan, True)
    shown(ask("Run the tests.", "-c", *allowed), "END-OF-TESTS", plan.tested)
    shown(ask("Talk for long.", "-c", stop_at="text", code=130), "interrupted")
    settings = Path(environment["FLOWCHAT_HOME"]) / "config" / "config.toml"
    settings.write_text("compact = { soft_percent = 5, hard_percent = 9 }\n")
    shown(ask("Say it in one word.", "-c"), "END-OF-EDITED", '"compacted"')
    shown(ask("Where were we?", "-c"), "END-OF-RESUMED")


def main() -> int:
    given = _arguments()
    repository: Path = given.repository.resolve()
    plan = Plan(repository, *_readme_line(repository), given.pattern, given.test, given.tested)
    if given.scenario:
        given.scenario.write_text(json.dumps(plan.scenario(), indent=1))
        return 0
    home = Path(tempfile.mkdtemp(prefix="walk-"))
    (home / "config").mkdir()
    columns, rows = map(int, given.size.split("x"))
    if given.keep:
        given.keep.mkdir(parents=True, exist_ok=True)
    before = (repository / plan.readme).read_bytes()
    try:
        with server.serving(plan.scenario()) as own:
            model = {"OPENAI_API_KEY": "none", "OPENAI_API_BASE": given.base or own.base, "FLOWCHAT_MODEL": "openai/walk"}
            environment = {"FLOWCHAT_HOME": str(home), **({} if given.demo else model)}
            if given.headless:
                headless(plan, given.flowchat, environment)
            else:
                with Screen(columns, rows, repository, environment, given.keep) as screen:
                    (demo if given.demo else walk)(screen, plan, given.flowchat)
    except Fell as fell:
        print(f"FELL: {fell}", file=sys.stderr)
        return 1
    finally:
        (repository / plan.readme).write_bytes(before)
        shutil.rmtree(home)
    print("walked to the end")
    return 0


def _arguments() -> argparse.Namespace:
    parser = arguments(__doc__)
    parser.add_argument("repository", type=Path)
    parser.add_argument("--test", default="make test", help="the command that runs the repository's tests")
    parser.add_argument("--tested", default="passed", help="a word its output has")
    parser.add_argument("--pattern", default=r"^(def|class|func|fn|function) ", help="what is searched for")
    parser.add_argument("--base", default="", help="another server that plays the scenario")
    parser.add_argument("--scenario", type=Path)
    parser.add_argument("--headless", action="store_true")
    parser.add_argument("--demo", action="store_true")
    return parser.parse_args()


def _readme_line(repository: Path) -> tuple[str, str]:
    """A readme of the repository, and its first line that is there once and short enough to be seen whole."""
    for path in sorted(repository.iterdir()):
        if path.is_file() and path.name.lower().startswith("readme"):
            lines = path.read_text().splitlines()
            for line in lines:
                if 4 <= len(line) <= 50 and sum(line in other for other in lines) == 1:
                    return path.name, line
    raise SystemExit(f"{repository} has no readme with a short line")


if __name__ == "__main__":
    sys.exit(main())
