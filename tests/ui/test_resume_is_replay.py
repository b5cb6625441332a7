"""What was heard live is what a fresh process shows on resuming: every row of the pane, in text and style."""

import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from flowchat.config import Limits, Settings
from flowchat.model.model import AuthFailed, Overloaded
from flowchat.model.scripted import ScriptedModel, Step, fails, says, waits
from flowchat.runtime.session import Session
from flowchat.ui.app import FlowchatApp
from flowchat.ui.panes import Panes
from tests.desk import HandClock
from tests.staging import FACTS, app_on, pane_rows, session_of, until, workspace_at

ROOT = Path(__file__).parents[2]
READ, LIST, GREP = ("read_file", {"path": "a.txt"}), ("list_dir", {}), ("grep", {"pattern": "a"})
MARKDOWN = """# Findings

The rounding happens **per line**, see `total.py` and [the manual](http://127.0.0.1/doc).

| field | before | after |
|---|---:|---|
| net | 812 | exact |

1. first
   - nested *point*
2. second

> quoted words

```python
def total(lines):
    return sum(line.net for line in lines)  # exact
```
"""


@dataclass
class Stage:
    app: FlowchatApp
    pilot: object
    session: Session
    clock: HandClock

    async def say(self, text: str) -> None:
        await self.session.send(text)
        await self.rest()

    async def rest(self) -> None:
        await self.clock.hurry(self.session.idle())
        await self.pilot.pause()

    async def ask(self) -> None:
        await until(self.app, self.pilot, lambda: self.session.approval is not None)


Play = Callable[[Stage], Awaitable[None]]


@dataclass(frozen=True)
class Run:
    """One scripted conversation: the model's steps, what is done, and words that must be on the screen."""

    script: tuple[Step, ...]
    play: Play
    literal: str
    compact: tuple[Step, ...] = ()
    steps: int = 200


async def one_turn(stage: Stage) -> None:
    await stage.say("Please look.")


async def two_turns(stage: Stage) -> None:
    await stage.say("First.")
    await stage.say("Second.")


def interrupted_at(hold: object) -> Play:
    async def play(stage: Stage) -> None:
        await stage.session.send("Please look.")
        await hold.reached.wait()
        await stage.session.interrupt()
        await stage.rest()

    return play


async def denied(stage: Stage) -> None:
    await stage.session.send("Write it.")
    await stage.ask()
    stage.session.decide(stage.session.approval.call, "deny", "not in this folder")
    await stage.rest()


async def allowed(stage: Stage) -> None:
    await stage.session.send("Run it.")
    await stage.ask()
    stage.session.decide(stage.session.approval.call, "once")
    await stage.rest()


async def compacted(stage: Stage) -> None:
    await two_turns(stage)
    await stage.session.compact()
    await stage.say("Third.")


async def compacted_twice(stage: Stage) -> None:
    await compacted(stage)
    await stage.session.compact()
    await stage.say("Fourth.")


async def undone_and_redone(stage: Stage) -> None:
    await compacted(stage)
    await stage.session.folding.undo()
    await stage.session.folding.redo()
    await stage.say("Fourth.")


async def compacted_on_another_branch(stage: Stage) -> None:
    """A message behind what is folded is sent again: the checkpoint holds there, too."""
    await compacted(stage)
    await stage.session.edit(stage.session.user_messages()[-1].seq, "Third, but other.", "resend")
    await stage.rest()


async def compacted_and_edited(stage: Stage) -> None:
    """A message in what is folded reads otherwise: the checkpoint holds no more."""
    await compacted(stage)
    await stage.session.edit(stage.session.user_messages()[0].seq, "First, laid over.", "save")
    stage.app.get_default_screen().query_one(Panes).replay(stage.session.replay())
    await stage.pilot.pause()


async def compacted_by_itself(stage: Stage) -> None:
    for number in range(6):
        await stage.say(f"Message {number}: " + "word " * 1_200)


async def branched(stage: Stage) -> None:
    await two_turns(stage)
    first = stage.session.user_messages()[0].seq
    await stage.session.edit(first, "First, but other.", "resend")
    await stage.rest()
    await stage.session.walk_to(first)
    other = stage.session.user_messages()[0].seq
    assert other == first
    await stage.session.edit(stage.session.user_messages()[1].seq, "Second, laid over.", "save")
    await stage.pilot.pause()


