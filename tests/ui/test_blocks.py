"""Single blocks: thoughts, long messages, and a call's panel in each of its states."""

import pytest

from flowchat.transcript.entries import AnswerStatus, ToolAnswered
from flowchat.ui.blocks import Answer, Block, Look, Said, Thought, duration
from flowchat.ui.calls import main_argument, read_arguments, short_name
from flowchat.ui.diffs import DiffLine, changes, read_diff
from flowchat.ui.markdown import strip_of_line
from flowchat.ui.palette import DARK, Palette
from flowchat.ui.tool_panel import DIFF_ROWS, LIVE_LIMIT_CHARS, Panel

LOOK = Look(60, DARK)


def drawn(block: Block, look: Look = LOOK) -> list[str]:
    return [strip_of_line(line).text.rstrip() for line in block.draw(look)]


@pytest.mark.parametrize(
    ("ms", "words"),
    [(0, "0 ms"), (31, "31 ms"), (1000, "1 s"), (1440, "1.4 s"), (6000, "6 s"), (12_300, "12 s"), (125_000, "2 min 5 s")],
)
def test_durations_are_short(ms: int, words: str) -> None:
    assert duration(ms) == words


def test_a_thought_counts_seconds_until_something_else_comes() -> None:
    thought = Thought(began=10.0)
    thought.grow("Hm.\nSo.")
    shown = [drawn(thought)]
    thought.tick(13.9, 1)
    shown.append(drawn(thought))
    thought.stop(16.0)
    shown.append(drawn(thought))
    assert shown == [["  ◐ thinking  0 s"], ["  ◓ thinking  3 s"], ["  ▸ thought for 6 s"]]
    assert not thought.moves
    assert thought.fold(LOOK)
    assert drawn(thought) == ["  ▾ thought for 6 s", "    │ Hm.", "    │ So."]


def test_a_long_message_is_folded_and_says_by_how_much() -> None:
    message = Said("\n".join(f"line {number}" for number in range(1, 101)))
    assert drawn(message)[-2:] == ["▎ line 12", "▎ ▸ 88 more rows"]
    assert message.fold(LOOK)
    assert drawn(message)[-1] == "▎ line 100"
    assert not Said("short").fold(LOOK)


def test_an_answer_that_is_drawn_while_it_grows_ends_as_one_that_is_drawn_once() -> None:
    grown = Answer()
    for piece in ("# On", "e\n\nte\x1b", "[2Jxt\n\n- a", "\n- b"):
        grown.grow(piece)
        grown.draw(LOOK)
    grown.end()
    whole = Answer("# One\n\nte\x1b[2Jxt\n\n- a\n- b", whole=True)
    assert drawn(grown) == drawn(whole) == ["  One", "", "  te␛xt", "", "  • a", "  • b"]
    assert grown.source == whole.source == "# One\n\nte␛xt\n\n- a\n- b"


ANSWERS: dict[AnswerStatus, list[str]] = {
    "ok": ["  ✓ shell  make                          exit 0    2 s"],
    "error": ["  ✗ shell  make                    failed  exit 0    2 s"],
    "denied": ["  ⊘ shell  make                    denied  exit 0    2 s"],
    "interrupted": ["  ■ shell  make               interrupted  exit 0    2 s"],
    "not_run": ["  ⊘ shell  make                   not run  exit 0    2 s"],
    "unknown": ["  ■ shell  make           outcome unknown  exit 0    2 s"],
}


@pytest.mark.parametrize(("status", "rows"), ANSWERS.items(), ids=list(ANSWERS))
def test_every_outcome_has_a_glyph_and_a_word(status: AnswerStatus, rows: list[str]) -> None:
    panel = Panel("shell", '{"command":"make"}', "waiting")
    panel.answer(ToolAnswered("1.0", status, "exit 0", "out", duration_ms=2000))
    assert [" ".join(row.split()) for row in drawn(panel)] == [" ".join(row.split()) for row in rows]


