"""A picture of every state that matters, made by the real app on a real workspace with a scripted model.

`FLOWCHAT_PICTURES=write pytest tests/pictures` draws them anew; otherwise the rows of each are compared with the kept ones.
Durations, moments and the turning glyph may differ; where a state shows a path of this machine, only its words count.
"""

import os
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace
from textual import events

from flowchat.agent.widening import WIDER
from flowchat.config import Settings
from flowchat.errors import FlowchatError
from flowchat.model.model import ModelFacts, Overloaded
from flowchat.model.probe import Probed
from flowchat.model.scripted import ScriptedModel, Step, Waits, fails, says, waits
from flowchat.runtime.session import Session
from flowchat.runtime.workspace import Workspace
from flowchat.store.memory import MemoryBlobs
from flowchat.tools.sandbox import Confinement
from flowchat.tools.shell import Shell
from flowchat.tools.tool import Desk
from flowchat.transcript.entries import Usage
from flowchat.transcript.events import ApprovalAsked
from flowchat.ui.app import FlowchatApp
from flowchat.ui.approval import Approval
from flowchat.ui.colours import Colours
from flowchat.ui.composer import Composer
from flowchat.ui.conversation import Conversation
from flowchat.ui.find_bar import FindBar
from flowchat.ui.keymap import DEFAULT
from flowchat.ui.model_screen import ModelScreen
from flowchat.ui.panes import Panes
from flowchat.ui.themes import read_theme, theme_files
from tests.desk import HandClock
from tests.pictures.drawing import picture, rows_of, too_faint, without_times
from tests.pictures.studio import StudioClock
from tests.staging import app_on, session_of, until, workspace_at
from tests.ui.test_model_screen import KEY, LLAMA, QWEN, Finder

FOLDER = Path(__file__).parent
WRITES = os.environ.get("FLOWCHAT_PICTURES") == "write"
WIDE, USUAL, NARROW = (120, 40), (80, 24), (40, 12)
BROAD = (160, 30)
"""Where a diff stands side by side."""
DAY, NIGHT, SIXTEEN, NONE = "light", "dark", "ansi", "mono"


class Look(NamedTuple):
    """A terminal's background and text colour, and the theme that is set."""

    ground: str
    text: str
    theme: str
    colours: Colours = Colours()


LOOKS = {
    NIGHT: Look("#16181c", "#d8dbe2", "dark"),
    DAY: Look("#fcfbf8", "#25282e", "light"),
    SIXTEEN: Look("#000000", "#e5e5e5", "ansi-dark"),
    NONE: Look("#000000", "#e5e5e5", "neutral", Colours("none")),
}
LOOKS |= {
    name: Look(theme.ground, "#e5e5e5" if theme.dark else "#000000", name)
    for name, theme in ((name, read_theme(name, theme_files())) for name in theme_files())
    if name not in LOOKS
}
EVERY = tuple((size, look) for size in (WIDE, USUAL, NARROW) for look in (NIGHT, DAY, SIXTEEN))
USAGE = Usage(input=6_000, cached=5_200, output=400)

FINDINGS = """## Why totals are off

The rounding happens **per line**, not per invoice: see `src/total.py` and [the manual](http://127.0.0.1/rounding).

1. `total` rounds each line
   - so three lines may lose *a cent*
2. `tax` rounds again

| lines | before | after |
|---|---:|---:|
| 1 | 10.00 | 10.00 |
| 3 | 29.99 | 30.00 |

> Money is counted once, at the end.

```python
def total(lines: list[Line]) -> Decimal:
    exact = sum(line.net * line.rate for line in lines)
    return exact.quantize(CENT, HALF_EVEN)  # once
```

"""
TOTAL = """from decimal import Decimal

CENT = Decimal("0.01")


def total(lines):
    return sum(round(line.net * line.rate, 2) for line in lines)


def tax(lines):
    return round(total(lines) * 19 / 100, 2)
"""
READ = ("read_file", {"path": "src/total.py"})
GREP = ("grep", {"pattern": "round\\(", "path": "src"})
EDIT = (
    "edit_file",
    {
        "path": "src/total.py",
        "old": "    return sum(round(line.net * line.rate, 2) for line in lines)\n",
        "new": "    exact = sum(line.net * line.rate for line in lines)\n    return exact.quantize(CENT, HALF_EVEN)\n",
    },
)
SHELL = (
    "shell",
    {"command": "printf '%s\\n' '....F' 'FAILED tests/test_total.py::test_three_lines' '1 failed, 4 passed'; exit 1"},
)
ASKED = "The invoice total is off by one cent for three-line orders. Find out why."
SUMMARY = """\
## Done
- The rounding was moved to the end: `src/total.py` rounds once, with HALF_EVEN.
- tests/test_total.py has a test with three order lines; it passes.

## Active
- The credit notes round each line, too.

## Decisions
- Money is counted once, at the end, because customers add the lines up themselves.

## User directives
- Find out why.

## Current work
src/credit.py is next: the same change as in `total`."""
DRAWN = """[
 {"question": "Which rounding does total use now?", "answer": "HALF_EVEN"},
 {"question": "For how many order lines was the total off?", "answer": "three"},
 {"question": "Which function rounds a second time?", "answer": "tax"}
]"""
RECALLED = """{"1": "HALF_EVEN", "2": "three order lines", "3": null}"""


