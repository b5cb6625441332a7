"""A session that grows to its limit, in tmux, in a clone of a real repository: meter, map, compaction, undone and redone.

    python tests/pictures/grow.py /tmp/clone --size 120x40 --keep FOLDER

The real program, litellm over HTTP to server.py, a window of 14,000 tokens. Exit code 0, or 1 with the screen that was not so.
"""

import re
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import server
from walk import READY, Fell, Screen, arguments

WINDOW = 14_000
TURNS = 12
ROOMY_ROWS = 18
"""On a lower screen a list is seen in two looks."""
LONG = "".join(f"Line {line} of what is told at length, so that the conversation grows.\n\n" for line in range(80))


def scenario() -> list[dict[str, Any]]:
    """Turn n lists the folder and tells at length."""

    def says(text: str, *calls: tuple[str, dict[str, str]]) -> dict[str, Any]:
        return {"text": text, "calls": [{"name": name, "args": args} for name, args in calls], "rate": 0, "thinking": ""}

    return [
        {
            "match": f"Tell me of part {turn:02}",
            "steps": [says("I look.", ("list_dir", {"path": "."})), says(f"{LONG}END-OF-PART-{turn:02}")],
        }
        for turn in range(1, TURNS + 1)
    ]


def folded(seen: str) -> str:
    """What stands above the line of the checkpoint: how much of the conversation that is depends on the repository."""
    above, line, _ = seen.partition("⤒ compacted")
    return above.rpartition("\n")[0].strip() if line else ""


def percent(seen: str) -> int:
    """What the meter says."""
    found = re.findall(r"(\d+) %", seen.splitlines()[-1])
    return int(found[0]) if found else 0


def seen_in_map(screen: Screen, words: str, name: str) -> None:
    """From its first row to the one of these words; on a low screen that is its other end."""
    if screen.rows >= ROOMY_ROWS:
        screen.shows("Context", "tool schemas", words, name=name)
        return
    screen.shows("Context", "tool schemas", "every request")
    screen.press("End")
    screen.shows("Context", words, "the model said it", name=name)


def grow(screen: Screen, flowchat: str) -> None:
    screen.say(f"clear; {flowchat}")
    screen.shows(READY, name="starts")
    before = 0
    for turn in range(1, TURNS + 1):
        screen.say(f"Tell me of part {turn:02}")
        seen = screen.shows(f"END-OF-PART-{turn:02}", without=("Esc stop",))
        print(f"  turn {turn}: the meter says {percent(seen)} %")
        if "compacted" in seen or percent(seen) < before:
            break
        before = percent(seen)
        if turn in (1, 3):
            screen.say("/context")
            seen_in_map(screen, f"part {turn:02}", f"maps the context after turn {turn}")
            screen.press("Escape")
            screen.shows(READY)
    else:
        raise Fell(f"{TURNS} turns, and nothing was compacted; the screen:\n{screen.look()}")
    screen.shows(READY, name="compacts by itself")
    screen.say("/context")
    screen.shows("⤒ summary", name="maps what the checkpoint stands for")
    screen.press("Escape")
    screen.shows(READY)
    screen.press("C-Up")
    for _ in range(20):
        if any(row.startswith("▌") and "compacted" in row for row in screen.look().splitlines()):
            break
        screen.press_after_a_moment("k")
    screen.press("Enter")
    screen.until(lambda seen: "▾" in seen and bool(folded(seen)), "the folded part")
    screen.shows("compacted", "▾", name="unfolds the checkpoint")
    screen.press("Enter")
    screen.until(lambda seen: "▸" in seen and not folded(seen), "nothing of the folded part")
    screen.shows("compacted", name="folds it again")
    screen.press("Escape")
    screen.shows(READY, without=("▌",))
    screen.say("/compact undo")
    screen.until(lambda seen: percent(seen) > before, "as full as before")
    undone = screen.shows(READY, name="undoes it")
    print(f"  undone: the meter says {percent(undone)} %")
    screen.say("/compact redo")
    screen.until(lambda seen: percent(seen) < before, "compacted again")
    redone = screen.shows(READY, name="makes it again")
    print(f"  redone: the meter says {percent(redone)} %")
    screen.say("/cache")
    screen.shows("Cache", name="shows what the provider's cache kept")
    screen.press("Escape")
    screen.shows(READY)
    screen.say("/cost")
    screen.shows("Cost", name="shows the cost")
    screen.press("Escape")
    screen.press("C-d")
    screen.shows("flowchat -r", "walk$")


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("repository", type=Path)
    given = parser.parse_args()
    columns, rows = map(int, given.size.split("x"))
    if given.keep:
        given.keep.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory() as home, server.serving(scenario()) as own:
            config = Path(home) / "config"
            config.mkdir()
            (config / "config.toml").write_text(f'[models."openai/walk"]\nwindow = {WINDOW}\nmax_output = 2000\n')
            model = {"OPENAI_API_KEY": "none", "OPENAI_API_BASE": own.base, "FLOWCHAT_MODEL": "openai/walk"}
            with Screen(columns, rows, given.repository.resolve(), {"FLOWCHAT_HOME": home, **model}, given.keep) as screen:
                grow(screen, given.flowchat)
    except Fell as fell:
        print(f"FELL: {fell}", file=sys.stderr)
        return 1
    print("grown to the end")
    return 0


if __name__ == "__main__":
    sys.exit(main())