def test_a_call_is_shown_from_its_first_character_on() -> None:
    panel = Panel("", "", "writing")
    shown = [drawn(panel)[0].split()]
    for piece in (("write_file", '{"pa'), ("", 'th":"src/a'), ("", '.py","content":"x')):
        panel.write(*piece)
        shown.append(drawn(panel)[0].split())
    assert shown == [
        ["·", "call", "writing"],
        ["·", "write", "writing"],
        ["·", "write", "src/a", "writing"],
        ["·", "write", "src/a.py", "writing"],
    ]


def test_a_running_call_turns_its_glyph_and_counts() -> None:
    panel = Panel("shell", '{"command":"make"}', "waiting")
    panel.start(5.0)
    panel.tick(70.0, 6)
    assert drawn(panel)[0].split() == ["◑", "shell", "make", "running", "1", "min", "5", "s"]
    assert panel.moves


def test_live_output_is_bounded_and_counts_what_is_gone() -> None:
    panel = Panel("shell", '{"command":"make"}', "waiting")
    panel.start(0.0)
    for number in range(20_000):
        panel.put_out(f"line {number}\n")
    assert drawn(panel)[1:] == [
        "    │ line 19997",
        "    │ line 19998",
        "    │ line 19999",
        "    │ 19,997 lines above, Ctrl+O unfolds",
    ]
    panel.put_out("x" * 3 * LIVE_LIMIT_CHARS)
    assert drawn(panel)[2:] == ["    │ 20,000 lines above, Ctrl+O unfolds"]


def test_an_error_that_does_not_fit_stands_below() -> None:
    panel = Panel("edit_file", '{"path":"src/x.py"}', "waiting")
    panel.answer(ToolAnswered("1.0", "error", "`old` is in the file three times: give more lines around it, or set all", "no"))
    assert [row.rstrip() for row in drawn(panel)] == [
        "  ✗ edit   src/x.py                                 failed",
        "    │ `old` is in the file three times: give more lines",
        "    │ around it, or set all",
    ]


def test_a_long_error_is_cut_behind_its_third_row() -> None:
    panel = Panel("edit_file", '{"path":"src/x.py"}', "waiting")
    panel.answer(ToolAnswered("1.0", "error", "why " * 50, "no"))
    assert [row.rstrip() for row in drawn(panel)][1:] == [
        *[f"    │ {' '.join(['why'] * 13)}"] * 2,
        f"    │ {' '.join(['why'] * 12)} why…",
    ]


def test_a_long_diff_says_how_much_is_not_shown_and_unfolds() -> None:
    diff = "--- a/x\n+++ b/x\n@@ -0,0 +1,40 @@\n" + "".join(f"+line {number}\n" for number in range(1, 41))
    panel = Panel("write_file", '{"path":"x","content":"..."}', "waiting")
    panel.answer(ToolAnswered("1.0", "ok", "+40 -0", "done", diff=diff))
    rows = drawn(panel)
    assert (len(rows), rows[1], rows[-1]) == (DIFF_ROWS + 1, "    │  1 + line 1", "    │ 25 more rows, Ctrl+O unfolds")
    assert panel.fold(LOOK)
    assert (len(drawn(panel)), drawn(panel)[-1]) == (41, "    │ 40 + line 40")
    assert panel.fold(LOOK)
    assert len(drawn(panel)) == 1


def test_a_command_of_several_lines_is_whole_when_unfolded() -> None:
    panel = Panel("shell", '{"command":"cd src\\nmake"}', "waiting")
    panel.answer(ToolAnswered("1.0", "ok", "exit 0", "\x1b[32mdone\x1b[0m\n"))
    assert drawn(panel)[0].split()[:4] == ["✓", "shell", "cd", "src"]
    assert drawn(panel, Look(60, DARK, unfolded=True))[1:] == ["    │ cd src", "    │ make", "    │ done"]