@dataclass
class Stage:
    """An app while it is shown."""

    app: FlowchatApp
    pilot: Any
    clock: HandClock
    workspace: Workspace
    model: ScriptedModel
    summary: Waits
    """What a compaction gives, held while its gate is shut."""
    again: Callable[[], Workspace]
    """Another workspace on the same home."""
    closing: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def session(self) -> Session:
        return session_of(self.app)

    async def say(self, text: str = ASKED, *more: Step) -> None:
        """Send a message and wait for the run's end."""
        self.model.then(*more)
        await self.session.send(text)
        await self.ends()
        await self.pilot.pause()

    async def ends(self) -> None:
        """Until the run has ended."""
        await self.clock.hurry(self.session.idle())

    async def send(self, text: str = ASKED) -> None:
        await self.session.send(text)
        await self.pilot.pause()

    async def until(self, condition: Callable[[], bool]) -> None:
        await until(self.app, self.pilot, condition)

    async def shows(self, words: str) -> None:
        """Until words are on the screen; what streams is heard because time passes."""
        for _ in range(400):
            if words in shown(self.app):
                return
            await self.clock.pass_seconds(0.05)
            await self.pilot.pause(0.005)
        raise AssertionError(f"{words!r} never came on the screen:\n{shown(self.app)}")

    async def asks(self) -> None:
        await self.until(lambda: self.session.approval is not None)

    async def decides(self, decision: Any, reason: str = "") -> None:
        await self.asks()
        assert self.session.approval is not None
        self.session.decide(self.session.approval.call, decision, reason)

    async def write(self, text: str) -> None:
        self.app.get_default_screen().query_one(Composer).load(text)
        await self.pilot.pause()

    async def enter(self, text: str) -> None:
        await self.write(text)
        await self.pilot.press("enter")

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()


Play = Callable[[Stage], Awaitable[None]]


class Scene(NamedTuple):
    """`words` must be on the screen at every size; `views` are sizes and looks."""

    play: Play
    words: tuple[str, ...]
    views: tuple[tuple[tuple[int, int], str], ...]
    exact: bool
    """Whether every row is compared; not where a path of this machine is shown."""


SCENES: dict[str, Scene] = {}


def scene(
    *words: str, views: tuple[tuple[tuple[int, int], str], ...] = ((USUAL, NIGHT),), exact: bool = True
) -> Callable[[Play], Play]:
    def add(play: Play) -> Play:
        SCENES[play.__name__] = Scene(play, words, views, exact)
        return play

    return add


def answered() -> list[Step]:
    """The steps of an ordinary run: look, edit, run, say."""
    return [
        says("I'll look at how totals are computed first.", calls=[GREP, READ], thinking="Rounding, most likely.", usage=USAGE),
        says("", calls=[EDIT], usage=USAGE),
        says("Now the tests.", calls=[SHELL], usage=USAGE),
        says("One test still fails: it expects the old total.", usage=USAGE),
    ]


async def ordinary(stage: Stage) -> None:
    stage.model.then(*answered())
    await stage.send()
    await stage.decides("once")
    await stage.until(lambda: stage.session.approval is None)
    await stage.decides("once")
    await stage.ends()
    await stage.pilot.pause()


@scene("flowchat", "scripted", "F2", "Last here", "Write a message", views=EVERY)
async def empty(stage: Stage) -> None:
    await stage.say("Fix rounding in invoices", says("Done."))
    await stage.enter("/new")
    await stage.shows("Last here")


@scene("Esc stop", "answering", views=(*EVERY, (USUAL, NONE)))
async def streaming(stage: Stage) -> None:
    hold = waits(FINDINGS + "So the fix is to round")
    stage.model.then(hold)
    await stage.send()
    await hold.reached.wait()
    await stage.shows("So the fix is to round")


@scene("sh tests.sh", "failed", "exit 1, 14 lines", "!!")
async def own_commands(stage: Stage) -> None:
    lines = [f"tests/test_{number}.py {'F' if number == 9 else '.'}" for number in range(12)]
    printed = "\n".join([*lines, "", "1 failed, 11 passed"])
    (stage.workspace.path / "tests.sh").write_text(f"cat <<END\n{printed}\nEND\nexit 1\n")
    await stage.say("Fix rounding in invoices", says("Done."))
    await stage.enter("!sh tests.sh")
    await stage.until(lambda: "11 passed" in shown(stage.app) and not stage.session.commands.running)
    await stage.enter("!!echo main")
    await stage.until(lambda: "!!" in shown(stage.app) and not stage.session.commands.running)


@scene("grep", "shell", "running", views=EVERY)
async def tools_running(stage: Stage) -> None:
    (stage.workspace.path / "log").write_text("collected 5 items\n..F..\n")
    command = "cat log; read wait < gate"
    os.mkfifo(stage.workspace.path / "gate")
    stage.model.then(says("I'll look first.", calls=[GREP, READ, ("shell", {"command": command})]), says("Well."))
    await stage.send()
    await stage.decides("once")
    await stage.shows("shell")
    await stage.until(lambda: stage.session.state.phase == "tools")
    await stage.shows("..F..")
    stage.closing.callback((stage.workspace.path / "gate").write_text, "go\n")


@scene("exit 1", "is not a valid", views=(*EVERY, (USUAL, NONE)))
async def tool_failed(stage: Stage) -> None:
    stage.model.then(says("", calls=[("grep", {"pattern": "round("}), SHELL]), says("It fails."))
    await stage.send()
    await stage.decides("once")
    await stage.ends()


@scene("exact", "HALF_EVEN", "That was all.", views=(*EVERY, (USUAL, NONE), (BROAD, NIGHT)))
async def diff(stage: Stage) -> None:
    stage.model.then(says("", calls=[READ]), says("The rounding goes to the end.", calls=[EDIT]), says("That was all."))
    await stage.send()
    await stage.decides("once")
    await stage.ends()


@scene("Change src/total.py?", "exact", "y once", "n no", views=(*EVERY, (USUAL, NONE), (BROAD, NIGHT)))
async def approval_of_an_edit(stage: Stage) -> None:
    stage.model.then(says("", calls=[READ]), says("The rounding goes to the end.", calls=[EDIT]))
    await stage.send()
    await stage.asks()


@scene("Run this command?", "pip install hypothesis", "y once", views=EVERY)
async def approval_of_a_command(stage: Stage) -> None:
    stage.model.then(says("I need a library for that.", calls=[("shell", {"command": "pip install hypothesis"})]))
    await stage.send()
    await stage.asks()


