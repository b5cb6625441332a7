"""Mode auto and background jobs, in tmux, in a clone of a real repository: what runs by itself, and what a reviewer is asked.

    python tests/pictures/alone.py /tmp/clone

The sandbox, which must be full, holds what it can; of what must leave it a reviewer model on server.py lets a call pass and stops
another. One job ends by itself, one by the user's key. Exit code 0 or 1.
"""

import json
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import server
from walk import READY, Fell, Screen, arguments

REVIEWS = {"fine.txt": (20, "A note where you keep notes."), "stolen.txt": (95, "It carries a file out of the project.")}
"""What the reviewer says of a call that names this: a risk and why."""


class Reviewed(server.ModelServer):
    """Answers the reviewer's requests too."""

    def step(self, body: server.Json) -> server.Json:
        if body.get("tools") or "review one tool call" not in str(body["messages"][0]["content"]):
            return super().step(body)
        call = json.dumps(json.loads(str(body["messages"][-1]["content"]))["call"])
        risk, reason = next(said for name, said in REVIEWS.items() if name in call)
        return {"text": json.dumps({"risk": risk, "reason": reason})}


def scenario(outside: Path) -> list[dict[str, Any]]:
    """What the model does when it is told to."""

    def says(text: str, *calls: dict[str, Any]) -> dict[str, Any]:
        return {"text": text, "calls": [{"name": "shell", "args": args} for args in calls], "rate": 0, "thinking": ""}

    fine, stolen = outside / "fine.txt", outside / "stolen.txt"
    return [
        {
            "match": "Work alone",
            "steps": [
                says("Two jobs.", *({"command": job, "background": True} for job in ("sleep 4; echo BUILT", "sleep 600"))),
                says("Within the project.", {"command": "git status --short; ls | wc -l"}),
                says("A note outside of it.", {"command": f"echo noted > {shlex.quote(str(fine))}"}),
                says("And a copy.", {"command": f"cp README.md {shlex.quote(str(stolen))}"}),
                says("END-OF-WORK"),
            ],
        }
    ]


def alone(screen: Screen, flowchat: str) -> None:
    """Walk through it."""
    screen.say(f"clear; {flowchat} --permission-mode auto")
    screen.shows(READY, "auto", name="starts in mode auto")
    screen.say("Work alone.")
    screen.shows("END-OF-WORK", "Auto mode denied", without=("Esc stop", "y once"), name="has worked alone")
    screen.press("C-o")
    screen.shows("carries a file out of", name="unfolded")
    screen.shows("BUILT", "Job 1 (sleep 4; echo BUILT) ended", name="a job has ended")
    screen.say("/jobs")
    screen.shows("sleep 600", "running", name="the jobs")
    screen.press("Up", "Enter")
    screen.shows("BUILT", name="what the first printed")
    screen.press("Escape", "Down", "k")
    screen.until(lambda seen: "running" not in seen, "ended by the user")
    screen.shows("stopped by the user", name="the second is ended")
    screen.press("Escape")
    screen.shows("stopped by the user", READY)
    screen.say("/permissions")
    screen.shows("No rules yet", "auto mode")
    screen.press("n")
    screen.write("shell(git push:*)")
    screen.press("Tab", "Tab")
    screen.shows("deny shell(git push:*)", name="a rule is written")
    screen.press("Enter")
    screen.shows("denies commands that begin with git push", "Written to", name="the rules")
    screen.press("Escape", "C-d")
    screen.shows("flowchat -r", "walk$")


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("repository", type=Path)
    given = parser.parse_args()
    columns, rows = map(int, given.size.split("x"))
    if given.keep:
        given.keep.mkdir(parents=True, exist_ok=True)
    home = tempfile.mkdtemp(dir="/var/tmp")
    outside = Path(tempfile.mkdtemp(dir="/var/tmp")).resolve()
    environment = {"FLOWCHAT_HOME": home, "OPENAI_API_KEY": "none", "FLOWCHAT_MODEL": "openai/walk"}
    try:
        with server.serving(scenario(outside), make=Reviewed) as own:
            environment["OPENAI_API_BASE"] = own.base
            with Screen(columns, rows, given.repository.resolve(), environment, given.keep) as screen:
                alone(screen, given.flowchat)
        left = sorted(path.name for path in outside.iterdir())
        print(f"outside the project stand {left}")
        return 0 if left == ["fine.txt"] else 1
    except Fell as fell:
        print(f"FELL: {fell}", file=sys.stderr)
        return 1
    finally:
        subprocess.run(["rm", "-rf", home, str(outside)], check=True)


if __name__ == "__main__":
    sys.exit(main())
