"""The decision bar: what it shows, and which keys decide."""

import time
from pathlib import Path
from typing import Any

from textual import events
from textual.app import App, ComposeResult

from flowchat.transcript.events import ApprovalAsked, Preview
from flowchat.ui.approval import Approval
from flowchat.ui.palette import DARK

RUN = ApprovalAsked(
    "7.0", Preview("Run this command?", (("shell", "pip install hypothesis"), ("in", "~/work"))), "no rule allows it"
)
DIFF = "@@ -1,2 +1,2 @@\n-old\n+new\n" + "\n".join(f" line {n}" for n in range(40))
EDIT = ApprovalAsked("7.1", Preview("Edit total.py?", (), DIFF, "diff"), "")


class Desk(App[None]):
    """A bar, what it posted, and when a key was last typed into the composer."""

    def __init__(self) -> None:
        super().__init__()
        self.last_typed = float("-inf")
        self.bar = Approval(DARK, lambda: self.last_typed)
        self.told: list[Any] = []

    def compose(self) -> ComposeResult:
        yield self.bar

    def on_approval_decided(self, message: Approval.Decided) -> None:
        self.told.append((message.call, message.decision, message.reason))

    def on_approval_passed(self, message: Approval.Passed) -> None:
        event = message.event
        self.told.append(f"passed {event.key if isinstance(event, events.Key) else event.text}")

    def on_approval_interrupted(self) -> None:
        self.told.append("interrupted")


def rows(desk: Desk) -> list[str]:
    return [desk.bar.render_line(y).text.rstrip() for y in range(desk.bar.size.height)]


async def press(desk: Desk, pilot: Any, *keys: str, after: float = 1.0) -> None:
    """Press keys so many seconds after now, in the clock of events."""
    for name in keys:
        event = events.Key(name, name if len(name) == 1 else None)
        event.time = time.monotonic() + after
        desk.bar.post_message(event)
        await pilot.pause()


async def shown(desk: Desk, pilot: Any, asked: ApprovalAsked = RUN) -> None:
    desk.bar.show(asked)
    desk.bar.focus()
    await pilot.pause()
    await pilot.pause()


async def test_the_whole_is_shown_with_the_choices_below() -> None:
    desk = Desk()
    async with desk.run_test(size=(64, 20)) as pilot:
        await shown(desk, pilot)
        assert rows(desk) == [
            "── Run this command? " + "─" * 43,
            "  shell     pip install hypothesis",
            "  in        ~/work",
            "  because   no rule allows it",
            "  y once    s this session    n no    Tab no, because...",
            "  Esc stop",
        ]


async def test_each_choice_decides_once_the_bar_has_stood_and_nobody_typed() -> None:
    desk = Desk()
    async with desk.run_test(size=(80, 20)) as pilot:
        for key in "ysn":
            await shown(desk, pilot)
            await press(desk, pilot, key)
        assert desk.told == [("7.0", "once", ""), ("7.0", "session", ""), ("7.0", "deny", "")]


async def test_a_key_too_soon_after_the_bar_or_after_typing_goes_on_into_the_composer() -> None:
    desk = Desk()
    async with desk.run_test(size=(80, 20)) as pilot:
        await shown(desk, pilot)
        await press(desk, pilot, "y", "enter", "tab", after=0.0)
        desk.last_typed = time.monotonic() + 0.9
        await press(desk, pilot, "n", after=1.0)
        assert desk.told == ["passed y", "passed enter", "passed tab", "passed n"]


async def test_a_key_in_one_burst_with_others_is_typing_whatever_it_is() -> None:
    desk = Desk()
    async with desk.run_test(size=(80, 20)) as pilot:
        await shown(desk, pilot)
        for number, name in enumerate("typing"):
            event = events.Key(name, name)
            event.time = time.monotonic() + 1.0 + number / 1000
            desk.bar.post_message(event)
        await pilot.pause()
        assert desk.told == [f"passed {name}" for name in "typing"]