@scene(
    "Write this rule?", "pip install hypothesis", "all projects", "Esc back", views=((USUAL, NIGHT), (NARROW, DAY)), exact=False
)
async def approval_for_good(stage: Stage) -> None:
    await approval_of_a_command(stage)
    await stage.shows("y once")
    key = events.Key("a", "a")
    key.time = time.monotonic() + 1.0
    stage.app.query_one(Approval).post_message(key)
    await stage.shows("Write this rule?")


@scene("Run this again with the network on?", "pip install", "y once", views=((USUAL, NIGHT), (WIDE, DAY), (NARROW, NIGHT)))
async def sandbox_in_the_way(stage: Stage) -> None:
    command = "python -m pip install hypothesis"
    await stage.say(ASKED, says("I need a library for that."))
    desk = Desk(stage.workspace.path, {}, print, MemoryBlobs().put, MemoryBlobs().get, beyond="network")
    preview = Shell(confinement=Confinement({})).preview({"command": command}, desk)
    grant = f"this exact command {WIDER['network']}"
    panes = stage.app.get_default_screen().query_one(Panes)
    panes.meter.show(sandbox="full")
    panes.ask(ApprovalAsked("1.0", preview, "the network is off in the sandbox", grant))
    await stage.pilot.pause()


@scene("sandbox", views=((WIDE, NIGHT), (USUAL, DAY), (NARROW, NIGHT)))
async def no_sandbox(stage: Stage) -> None:
    await stage.say(ASKED, says("It rounds each line."))
    stage.app.get_default_screen().query_one(Panes).meter.show(sandbox="none")
    await stage.pilot.pause()


@scene("denied", "use the standard library")
async def denied(stage: Stage) -> None:
    stage.model.then(says("", calls=[("shell", {"command": "pip install hypothesis"})]), says("Then without it."))
    await stage.send()
    await stage.decides("deny", "use the standard library")
    await stage.ends()


@scene("interrupted", "And so")
async def interrupted(stage: Stage) -> None:
    hold = waits("It rounds each line. And so")
    stage.model.then(hold)
    await stage.send()
    await hold.reached.wait()
    await stage.shows("And so")
    await stage.press("escape")
    await stage.ends()


@scene("compacted", views=((USUAL, NIGHT), (NARROW, NIGHT)))
async def compacted(stage: Stage) -> None:
    await stage.say(ASKED, says(FINDINGS, usage=USAGE))
    await stage.say("And the credit notes?", says("They round the same way.", usage=USAGE))
    await stage.session.compact()
    await stage.say("Go on.", says("I go on with the credit notes."))


@scene("compacted", "credit notes", views=((USUAL, NIGHT), (WIDE, DAY), (NARROW, NIGHT)))
async def unfolded(stage: Stage) -> None:
    await compacted(stage)
    await stage.press("ctrl+up", *["k"] * 4, "o", *["down"] * 6)


async def proposed(stage: Stage) -> None:
    await stage.say(ASKED, says(FINDINGS, usage=USAGE))
    await stage.say("And the credit notes?", says("They round the same way.", usage=USAGE))
    await stage.enter("/compact")
    await stage.shows("Esc cancel")


async def strikes(stage: Stage, *keys: str) -> None:
    """Keys struck long after the page was painted."""
    for key in keys:
        event = events.Key(key, key if len(key) == 1 else None)
        event.time = time.monotonic() + 60.0
        stage.app.screen.post_message(event)
    await stage.pilot.pause()


@scene("Fold 4 messages", "## Done", "e edit", "Enter fold", views=EVERY)
async def fold_preview(stage: Stage) -> None:
    await proposed(stage)


@scene("pinned", "done writing", "So it is", views=((WIDE, DAY), (USUAL, NIGHT), (NARROW, NIGHT)))
async def fold_preview_writing(stage: Stage) -> None:
    await proposed(stage)
    await strikes(stage, "down", "p", "down", "e", "end", *" So it is done.")
    await stage.shows("So it is")


@scene(
    "⊘ dropped",
    "directive",
    "pinned",
    "p keep it",
    views=((WIDE, NIGHT), (WIDE, DAY), (USUAL, NIGHT), (USUAL, DAY), (USUAL, NONE), (NARROW, NIGHT), (NARROW, DAY)),
)
async def fold_carried(stage: Stage) -> None:
    """Another compaction: a line was pinned in the one before, a todo list is open, a file is copied and one named."""
    await stage.say(ASKED, says(FINDINGS, usage=USAGE))
    folding = stage.session.folding
    await folding.accept(await folding.propose(), pinned=("- The credit notes round each line, too.",))
    marks = [("mark_read_required", {"path": "src/total.py"}), ("add_reference", {"path": "src/credit.py"})]
    summary = SUMMARY.replace("- Find out why.", "- Find out why.\n- Never touch src/legacy.")
    stage.model._scripts["compact"][:0] = [says("", calls=marks), says(summary)]
    (stage.workspace.path / "src" / "credit.py").write_text(TOTAL)
    items = [{"text": text, "status": _status(at, 3)} for at, text in enumerate(STEPS[:5])]
    await stage.say("Never touch src/legacy. Go on.", says("", calls=[("todo", {"items": items})]), says("I go on.", usage=USAGE))
    await stage.enter("/compact")
    await stage.shows("Esc cancel")
    await strikes(stage, "end", *["up"] * 6, "p")
    await stage.shows("dropped")


@scene("2 of 3", "missed", "Which function", views=((WIDE, NIGHT), (USUAL, DAY), (NARROW, NIGHT)))
async def fold_recall(stage: Stage) -> None:
    await proposed(stage)
    await strikes(stage, "s")
    await stage.shows("2 of 3")
    await strikes(stage, "s")
    await stage.shows("missed")


@scene("The old one: /resume", "## Current work", exact=False)
async def handoff(stage: Stage) -> None:
    await stage.say(ASKED, says(FINDINGS, usage=USAGE))
    await stage.enter("/handoff")
    await stage.shows("The old one")