WRITE = ("write_file", {"path": "n.txt", "content": "x"})
FLOOD = ("shell", {"command": "for i in $(seq 1 4000); do echo line number $i of many; done"})
SUMMARY = "## Done\nread things\n\n## Current work\nnothing"
REFUSED = AuthFailed("the key in X_API_KEY was refused")


def stopped(before: str) -> Run:
    hold = waits(before, says("never"))
    return Run((hold,), interrupted_at(hold), before.replace("*", "") or "interrupted")


RUNS: dict[str, Callable[[], Run]] = {
    "parallel calls": lambda: Run((says("Looking.", calls=[READ, LIST, GREP]), says("Done.")), one_turn, "Done."),
    "interrupt before text": lambda: stopped(""),
    "interrupt after text": lambda: stopped("Half an answer with **bold** and"),
    "retry": lambda: Run((fails(Overloaded("busy"), "wrong words"), says("Right words.")), one_turn, "Right words."),
    "failure": lambda: Run((fails(REFUSED, "A beginning"),), one_turn, "the key in X_API_KEY was refused"),
    "limit": lambda: Run((says("", calls=[READ]), says("", calls=[READ])), one_turn, "step", steps=2),
    "denied call": lambda: Run((says("", calls=[WRITE]), says("As you wish.")), denied, "not in this folder"),
    "compaction": lambda: Run((says("One."), says("Two."), says("Three.")), compacted, "compacted", (says(SUMMARY),)),
    "two compactions": lambda: Run(
        (says("One."), says("Two."), says("Three."), says("Four.")),
        compacted_twice,
        "compacted",
        (says(SUMMARY), says("## Done\nlater")),
    ),
    "undo and redo": lambda: Run(
        (says("One."), says("Two."), says("Three."), says("Four.")), undone_and_redone, "compaction restored", (says(SUMMARY),)
    ),
    "compaction on another branch": lambda: Run(
        (says("One."), says("Two."), says("Three."), says("Other.")), compacted_on_another_branch, "compacted", (says(SUMMARY),)
    ),
    "compaction before an edit": lambda: Run(
        (says("One."), says("Two."), says("Three.")), compacted_and_edited, "First, laid over.", (says(SUMMARY),)
    ),
    "automatic compaction": lambda: Run(
        tuple(says("word " * 600) for _ in range(6)), compacted_by_itself, "compacted", tuple(says(SUMMARY) for _ in range(6))
    ),
    "edit branch": lambda: Run((says("One."), says("Two."), says("Other one.")), branched, "Second, laid over."),
    "notice": lambda: Run((says("Cut here", finish="length"),), one_turn, "The answer was cut"),
    "cut output": lambda: Run((says("", calls=[FLOOD]), says("That was long.")), allowed, "That was long."),
    "thinking": lambda: Run((says(MARKDOWN, thinking="Let me think about this."),), one_turn, "def total(lines):"),
}


async def live(run: Run, folder: Path, width: int) -> list[object]:
    model = ScriptedModel(*run.script, others={"compact": run.compact, "title": [says("A title")] * 3}, facts=FACTS)
    clock = HandClock()
    workspace = workspace_at(folder, model, clock, Settings(limits=Limits(steps=run.steps)))
    app = app_on(workspace)
    async with app.run_test(size=(width, 40)) as pilot:
        await until(app, pilot, lambda: app.get_default_screen().session is not None)
        await run.play(Stage(app, pilot, session_of(app), clock))
        await pilot.pause()
        rows = pane_rows(app)
        await app.close_session()
    await workspace.close()
    return rows


def resumed(folder: Path, width: int) -> list[object]:
    command = [sys.executable, str(Path(__file__).with_name("resumed_rows.py")), str(folder), str(width)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("width", [60, 120])
@pytest.mark.parametrize("name", RUNS)
async def test_a_resumed_screen_is_the_live_one(name: str, width: int, tmp_path: Path) -> None:
    run = RUNS[name]()
    rows = await live(run, tmp_path, width)
    assert any(run.literal in text for text, _ in rows), "\n".join(text for text, _ in rows)
    assert resumed(tmp_path, width) == json.loads(json.dumps(rows))