def test_what_is_narrow_loses_the_duration_first_and_never_the_state() -> None:
    panel = Panel("shell", '{"command":"pytest -q tests/invoice"}', "waiting")
    panel.answer(ToolAnswered("1.0", "error", "exit 1", "no", duration_ms=6000))
    assert drawn(panel, Look(34, DARK))[0] == "  ✗ shell  pytest -q te…  failed"


def test_ascii_alone_is_enough() -> None:
    look = Look(60, Palette(ascii=True), unfolded=True)
    panel = Panel("edit_file", '{"path":"x"}', "waiting")
    panel.answer(ToolAnswered("1.0", "ok", "+1 -1", "", diff="@@ -1 +1 @@\n-a\n+b\n@@ -9 +9 @@\n-c\n+d\n"))
    answer = Answer("# T\n\n- a\n\n> q\n\n---\n\n|a|b|\n|-|-|\n|c|d|", whole=True)
    blocks: list[Block] = [panel, answer, Said("hi"), Thought("t", 5)]
    assert [row for block in blocks for row in drawn(block, look) if not row.isascii()] == []


def test_diffs_are_numbered_and_shortened_to_what_changed() -> None:
    diff = "--- a/x\n+++ b/x\n@@ -7,5 +7,4 @@ def f():\n a\n b\n-c\n d\n e\n@@ -20 +19 @@\n-x\n+y\n\\ No newline at end of file\n"
    lines = read_diff(diff)
    assert lines == [
        DiffLine(" ", "a", 7, 7), DiffLine(" ", "b", 8, 8), DiffLine("-", "c", 9), DiffLine(" ", "d", 9, 10),
        DiffLine(" ", "e", 10, 11),
        DiffLine("", "…"), DiffLine("-", "x", 20), DiffLine("+", "y", 19), DiffLine("", "No newline at end of file"),
    ]  # fmt: skip
    assert [line.text for line in changes(lines)] == ["b", "c", "d", "…", "x", "y", "No newline at end of file"]


CALLS = {
    "grep": ("grep", '{"pattern":"round(","path":"src/"}', '"round(" in src/'),
    "grep everywhere": ("grep", '{"pattern":"x"}', '"x"'),
    "glob": ("glob", '{"pattern":"*.py","path":"src"}', "*.py in src"),
    "list": ("list_dir", "{}", "."),
    "read": ("read_file", '{"path":"a.py","offset":3}', "a.py"),
    "recall by words": ("recall", '{"query":"staging port"}', '"staging port"'),
    "recall by a pattern, from an entry": ("recall", '{"query":"/port \\\\d+/","from":812}', "/port \\d+/ from entry 812"),
    "recall by reading": ("recall", '{"from":812,"skip":100}', "from entry 812"),
    "recall at large": ("recall", "{}", "what is out of view"),
    "a command over lines": ("shell", '{"command":"cd x\\n  make"}', "cd x make"),
    "a tool nobody knows": ("frob", '{"level":3,"deep":true}', "level=3, deep=True"),
    "no object": ("frob", "[1]", ""),
    "half a string": ("shell", '{"command":"pytest -q te', "pytest -q te"),
    "half an escape": ("shell", '{"command":"a\\', "a"),
    "half a key": ("shell", '{"command":"ls","time', "ls"),
    "control characters": ("shell", '{"command":"a\\u001b[2Jb"}', "a␛b"),
}


@pytest.mark.parametrize(("tool", "raw", "shown"), CALLS.values(), ids=CALLS)
def test_a_call_says_what_it_is_about(tool: str, raw: str, shown: str) -> None:
    assert main_argument(tool, raw) == shown


def test_tools_have_short_names_and_no_name_can_act() -> None:
    assert [short_name(name) for name in ("read_file", "shell", "mcp__x__y", "a\x1b[2J\nb", "")] == [
        "read",
        "shell",
        "mcp__x__y",
        "a␛ b",
        "call",
    ]


def test_arguments_that_are_nothing_are_empty() -> None:
    assert [read_arguments(raw) for raw in ("", "{", "nonsense", "[1]")] == [{}, {}, {}, {}]