@scene("compacting", views=EVERY)
async def compacting(stage: Stage) -> None:
    await stage.say(ASKED, says(FINDINGS, usage=USAGE))
    await stage.say("And the credit notes?", says("They round the same way.", usage=USAGE))
    stage.summary.gate.clear()
    stage.closing.callback(stage.summary.gate.set)
    await stage.enter("/compact")
    await stage.summary.reached.wait()
    await stage.shows("compacting")


@scene("1 queued", "also check", views=((USUAL, NIGHT), (NARROW, DAY)))
async def queue(stage: Stage) -> None:
    hold = waits("The rounding happened per line, not per invoice. With three lines the")
    stage.model.then(hold)
    await stage.send()
    await hold.reached.wait()
    await stage.send("also check the credit notes")
    await stage.send("then run the tests")


@scene("1 queued", "drop", "h hold", "send now", views=((USUAL, NIGHT), (USUAL, DAY), (NARROW, NIGHT)))
async def queue_with_its_keys(stage: Stage) -> None:
    await queue(stage)
    await stage.press("alt+up", "up")


@scene("History", "of 3", "credit", views=EVERY)
async def history_search(stage: Stage) -> None:
    stage.model.then(says("Done."))
    for text in ("upgrade pydantic", "explain how credit notes are numbered", "also check the credit notes\nand their tests"):
        await stage.workspace.writing.remember(text)
        await stage.clock.pass_seconds(60)
    await stage.press("ctrl+r")
    await stage.shows("3 of 3")
    await stage.press(*"credit")
    await stage.shows("2 of 3")


@scene("[pasted 1,234 lines]", "Why does it fail?", views=((USUAL, NIGHT), (NARROW, DAY), (USUAL, SIXTEEN)))
async def pasted(stage: Stage) -> None:
    await stage.press(*"Why does it fail? ")
    stage.app.post_message(events.Paste("\n".join(f"line {number} of a log" for number in range(1_234))))
    await stage.shows("[pasted")
    await stage.shows("opens the paste")


@scene("retry 1 in")
async def retry_countdown(stage: Stage) -> None:
    stage.model.then(fails(Overloaded("scripted is overloaded", retry_after_seconds=60)), says("Now."))
    await stage.send()
    await stage.until(lambda: stage.session.state.phase == "retry_wait")


@scene("failed", "the key in X_API_KEY was", "/retry", views=(*EVERY, (USUAL, NONE)))
async def failed(stage: Stage) -> None:
    from flowchat.model.model import AuthFailed

    await stage.say(ASKED, fails(AuthFailed("the key in X_API_KEY was refused; set it anew, then /retry"), "A beginning"))


@scene("/round", " of 5", views=EVERY)
async def finding(stage: Stage) -> None:
    await stage.say(ASKED, says(FINDINGS))
    await stage.say("And the fix?", says("So the fix is to round\nonce."))
    stage.app.screen.query_one(Conversation).scroll_end()
    await stage.press("f3", *"round")


@scene("cut to 4.1k", "window = 4096", views=((WIDE, NIGHT), (USUAL, DAY), (NARROW, NIGHT)))
async def server_cuts(stage: Stage) -> None:
    told = "Each line is rounded by itself, so three lines may lose a cent, and the credit notes take the same way. " * 500
    await stage.say(told, says("They do.", usage=Usage(input=4_096, output=40)))
    stage.app.screen.query_one(Conversation).scroll_end()


@scene("Copied the last answer (", "to the clipboard", views=((USUAL, NIGHT), (NARROW, DAY)))
async def copied(stage: Stage) -> None:
    await stage.say(ASKED, says(FINDINGS))
    await stage.press("ctrl+up", "Y")


@scene("tax", views=((USUAL, NIGHT), (USUAL, DAY)))
async def selected(stage: Stage) -> None:
    await stage.say(ASKED, says(FINDINGS))
    pane = stage.app.screen.query_one(Conversation)
    pane.scroll_end()  # what streamed leaves blank rows below its end
    await stage.pilot.pause()
    await stage.pilot.mouse_down(pane, offset=(8, 1))
    await stage.pilot.hover(pane, offset=(20, 6))
    await stage.pilot.mouse_up(pane, offset=(20, 6))
    await stage.pilot.pause()


@scene("Resume", "Fix rounding", views=EVERY, exact=False)
async def resume_picker(stage: Stage) -> None:
    for title, text in (("Fix rounding in invoices", ASKED), ("Upgrade to pydantic 2", "Upgrade it."), ("", "Explain the queue")):
        await stage.say(text, says("Done, all of it.", usage=USAGE))
        if title:
            await stage.session.rename(title)
        await stage.enter("/new")
        await stage.clock.pass_seconds(60)
        await stage.until(lambda: not stage.session.transcript.head)
    await stage.enter("/resume")
    await stage.shows("Fix rounding")
    await stage.shows(" kB")


@scene("Explain the queue", "y trash it", views=((USUAL, NIGHT), (NARROW, DAY)), exact=False)
async def trash_question(stage: Stage) -> None:
    await resume_picker(stage)
    await stage.press("delete")


@scene("Export", "y replace it", views=((USUAL, NIGHT), (NARROW, DAY)))
async def export_question(stage: Stage) -> None:
    await stage.say(ASKED, says("Done, all of it.", usage=USAGE))
    (stage.workspace.path / "talk.md").write_text("mine")
    await stage.enter("/export talk.md")
    await stage.shows("y replace it")


@scene("Edit a message", "Also check the cre")
async def message_picker(stage: Stage) -> None:
    for text in (ASKED, "Also check the credit notes.", "Now run the tests."):
        await stage.say(text, says("Done."))
    await stage.enter("/edit")
    await stage.shows("Edit a message")


@scene("Editing message 1")
async def editing(stage: Stage) -> None:
    for text in (ASKED, "Now run the tests."):
        await stage.say(text, says("Done."))
    await stage.enter("/edit 1")
    await stage.shows("Editing message 1")


@scene("!!command", views=EVERY)
async def help_screen(stage: Stage) -> None:
    await stage.press("f1", "f1")
    await stage.press("end")