async def test_of_two_keys_in_one_burst_only_the_first_decides() -> None:
    desk = Desk()
    async with desk.run_test(size=(80, 20)) as pilot:
        await shown(desk, pilot)
        for name in "yn":
            event = events.Key(name, name)
            event.time = time.monotonic() + 1.0
            desk.bar.post_message(event)
        await pilot.pause()
        assert desk.told == [("7.0", "once", ""), "passed n"]


async def test_a_command_stands_first_and_where_it_runs_below() -> None:
    desk = Desk()
    asked = ApprovalAsked("7.0", Preview("Run this command?", (("in", str(Path.home() / "work")),), "make\ttest"), "it runs")
    async with desk.run_test(size=(64, 20)) as pilot:
        await shown(desk, pilot, asked)
        assert rows(desk)[1:4] == ["  make    test", "  in        ~/work", "  because   it runs"]


async def test_the_names_above_a_diff_are_left_out() -> None:
    desk = Desk()
    asked = ApprovalAsked("7.1", Preview("Change a.py?", (), "--- a.py\n+++ a.py\n@@ -1 +1 @@\n-old\n+new", "diff"), "")
    async with desk.run_test(size=(64, 20)) as pilot:
        await shown(desk, pilot, asked)
        assert rows(desk)[1:4] == ["  @@ -1 +1 @@", "  -old", "  +new"]


async def test_other_keys_and_pastes_never_decide() -> None:
    desk = Desk()
    async with desk.run_test(size=(80, 20)) as pilot:
        await shown(desk, pilot)
        await press(desk, pilot, "Y", "enter")
        desk.bar.post_message(events.Paste("y"))
        await pilot.pause()
        assert desk.told == ["passed Y", "passed enter", "passed y"]


async def test_a_reason_is_typed_after_tab_and_given_with_the_no() -> None:
    desk = Desk()
    async with desk.run_test(size=(80, 20)) as pilot:
        await shown(desk, pilot)
        await press(desk, pilot, "tab", *"us", "x", "backspace", *"e")
        assert rows(desk)[-1] == "  No, because use"
        await press(desk, pilot, "enter")
        assert desk.told == [("7.0", "deny", "use")]


async def test_escape_leaves_the_reason_first_and_interrupts_then() -> None:
    desk = Desk()
    async with desk.run_test(size=(80, 20)) as pilot:
        await shown(desk, pilot)
        await press(desk, pilot, "tab", "a", "escape")
        assert desk.told == []
        await press(desk, pilot, "escape", after=0.0)
        assert desk.told == ["interrupted"]


async def test_a_long_diff_scrolls_between_title_and_choices() -> None:
    desk = Desk()
    async with desk.run_test(size=(60, 20)) as pilot:
        desk.bar.limit_rows(7)
        await shown(desk, pilot, EDIT)
        assert rows(desk) == [
            "── Edit total.py? ──── 39 lines below, Up and Down scroll ──",
            "  @@ -1,2 +1,2 @@",
            "  -old",
            "  +new",
            "   line 0",
            "  y once    s this session    n no    Tab no, because...",
            "  Esc stop",
        ]
        await press(desk, pilot, "down", "down", "down")
        assert rows(desk)[1:5] == ["   line 0", "   line 1", "   line 2", "   line 3"]


async def test_where_little_fits_the_change_itself_is_shown() -> None:
    desk = Desk()
    diff = "@@ -1,9 +1,9 @@\n" + "\n".join(f" line {n}" for n in range(9)) + "\n-old\n+new"
    async with desk.run_test(size=(40, 20)) as pilot:
        desk.bar.limit_rows(6)
        await shown(desk, pilot, ApprovalAsked("7.1", Preview("Change a.py?", (("lines", "+1 -1"),), diff, "diff"), ""))
        assert rows(desk)[:4] == ["── Change a.py? ──────────── 10 above ──", "   line 8", "  -old", "  +new"]
        await press(desk, pilot, "up")
        assert rows(desk)[:2] == ["── Change a.py? ──── 9 above, 1 below ──", "   line 7"]
