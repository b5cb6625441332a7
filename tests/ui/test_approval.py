"""The decision bar: what it shows, and which keys decide."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Literal

import pytest
from textual import events
from textual.app import App, ComposeResult
from textual.geometry import Offset

from flowchat.transcript.events import ApprovalAsked, Lasting, Preview
from flowchat.ui.approval import Approval
from flowchat.ui.keymap import DEFAULT, Change, Keymap, changed
from flowchat.ui.palette import DARK
from flowchat.ui.question import BODY_LIMIT_CHARS, BODY_LIMIT_LINES, lay_out

SLACK_CALLS = 4_000
"""What Textual does beside, more or less of it from one frame to the next; a layout takes far more."""
FREES = "this exact command"
RUN = ApprovalAsked(
    "7.0", Preview("Run this command?", (("shell", "pip install hypothesis"), ("in", "~/work"))), "no rule allows it", FREES
)
DIFF = "@@ -1,2 +1,2 @@\n-old\n+new\n" + "\n".join(f" line {n}" for n in range(40))
EDIT = ApprovalAsked("7.1", Preview("Edit total.py?", (), DIFF, "diff"), "", "edit_file in this workspace")


class Desk(App[None]):
    """A bar, what it posted, and when a key was last typed into the composer."""

    def __init__(self, keymap: Keymap = DEFAULT) -> None:
        super().__init__()
        self.last_typed = float("-inf")
        self.bar = Approval(DARK, lambda: self.last_typed, keymap)
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


@contextmanager
def counted() -> Iterator[list[int]]:
    """How many functions are called meanwhile."""
    calls = [0]

    def count(frame: FrameType, event: str, arg: object) -> None:
        calls[0] += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        yield calls
    finally:
        sys.setprofile(None)


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
            "  y once    s this session: this exact command    n no",
            "  Tab no, because...    Esc stop",
        ]


async def test_each_choice_decides_once_the_bar_has_stood_and_nobody_typed() -> None:
    desk = Desk()
    async with desk.run_test(size=(80, 20)) as pilot:
        for key in "ysn":
            await shown(desk, pilot)
            await press(desk, pilot, key)
        assert desk.told == [("7.0", "once", ""), ("7.0", "session", ""), ("7.0", "deny", "")]


async def test_other_keys_decide_where_they_are_bound_and_the_choices_name_them() -> None:
    desk = Desk(changed([Change("approval", "a", "once", 1), Change("approval", "y", None, 2), Change("approval", "s", None, 3)]))
    async with desk.run_test(size=(64, 20)) as pilot:
        await shown(desk, pilot)
        assert rows(desk)[-1] == "  a once    n no    Tab no, because...    Esc stop"
        await press(desk, pilot, "y", after=1.0)
        await press(desk, pilot, "s", after=2.0)
        await press(desk, pilot, "a", after=3.0)
        assert desk.told == ["passed y", "passed s", ("7.0", "once", "")]


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
    asked = ApprovalAsked(
        "7.0", Preview("Run this command?", (("in", str(Path.home() / "work")),), "make\ttest"), "it runs", FREES
    )
    async with desk.run_test(size=(64, 20)) as pilot:
        await shown(desk, pilot, asked)
        assert rows(desk)[1:4] == ["  make    test", "  in        ~/work", "  because   it runs"]


async def test_the_names_above_a_diff_are_left_out() -> None:
    desk = Desk()
    asked = ApprovalAsked(
        "7.1",
        Preview("Change a.py?", (), "--- a.py\n+++ a.py\n@@ -1 +1 @@\n-old\n+new", "diff"),
        "",
        "edit_file in this workspace",
    )
    async with desk.run_test(size=(64, 20)) as pilot:
        await shown(desk, pilot, asked)
        assert rows(desk)[1:4] == ["  1 - old", "  1 + new", "  s allows edit_file in this workspace"]


PLACES = (("local", ".flowchat/permissions.local.toml"), ("user", "~/.config/flowchat/permissions.toml"))
LASTING = ApprovalAsked("7.2", RUN.preview, "", FREES, Lasting(("shell(pip install hypothesis)",), PLACES))


async def test_always_shows_the_rule_and_the_places_before_a_key_keeps_it() -> None:
    desk = Desk()
    async with desk.run_test(size=(80, 20)) as pilot:
        await shown(desk, pilot, LASTING)
        assert rows(desk)[-2:] == [
            "  y once    s this session: this exact command    a always...    n no",
            "  Tab no, because...    Esc stop",
        ]
        await press(desk, pilot, "a")
        assert rows(desk) == [
            "── Write this rule? " + "─" * 60,
            "  allow  shell(pip install hypothesis)",
            "  p this project: .flowchat/permissions.local.toml",
            "  u all projects: ~/.config/flowchat/permissions.toml",
            "  Esc back",
        ]
        assert desk.told == []
        await press(desk, pilot, "escape", after=2.0)
        assert rows(desk)[0] == "── Run this command? " + "─" * 59
        for key, place in (("p", "local"), ("u", "user")):
            desk.told.clear()
            await shown(desk, pilot, LASTING)
            await press(desk, pilot, "a")
            await press(desk, pilot, key, after=2.0)
            assert desk.told == [("7.2", place, "")]


async def test_while_the_rule_is_shown_no_other_key_does_anything_and_none_struck_too_soon() -> None:
    desk = Desk()
    async with desk.run_test(size=(80, 20)) as pilot:
        await shown(desk, pilot, LASTING)
        await press(desk, pilot, "a", after=1.0)
        await press(desk, pilot, "p", after=1.1)
        for number, key in enumerate(("y", "s", "n", "tab", "a", "enter", "x")):
            await press(desk, pilot, key, after=2.0 + number)
        assert (desk.told, rows(desk)[0]) == ([], "── Write this rule? " + "─" * 60)


async def test_the_places_are_only_those_where_the_rule_would_count() -> None:
    desk = Desk()
    asked = ApprovalAsked("7.2", RUN.preview, "", FREES, Lasting(("shell(make)", "shell(npm test)"), PLACES[1:]))
    async with desk.run_test(size=(80, 20)) as pilot:
        await shown(desk, pilot, asked)
        await press(desk, pilot, "a")
        assert rows(desk)[0].startswith("── Write these rules? ")
        assert [row[:9] for row in rows(desk)[1:]] == ["  allow  ", "  allow  ", "  u all p", "  Esc bac"]
        await press(desk, pilot, "p", after=2.0)
        assert desk.told == []


async def test_a_rule_longer_than_the_bar_scrolls_and_its_keys_stay_in_view() -> None:
    desk = Desk()
    asked = ApprovalAsked("7.2", RUN.preview, "", FREES, Lasting((f"shell(make {'a' * 600})",), PLACES[1:]))
    async with desk.run_test(size=(40, 12)) as pilot:
        desk.bar.limit_rows(8)
        await shown(desk, pilot, asked)
        await press(desk, pilot, "a")
        assert rows(desk)[-1] == "  Esc back"
        await press(desk, pilot, "end", after=2.0)
        assert any(row.endswith("a)") for row in rows(desk))


async def test_what_a_rule_asks_about_is_offered_once_only() -> None:
    desk = Desk()
    asked = ApprovalAsked("7.2", RUN.preview, "a rule asks", "")
    async with desk.run_test(size=(80, 20)) as pilot:
        await shown(desk, pilot, asked)
        assert rows(desk)[-1] == "  y once    n no    Tab no, because...    Esc stop"
        await press(desk, pilot, "s", after=1.0)
        await press(desk, pilot, "a", after=2.0)
        assert desk.told == ["passed s", "passed a"]


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
        assert rows(desk)[-2:] == ["  No, because use", "  Enter deny   Esc back"]
        assert desk.bar.caret == Offset(len("  No, because use"), len(rows(desk)) - 2)
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
            "   1 - old",
            "   1 + new",
            "   2   line 0",
            "  s allows edit_file in this workspace",
            "  y once    s this session    n no    Tab no, because...",
            "  Esc stop",
        ]
        await press(desk, pilot, "down", "down", "down")
        assert rows(desk)[1:4] == ["   3   line 1", "   4   line 2", "   5   line 3"]
        await press(desk, pilot, "end")
        assert rows(desk)[:4] == [
            "── Edit total.py? ────────── 39 above, Up and Down scroll ──",
            "  39   line 37",
            "  40   line 38",
            "  41   line 39",
        ]
        await press(desk, pilot, "home")
        assert rows(desk)[1:3] == ["   1 - old", "   1 + new"]


async def test_where_little_fits_the_change_itself_is_shown() -> None:
    desk = Desk()
    diff = "@@ -1,9 +1,9 @@\n" + "\n".join(f" line {n}" for n in range(9)) + "\n-old\n+new"
    async with desk.run_test(size=(40, 20)) as pilot:
        desk.bar.limit_rows(7)
        await shown(
            desk,
            pilot,
            ApprovalAsked("7.1", Preview("Change a.py?", (("lines", "+1 -1"),), diff, "diff"), "", "edit_file in this workspace"),
        )
        assert rows(desk)[:4] == ["── Change a.py? ───────────── 9 above ──", "    line 8", "  - old", "  + new"]
        await press(desk, pilot, "up")
        assert rows(desk)[:2] == ["── Change a.py? ──── 8 above, 1 below ──", "    line 7"]


LONG = {
    "a megabyte on one line": ("echo " + "QUJD" * 250_000 + " | base64 -d > x", "text"),
    "a megabyte of wide characters on one line": ("echo " + "日本é" * 333_333, "text"),
    "a hundred thousand lines": ("\n".join(f"echo {number}" for number in range(100_000)), "text"),
    "a hundred thousand empty lines": ("\n" * 100_000, "text"),
    "a diff of a hundred thousand lines": ("@@ -1 +1 @@\n" + "\n".join(f"+line {n}" for n in range(100_000)), "diff"),
}


KEYS = ("down", "end", "home", "tab", "a", "backspace")


async def work_of(body: str, kind: Literal["text", "diff"]) -> list[int]:
    """Calls made to show a question, then for each of some keys."""
    desk = Desk()
    async with desk.run_test(size=(80, 24)) as pilot:
        with counted() as showing:
            await shown(desk, pilot, ApprovalAsked("7.0", Preview("Go?", (("in", "~/work"),), body, kind), "it runs", FREES))
        work = [showing[0]]
        for key in KEYS:
            with counted() as calls:
                await press(desk, pilot, key)
            work.append(calls[0])
        return work


@pytest.mark.parametrize(("body", "kind"), LONG.values(), ids=LONG)
async def test_the_work_of_showing_a_question_is_bounded_and_a_key_lays_nothing_out(
    body: str, kind: Literal["text", "diff"]
) -> None:
    short, long, longer = [await work_of(text, kind) for text in ("line\n" * 40, body, body * 2)]
    assert longer[0] < long[0] + SLACK_CALLS
    assert [more - less < SLACK_CALLS for more, less in zip(long[1:], short[1:], strict=True)] == [True] * len(KEYS)


async def test_a_question_at_its_bound_is_laid_out_once() -> None:
    body = "\n".join("word " * 6 for _ in range(2 * BODY_LIMIT_LINES))
    with counted() as once:
        lay_out(ApprovalAsked("7.0", Preview("Go?", (), body), "", FREES), 80, DARK)
    assert (await work_of(body, "text"))[0] < (await work_of("", "text"))[0] + 1.5 * once[0] + SLACK_CALLS


async def test_of_a_command_too_long_to_show_the_ends_are_shown_and_how_much_is_between() -> None:
    desk = Desk()
    size = 1_000_000
    body = "first " + "x" * (size - 11) + " last"
    async with desk.run_test(size=(80, 20)) as pilot:
        desk.bar.limit_rows(5)
        await shown(desk, pilot, ApprovalAsked("7.0", Preview("Run this command?", (), body), "", FREES))
        gap = f"  {size - 2 * BODY_LIMIT_CHARS:,} characters in the middle are not shown"
        assert rows(desk)[1:3] == ["  first", gap]
        await press(desk, pilot, "end")
        assert (rows(desk)[1][-6:], rows(desk)[2]) == ("x last", gap)
        assert laid_out(body).count(gap) == 1


def laid_out(body: str) -> list[str]:
    question = lay_out(ApprovalAsked("7.0", Preview("Run this command?", (), body), "", FREES), 80, DARK)
    return ["".join(text for text, _ in row) for row in question.body]


def test_of_many_lines_the_first_and_the_last_are_shown() -> None:
    lines = [f"  {number}" for number in range(100_000)]
    hidden = "\n".join(str(number) for number in range(BODY_LIMIT_LINES, 100_000 - BODY_LIMIT_LINES))
    gap = f"  {len(hidden) + 2:,} characters on 98,000 lines in the middle are not shown"
    body = "\n".join(str(number) for number in range(100_000))
    assert laid_out(body) == [*lines[:BODY_LIMIT_LINES], gap, *lines[-BODY_LIMIT_LINES:]]


def test_a_command_within_the_bound_is_shown_to_its_last_character() -> None:
    body = "x" * (2 * BODY_LIMIT_CHARS)
    assert "".join(row[2:] for row in laid_out(body)) == body


async def test_a_title_too_long_for_the_head_is_told_in_full_below() -> None:
    desk = Desk()
    async with desk.run_test(size=(40, 20)) as pilot:
        await shown(desk, pilot, ApprovalAsked("7.1", Preview("Read some/where/in/the/deep/of/keys.txt?"), "", FREES))
        assert rows(desk)[:3] == [
            "── Read some/where/in/the/deep/of/k…────",
            "  Read",
            "  some/where/in/the/deep/of/keys.txt?",
        ]


@pytest.mark.parametrize(
    ("width", "grant", "told"),
    [
        (80, "edit_file in this workspace", ["  y once    s this session: edit_file in this workspace    n no"]),
        (40, "edit_file in this workspace", ["  s allows edit_file in this workspace", "  y once    s this session    n no"]),
        (40, f"read_file for /{'long/' * 40}\x1bkeys", ["  s allows read_file for", "  … /long/long/long/long/␛eys"]),
    ],
)
async def test_what_the_session_would_be_freed_for_is_said(width: int, grant: str, told: list[str]) -> None:
    desk = Desk()
    async with desk.run_test(size=(width, 12)) as pilot:
        desk.bar.limit_rows(7)
        await shown(desk, pilot, ApprovalAsked("7.0", Preview("Go?", (), "\n".join("abcdefgh")), "", grant))
        first = rows(desk).index(told[0])
        assert rows(desk)[first : first + len(told)] == told