@scene("Commands", "/resume", "Esc close", views=EVERY)
async def menu(stage: Stage) -> None:
    await stage.press("f1", "down", "down")
    await stage.shows("/resume")


@scene("Cost", "uncached", "session", "$0.03", views=((WIDE, NIGHT), (USUAL, DAY), (NARROW, NIGHT)))
async def cost(stage: Stage) -> None:
    await stage.say("Fix rounding in invoices", replace(says("Done.", usage=USAGE), cost=0.031))
    await ordinary(stage)
    await stage.enter("/cost")
    await stage.shows("uncached")


@scene("Cache", "% cached", "run 4", views=((WIDE, NIGHT), (USUAL, DAY), (NARROW, NIGHT)))
async def cache(stage: Stage) -> None:
    await forgotten_and_folded(stage)
    await stage.enter("/cache")
    await stage.shows("run 4")


@scene("run 4, step 1", "compacted by you", "checkpoint", views=((WIDE, NIGHT), (USUAL, NIGHT)))
async def cache_parts(stage: Stage) -> None:
    await forgotten_and_folded(stage)
    await stage.enter("/cache")
    await stage.shows("run 4")
    await stage.press("enter")
    await stage.shows("checkpoint")


async def forgotten_and_folded(stage: Stage) -> None:
    """Two steps, a pause that was too long, and a compaction."""
    prices = {"input_price": 3e-6, "cached_price": 0.3e-6}
    stage.model.facts = replace(stage.model.facts, **prices)
    used = lambda read, cached, written: Usage(read, cached, output=written)
    looks = says("I look.", calls=[GREP, READ], usage=used(1_420, 0, 60))
    await stage.say(ASKED, looks, says(FINDINGS, usage=used(1_780, 1_408, 200)))
    await stage.clock.pass_seconds(1_260)
    await stage.say("And the credit notes?", says("They round the same way. " * 800, usage=used(2_060, 0, 5_000)))
    await stage.say("What do they share?", says("The function `total`.", usage=used(7_100, 6_912, 10)))
    await stage.session.compact()
    await stage.say("Go on.", says("I go on with the credit notes.", usage=used(6_500, 1_280, 10)))


@scene("recall", "three-line orders", "lines in 2 entries", views=((WIDE, NIGHT), (USUAL, DAY)))
async def recalled(stage: Stage) -> None:
    await compacted(stage)
    finds = says("The summary leaves that out, so I look it up.", calls=[("recall", {"query": "off by one cent"})])
    stage.model.then(finds, says("Those of three lines, by one cent."))
    await stage.send("Which orders were off, again?")
    await stage.session.idle()
    await stage.press("ctrl+o")


STEPS = (
    "Read how `total` and `tax` round",
    "Write down where a cent is lost, with an order of three lines as the example",
    "Add a failing test for three order lines",
    "Round once, at the end, with HALF_EVEN",
    "Do the same for credit notes and for their reversals, which take the same way through the code",
    "Run the tests",
    "Bring the manual up to date",
)


async def listed(stage: Stage) -> None:
    """Seven steps: two lists, three of them done, and what came of the work between."""
    listing = lambda done: says(
        "The plan:" if not done else "",
        calls=[("todo", {"items": [{"text": text, "status": _status(at, done)} for at, text in enumerate(STEPS)]})],
        usage=USAGE,
    )
    stage.model.then(listing(0), says("I'll look at how totals are computed first.", calls=[READ], usage=USAGE), listing(3))
    stage.model.then(says("The test is there, and it fails as it should. Now the fix.", usage=USAGE))
    await stage.send()
    await stage.ends()
    await stage.shows("3 of 7")


def _status(at: int, done: int) -> str:
    return "done" if at < done else "in_progress" if at == done else "pending"


@scene("3 of 7 · ", "3 of 7 done", views=((WIDE, NIGHT), (USUAL, DAY), (USUAL, NONE), (NARROW, NIGHT)))
async def todo(stage: Stage) -> None:
    await listed(stage)


@scene("3 of 7 done", "Add a failing test", views=((WIDE, NIGHT), (USUAL, DAY), (USUAL, SIXTEEN), (NARROW, NIGHT)))
async def todo_unfolded(stage: Stage) -> None:
    await listed(stage)
    await stage.press("ctrl+t")


@scene("3 of 7 done", "Bring the manual up to date", views=((WIDE, DAY), (USUAL, NIGHT)))
async def todo_panel(stage: Stage) -> None:
    await listed(stage)
    await stage.press("ctrl+up", "k", "o")


@scene("Todo", "3 of 7 · Round", "Bring the manual", views=((USUAL, NIGHT),))
async def todo_folded(stage: Stage) -> None:
    await listed(stage)
    await stage.session.compact()
    await stage.press("ctrl+up", "k", "j", "o")


@scene("Jobs", "sh serve.sh", "running", "exit 2", "end it", views=((WIDE, NIGHT), (USUAL, DAY), (NARROW, NIGHT)))
async def jobs(stage: Stage) -> None:
    work = stage.workspace.path
    (work / "build.sh").write_text("seq -f 'compiling part %g' 40; echo 'make: *** [all] Error 2'; exit 2\n")
    (work / "serve.sh").write_text("echo 'Listening on http://127.0.0.1:8000'; echo 'GET / 200'; read wait < gate\n")
    os.mkfifo(work / "gate")
    begins = [("shell", {"command": f"sh {name}.sh", "background": True}) for name in ("build", "serve")]
    stage.model.then(says("I start the build and the server.", calls=begins), says("Both are started."))
    await stage.send()
    await stage.decides("once")
    await stage.until(lambda: len(stage.session.background.shown()) == 1 and stage.session.approval is not None)
    await stage.decides("once")
    await stage.until(lambda: [job.runs for job in stage.session.background.shown()] == [False, True])
    await stage.session.idle()
    await stage.shows("Job 1 (sh build.sh) ended")
    await stage.enter("/jobs")
    await stage.shows("GET / 200")


