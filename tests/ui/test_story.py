"""What each kind of entry looks like, and that foreign text acts on nothing wherever it comes in."""

import re
from collections.abc import Sequence

import pytest

from flowchat.transcript.entries import (
    AnyEntry,
    Blob,
    BlobRef,
    Call,
    CallCut,
    Compacted,
    CompactionUndone,
    ContextAdded,
    Damaged,
    Noticed,
    Record,
    RunEnded,
    Text,
    Thinking,
    ToolAnswered,
    ToolStarted,
    Unknown,
    UserSaid,
)
from flowchat.transcript.events import Event, OutputDelta
from flowchat.ui.blocks import Look
from flowchat.ui.palette import DARK
from flowchat.ui.story import Story
from flowchat.ui.tool_panel import Panel
from tests.injections import INJECTIONS
from tests.ui.telling import answer, numbered, said


def tell(story: Story, event: Event) -> None:
    if isinstance(event, Record):
        story.take(event, now=0.0)
    elif isinstance(event, OutputDelta) and (panel := story.panel(event.call)) is not None:
        panel.put_out(event.text)


def rows_of(events: Sequence[Event], width: int = 60) -> str:
    story = Story()
    for event in events:
        tell(story, event)
    return "\n".join(row.text.rstrip() for row in story.rows(Look(width, DARK)))


LINES: dict[str, tuple[AnyEntry, str]] = {
    "an interrupted run": (RunEnded(1, "interrupted"), "  ■ interrupted"),
    "a failed run": (RunEnded(1, "failed", code="auth", message="the key was refused"), "  ✗ failed  the key was refused"),
    "a run at its limit": (RunEnded(1, "limit"), "  ■ stopped  the step limit was reached"),
    "a crashed run": (RunEnded(1, "crashed"), "  ✗ crashed  the program was closed during this answer"),
    "a notice": (Noticed("info", "x", "AGENTS.md was cut"), "  · AGENTS.md was cut"),
    "a warning": (Noticed("warning", "x", "cut"), "  · warning  cut"),
    "a named file": (ContextAdded("file", "src/x.py", (Text("x = 1"),)), "  · @src/x.py read  ▸"),
    "a named file that could not be read": (ContextAdded("file", "x", (Text("(not shown: no)"),)), "  · @x not shown: no  ▸"),
    "instructions": (ContextAdded("instructions", "/a/AGENTS.md", (Text("Be brief."),)), "  · AGENTS.md read  ▸"),
    "a mode": (ContextAdded("mode", "mode", (Text("Plan only."),)), "  · Plan only."),
    "a mode that is explained": (ContextAdded("mode", "mode", (Text("Mode: plan. Read.\nThink."),)), "  · Mode: plan.  ▸"),
    "a failure at length": (
        RunEnded(1, "failed", message="why " * 300),
        "\n".join(
            ["  ✗ failed  " + " ".join(["why"] * 11), *["    " + " ".join(["why"] * 13)] * 4, "    " + "why " * 11 + "why…  ▸"]
        ),
    ),
    "the environment": (ContextAdded("environment", "environment", (Text("Linux"),)), ""),
    "a line that could not be read": (Damaged("its crc is wrong"), "  ✗ damaged entry  its crc is wrong"),
    "a line of a newer program": (Unknown("hologram"), "  · unknown entry  hologram, written by a newer flowchat"),
    "a checkpoint taken back": (CompactionUndone(3), "  ⤒ compaction undone"),
    "an attachment": (
        UserSaid("c", (Text("see"), Blob(BlobRef("0" * 64, 2048, "image/png", (640, 480)), "a.png"))),
        "▎ see\n▎ [a.png 640x480, 2,048 bytes]",
    ),
    "an answer to nothing": (ToolAnswered("9.0", "ok", "14 matches"), "  · answer to a missing call  14 matches"),
    "a call that was cut": (
        answer(CallCut("shell", '{"command":"ls -')),
        "  ✗ shell  ls -                                    cut off",
    ),
    "a step without a word": (answer("  \n"), ""),
}


@pytest.mark.parametrize(("entry", "rows"), LINES.values(), ids=LINES)
def test_an_entry_is_this_line(entry: AnyEntry, rows: str) -> None:
    assert rows_of(numbered(entry)) == rows


# --- foreign text ----------------------------------------------------------------------------------------------------
def channels(text: str) -> list[Event]:
    """A branch with the text wherever foreign text can be."""
    return numbered(
        said(text),
        ContextAdded("file", text, (Text(text),)),
        Noticed("error", text, text),
        answer(
            Thinking(text), text, Call("a", text, text), Call("b", "shell", f'{{"command":"{text}"}}'), CallCut(text, text), ms=1
        ),
        ToolAnswered("4.0", "error", text, text, diff=f"@@ -1 +1 @@\n+{text}\n"),
        ToolStarted("4.1"),
        OutputDelta("4.1", text),
        ToolAnswered("4.1", "ok", text, text),
        RunEnded(2, "failed", message=text),
        Compacted(1, text, 1, 1, "user", "summary", directives=(text,)),
        Unknown(text),
        Damaged(text),
        UserSaid("c", (Blob(BlobRef("0" * 64, 1, text), text),)),
    )


@pytest.mark.parametrize("text", [given for given, _ in INJECTIONS.values()], ids=list(INJECTIONS))
@pytest.mark.parametrize("unfolded", [False, True])
def test_no_channel_lets_anything_through_that_acts_on_the_terminal(text: str, unfolded: bool) -> None:
    story, look = Story(), Look(60, DARK, unfolded)
    for event in channels(text):
        tell(story, event)
    if unfolded:
        for passage in story.passages:
            for block in passage.blocks:
                block.fold(look) if not isinstance(block, Panel) else None
    rows = story.rows(look)
    assert {row.cell_length for row in rows} == {60}
    acting = re.compile("[\x00-\x1f\x7f-\x9f\u200b\u202e\u2028\u2060\u2066\ufeff]")
    assert [row.text for row in rows if acting.search(row.text)] == []