@scene("Keys", "newline", "Ctrl+X. Nothing", "Esc close", views=((WIDE, NIGHT), (USUAL, DAY), (NARROW, NIGHT)))
async def keys(stage: Stage) -> None:
    await stage.enter("/keys")
    await stage.shows("Press a key")
    await stage.press("ctrl+x")


@scene("Status", "your messages", "Esc close", views=((WIDE, NIGHT), (USUAL, DAY), (NARROW, NIGHT)), exact=False)
async def status(stage: Stage) -> None:
    await stage.say("Fix rounding in invoices", says("Done.", usage=USAGE))
    await stage.enter("/status")
    await stage.shows("Esc close")
    await stage.press(*["down"] * 6)


USERS = """\
allow = ["shell(make:*)", "edit_file(src/**)", "shell(git status *)"]
ask = ["shell(git push:*)"]
deny = ["read_file(secrets/**)"]
"""


def has_rules(stage: Stage) -> None:
    assert stage.workspace.folders is not None
    stage.workspace.folders.config.mkdir(parents=True, exist_ok=True)
    (stage.workspace.folders.config / "permissions.toml").write_text(USERS)
    (stage.workspace.path / ".flowchat").mkdir(exist_ok=True)
    (stage.workspace.path / ".flowchat" / "permissions.toml").write_text('allow = ["shell(npm test)"]\ndeny = ["shell(rm:*)"]\n')


@scene("Permissions", "allow  shell(npm test)", "waits", views=((WIDE, NIGHT), (USUAL, DAY), (NARROW, NIGHT)), exact=False)
async def permissions(stage: Stage) -> None:
    has_rules(stage)
    await stage.enter("/permissions")
    await stage.shows("Permissions")
    await stage.press("end")
    await stage.shows("waits until")


@scene("deny shell(curl:*", "begin with curl", "for you in all projects", views=((USUAL, NIGHT), (NARROW, DAY)), exact=False)
async def permissions_writing(stage: Stage) -> None:
    has_rules(stage)
    await stage.enter("/permissions")
    await stage.shows("Permissions")
    await stage.press("n", "tab", "tab", *"shell(curl:*)")
    await stage.shows("begin with")


SKILLS = {
    ".flowchat/skills/release": "name: release\ndescription: How a release is made. Use it when a version is to be published.",
    ".claude/skills/Invoices": "description: How totals are rounded",
    ".claude/skills/review": "name: review\ndescription: Reviews a change for mistakes.\nallowed-tools: Read, Grep",
}


async def has_skills(stage: Stage) -> None:
    """Some of a trusted folder, one of the user's own that is hidden by them, and one that is off."""
    workspace = stage.workspace
    assert workspace.folders is not None
    own = workspace.folders.config / "skills"
    mine = {own / "review": SKILLS[".claude/skills/review"], own / "haiku": "name: haiku\ndescription: Answers in verse."}
    for folder, head in {**{workspace.path / place: head for place, head in SKILLS.items()}, **mine}.items():
        folder.mkdir(parents=True)
        (folder / "SKILL.md").write_text(f"---\n{head}\n---\n# What to do\n\n1. Look at the diff.\n2. Say what to test.\n")
    await workspace.trust_folder(workspace.trust.look(workspace.path))
    skills = workspace.skills(workspace.path)
    haiku = skills.look().named("haiku")
    assert haiku is not None
    skills.switch(haiku, False)


@scene("Skills", "2 skills in use", "not valid", views=((WIDE, NIGHT), (USUAL, DAY), (NARROW, NIGHT)), exact=False)
async def skills(stage: Stage) -> None:
    await has_skills(stage)
    await stage.enter("/skills")
    await stage.shows("2 skills in use")
    await stage.press("down", "down")
    await stage.shows("Reviews a change for")


@scene("No skills yet.", views=((WIDE, NIGHT), (USUAL, DAY), (NARROW, NIGHT)), exact=False)
async def skills_none(stage: Stage) -> None:
    await stage.enter("/skills")
    await stage.shows("No skills yet.")


@scene("review", "Look at the diff", views=((WIDE, NIGHT), (USUAL, DAY)), exact=False)
async def skill_read(stage: Stage) -> None:
    await has_skills(stage)
    await stage.enter("/skills")
    await stage.shows("2 skills in use")
    await stage.press("down", "down", "enter")
    await stage.shows("Look at the diff")


@scene("$release", "$review", views=((USUAL, NIGHT), (NARROW, DAY)), exact=False)
async def completion_of_a_skill(stage: Stage) -> None:
    await has_skills(stage)
    await stage.write("Have a look $re")
    await stage.shows("$release")


PROJECT = 'model = "openai/gpt-5"\n[models."openai/gpt-5"]\napi_base = "http://127.0.0.1:8000/v1"\n[limits]\nsteps = 500\n'


def wants_trust(stage: Stage) -> None:
    folder = stage.workspace.path / ".flowchat"
    folder.mkdir(exist_ok=True)
    (folder / "config.toml").write_text(PROJECT)
    (folder / "permissions.toml").write_text('allow = ["shell(make:*)"]\n')


@scene("wait until you trust it", views=((WIDE, NIGHT), (USUAL, DAY), (NARROW, NIGHT)), exact=False)
async def empty_not_trusted(stage: Stage) -> None:
    wants_trust(stage)
    await stage.enter("/new")
    await stage.shows("4 settings and rules")


@scene("Trust", "is not trusted", "trusts the folder", views=((WIDE, NIGHT), (USUAL, DAY), (NARROW, NIGHT)), exact=False)
async def trust(stage: Stage) -> None:
    wants_trust(stage)
    await stage.press("f4")
    await stage.shows("trusts the folder")


@scene("is trusted", ":9000/v1", "approves it", views=((USUAL, NIGHT), (NARROW, DAY)), exact=False)
async def trust_changed(stage: Stage) -> None:
    wants_trust(stage)
    await stage.workspace.trust_folder(stage.workspace.trust.look(stage.workspace.path))
    (stage.workspace.path / ".flowchat" / "config.toml").write_text(PROJECT.replace(":8000", ":9000"))
    await stage.press("f4")
    await stage.shows("approves it")


async def card(stage: Stage, finder: Finder, *keys: str) -> None:
    """The card of models on a machine of our own."""
    stage.app.push_screen(ModelScreen(stage.app.looks.live, DEFAULT, finder, print, "scripted"))
    await stage.press(*keys)


@scene("Model", "ollama_chat/qwen3:8b", "demo", "Enter test", "Esc close", views=EVERY)
async def models(stage: Stage) -> None:
    await card(stage, Finder(QWEN, LLAMA, keys=[KEY]))
    await stage.shows("16,384 as the server")


@scene("Model", "curl -fsSL", "Esc close", views=((WIDE, NIGHT), (USUAL, NIGHT), (NARROW, NIGHT), (USUAL, NONE)))
async def models_none_found(stage: Stage) -> None:
    await card(stage, Finder(), "down", "down")
    await stage.shows("y copy")


@scene("812 ms", "Enter keep it", "Esc back", views=((WIDE, NIGHT), (USUAL, DAY), (NARROW, NIGHT)))
async def model_tested(stage: Stage) -> None:
    await card(stage, Finder(QWEN), "enter")
    await stage.shows("812 ms")


@scene("cannot be used", "Enter try again", views=((USUAL, NIGHT), (NARROW, NIGHT)))
async def model_failed(stage: Stage) -> None:
    error = "127.0.0.1:11434 does not answer (connection refused): start Ollama with `ollama serve`, then try again"
    await card(stage, Finder(QWEN, probed=Probed("ollama_chat/qwen3:8b", 4_096, "assumed", error=error)), "enter")
    await stage.shows("try again")


@scene("Key for openai", "12 characters", "Enter keep", views=((WIDE, NIGHT), (USUAL, NIGHT), (NARROW, DAY)))
async def entering_a_key(stage: Stage) -> None:
    await card(stage, Finder(), "down", "enter", *"openai", "enter", *"sk-123456789")
    await stage.shows("12 characters")


@scene("failed", "* TAX / 100", "Change", views=tuple(((100, 36), look) for look in LOOKS if look not in (SIXTEEN, NONE)))
async def gallery(stage: Stage) -> None:
    lookup = "```python\n# once\ndef total(lines: list[Line]) -> Decimal:\n    return sum(lines, start=0.5) or 'none'\n```\n"
    rate = ("edit_file", {"path": "src/total.py", "old": "* 19 / 100", "new": "* TAX / 100"})
    begins = says(f"It is `total`:\n\n{lookup}", calls=[READ, ("grep", {"pattern": "round("})], thinking="Rounding.", usage=USAGE)
    stage.model.then(begins, says("", calls=[rate], usage=USAGE))
    await stage.send()
    await stage.asks()
    await stage.send("also check the credit notes")
    await stage.shows("1 queued")


@scene("Theme", "Enter keep", "Esc back", views=(*EVERY, (USUAL, NONE)))
async def themes(stage: Stage) -> None:
    await ordinary(stage)
    await stage.enter("/theme")
    await stage.shows("Enter keep")


@scene("/re", "/resume", "/rename", views=((USUAL, NIGHT), (USUAL, SIXTEEN), (USUAL, NONE)))
async def completion_of_a_command(stage: Stage) -> None:
    await stage.press("slash", "r", "e")


@scene("@to", "src/total.py")
async def completion_of_a_file(stage: Stage) -> None:
    await stage.press("l", "o", "o", "k", "space", "@", "t", "o")
    await stage.shows("src/total.py")


@scene("f opens a copy")
async def read_only_banner(stage: Stage) -> None:
    other = stage.again()
    stage.closing.push_async_callback(other.close)
    held = await other.new()
    stage.closing.push_async_callback(held.close)
    stage.model.then(says("It rounds each line."))
    await held.send(ASKED)
    await stage.clock.hurry(held.idle())
    await stage.enter(f"/resume {held.sid}")
    await stage.until(lambda: stage.session.sid == held.sid)


@scene("Not saved", "unsaved", exact=False)
async def unsaved_banner(stage: Stage) -> None:
    await stage.say(ASKED, says("It rounds each line."))
    log = next((stage.workspace.path.parent / "user").rglob("log.jsonl"))
    log.write_bytes(log.read_bytes() + b"another program wrote here\n")
    with pytest.raises(FlowchatError):
        await stage.session.rename("Something else")
    await stage.shows("Not saved")


@scene("paste", "line 3 of what was pasted")
async def long_composer(stage: Stage) -> None:
    await stage.write("Look at this paste:\n" + "\n".join(f"line {n} of what was pasted" for n in range(1, 30)))
    await stage.press("alt+less_than_sign")


TALL_NARROW = (40, 30)


async def looked_through(stage: Stage) -> None:
    """A question, what was read for it, an answer, another question; most of it cached, something pinned."""
    (stage.workspace.path / "AGENTS.md").write_text("Money is Decimal. Round once, at the end.\n" * 20)
    (stage.workspace.path / "notes.txt").write_text("an old note about rounding\n" * 500)
    reads = [GREP, READ, ("read_file", {"path": "notes.txt"})]
    steps = says("I'll look at how totals are computed first.", calls=reads, usage=Usage(input=3_000, output=80))
    stage.model.then(steps, says(FINDINGS, usage=Usage(input=9_000, cached=3_000, cache_write=6_000, output=400)))
    await stage.send()
    await stage.ends()
    context = stage.session.context
    await context.set([row.ref for row in context.rows() if row.kind == "user" and row.ref], "pinned")
    await stage.enter("/context")
    await stage.shows("Esc close")


@scene(
    "Context",
    "AGENTS.md",
    "read src/total.py",
    "pinned",
    "cached",
    "Esc close",
    views=((WIDE, NIGHT), (USUAL, NIGHT), (USUAL, DAY), (USUAL, NONE), (USUAL, SIXTEEN)),
    exact=False,
)
async def context(stage: Stage) -> None:
    await looked_through(stage)
    await stage.press("end", "up")


@scene("Context", "read notes.txt", "Enter open", views=((NARROW, NIGHT), (TALL_NARROW, DAY)), exact=False)
async def context_narrow(stage: Stage) -> None:
    await looked_through(stage)
    await stage.press("end", "up")


@scene("r restore", "z undo", "Esc close", views=((NARROW, DAY),), exact=False)
async def context_keys(stage: Stage) -> None:
    await looked_through(stage)
    await stage.press("end", "up", "question_mark")


@scene("Cut its output to one", "cached", "y do it", views=((WIDE, NIGHT), (USUAL, NIGHT), (NARROW, DAY)), exact=False)
async def context_asking(stage: Stage) -> None:
    await looked_through(stage)
    await stage.press("end", "up", "u")


@scene("excluded", "pruned", views=((USUAL, NIGHT), (USUAL, NONE), (NARROW, DAY)), exact=False)
async def marked_items(stage: Stage) -> None:
    stage.model.then(says("I look.", calls=[READ, ("read_file", {"path": "AGENTS.md"})]), says("Per line, that is why."))
    (stage.workspace.path / "AGENTS.md").write_text("Money is Decimal. Round once, at the end.\n" * 20)
    await stage.send("Why?")
    await stage.ends()
    context = stage.session.context
    refs = {row.kind: row.ref for row in context.rows() if row.ref}
    first, second = (row.ref for row in context.rows() if row.kind == "call" and row.ref)
    await context.set((refs["user"],), "pinned")
    await context.set((first,), "excluded")
    await context.set((second,), "pruned")
    await stage.shows("pruned")


@scene("Context", "system prompt", "free", views=((USUAL, NIGHT),), exact=False)
async def context_empty(stage: Stage) -> None:
    await stage.enter("/context")
    await stage.shows("free")


@scene("src/total.py", "HALF_EVEN", "Change", views=(((100, 36), NIGHT),))
async def readme(stage: Stage) -> None:
    stage.model.then(*answered()[:2])
    await stage.send()
    await stage.asks()
    await stage.send("also check the credit notes")


def shown(app: FlowchatApp) -> str:
    return "\n".join(rows_of(picture(app, *LOOKS[NIGHT][:2])))


CASES = [(name, size) for name, found in SCENES.items() for size in dict.fromkeys(size for size, _ in found.views)]


def alike(drawn: str, kept: str) -> bool:
    """Whether two pictures differ in nothing but what time and the process brought with them."""
    return list(map(without_times, drawn.splitlines())) == list(map(without_times, kept.splitlines()))


def kept(name: str, size: tuple[int, int], look: str) -> Path:
    return FOLDER / f"{name.replace('_', '-')}-{size[0]}x{size[1]}-{look}.svg"


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder whose path is as long as it was: requests name it, and the meter counts what they hold."""
    with TemporaryDirectory(prefix="flowchat-", dir="/tmp") as folder:
        yield Path(folder)


@pytest.mark.parametrize(("name", "size"), CASES, ids=[f"{name}-{w}x{h}" for name, (w, h) in CASES])
async def test_a_state_looks_as_in_its_pictures(name: str, size: tuple[int, int], place: Path) -> None:
    scene = SCENES[name]
    looks = [look for at, look in scene.views if at == size]
    while looks:
        for look, (drawn, faint) in (await draw(scene, size, looks, place / looks[0])).items():
            looks.remove(look)
            rows = rows_of(drawn)
            missing = [word for word in scene.words if not any(word in row for row in rows)]
            assert not missing, "\n".join([f"{missing} is not on the screen:", *rows])
            assert faint == []
            file = kept(name, size, look)
            if WRITES and not (file.exists() and alike(drawn, file.read_text())):
                file.write_text(drawn)
            if scene.exact:
                assert list(map(without_times, rows)) == list(map(without_times, rows_of(file.read_text())))


async def draw(scene: Scene, size: tuple[int, int], looks: Sequence[str], tmp_path: Path) -> dict[str, tuple[str, list[str]]]:
    """Play a scene; its picture and what cannot be read in it, in the first of the looks and in those that need no other play."""
    os.environ["HOME"] = str(tmp_path)
    tmp_path.mkdir(exist_ok=True)
    facts = ModelFacts("scripted", "scripted", 20_000, "config", max_output=2_000)
    summary = waits("", says(SUMMARY))
    summary.gate.set()
    model = ScriptedModel(others={"compact": [summary, says(DRAWN), says(RECALLED)], "title": [says("")] * 9}, facts=facts)
    first = LOOKS[looks[0]]
    clock, settings = StudioClock(), Settings(model="scripted", theme=first.theme)
    workspace = workspace_at(tmp_path, model, clock, settings)
    (workspace.path / "src").mkdir()
    (workspace.path / "src" / "total.py").write_text(TOTAL)
    app = app_on(workspace, colours=first.colours)
    drawn: dict[str, tuple[str, list[str]]] = {}
    async with app.run_test(size=size) as pilot:
        stage = Stage(app, pilot, clock, workspace, model, summary, lambda: workspace_at(tmp_path, model, clock, settings))
        await stage.until(lambda: app.get_default_screen().session is not None)
        clock.works = lambda: stage.session.state.phase == "tools" and stage.session.approval is None
        async with stage.closing:
            await scene.play(stage)
            if not app.get_default_screen().query_one(FindBar).display:
                app.get_default_screen().query_one(Conversation).scroll_end()
            for name in looks if app.screen is app.chat else looks[:1]:
                look = LOOKS[name]
                if look.colours == first.colours:
                    app.looks.take(look.theme)
                    app.chat.use_looks()
                    for _ in range(3):
                        await pilot.pause()
                    drawn[name] = picture(app, look.ground, look.text), too_faint(app, look.ground, look.text)
        await app.close_session()
    await workspace.close()
    return drawn


def test_no_picture_is_left_of_a_state_that_is_no_more() -> None:
    wanted = {kept(name, size, look) for name, found in SCENES.items() for size, look in found.views}
    assert {*FOLDER.glob("*.svg")} == wanted
