"""What is copied: blocks, code and selections as they were written, on the real screen and through it."""

import base64
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.geometry import Offset
from textual.selection import Selection

from flowchat.config import open_folders
from flowchat.model.scripted import ScriptedModel, says
from flowchat.runtime.workspace import Workspace
from flowchat.transcript.entries import AssistantSaid, Call, Record, Text, Thinking, ToolAnswered, UserSaid, text_of
from flowchat.ui.blocks import Look
from flowchat.ui.copying import code_in, selected_text
from flowchat.ui.palette import DARK
from flowchat.ui.passages import ROWS_PER_PASSAGE
from flowchat.ui.story import Story
from tests.desk import HandClock, project_folder
from tests.staging import Settings
from tests.ui.telling import answer, numbered, said
from tests.ui.terminals import Terminal, modes_left

OSC = re.compile(rb"\x1b\]52;c;([A-Za-z0-9+/=]*)\x07")
OUTSIDE = re.compile(rb"\x1b\]52;c?;([A-Za-z0-9+/=]+)\x07")
"""As tmux writes it."""
NO_OTHER_WAY = dict.fromkeys(("TMUX", "STY", "VTE_VERSION", "XTERM_VERSION", "KONSOLE_VERSION", "TERM_PROGRAM"), "")
SHELL = """\
```sh
for f in *.py; do
\tsed -i 's/  *$//' "$f"   # a tab, and a line that is much longer than the pane is wide
done
```
"""
MARKDOWN = (
    "Plain words.",
    "A paragraph that is longer than any row of the screen, " + "word after word, " * 12 + "and ends.",
    "**bold**, *slanted*, ***both***, ~~gone~~, `code`, ``a ` tick`` and a\\*star.",
    "[a link](http://127.0.0.1/a_b?c=d&e=f) and <http://127.0.0.1/plain>",
    "# One\n\n## Two\n\n### Three\n\ntext\n",
    "- one\n- two\n  - deeper\n    - deepest\n* star\n+ plus\n",
    "1. first\n2. second\n   more of it\n\n   a paragraph in it\n10. tenth\n",
    "- [ ] open\n- [x] done\n",
    "> quoted\n> > twice\n\nand not\n",
    "| a | b |\n|---|--:|\n| 1 | 2 |\n| a long cell that has to be broken into rows to fit | x |\n",
    SHELL,
    "Do this:\n\n" + SHELL + "\nthen that:\n\n~~~python\ndef f(x):\n    return {\n        'a': x,\n    }\n~~~\n",
    "- in a list\n\n  ```json\n  {\"a\": [1,\n         2]}\n  ```\n",
    "    indented code\n        deeper\n",
    "````md\n```sh\nls\n```\n````\n",
    "```\n\n\nblank lines around\n\n\n```\n",
    "---\n\n***\n",
    "two  spaces   inside, and a hard  \nbreak",
    "日本語のとても長い文章は、どこででも折り返されるので、コピーすると一行に戻らなければなりません。" * 3,
    "emoji 👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 🇩🇪 ❤️ and e\u0301 a\u0308\u0323",
    "שלום עולם and مرحبا بالعالم in one line",
    "<div class=\"a\">html &amp; entities</div>\n",
    "a\\\nb & c < d > e \"f\" 'g' $HOME `$(id)` !!\n",
    "x" * 300,
)  # fmt: skip


async def talk(tmp_path: Path) -> tuple[str, list[str]]:
    """A session on disk with all these and the blocks around them; its id, and what its log says of each block."""
    script = [says(text, thinking=f"thought {number}" if number % 8 == 0 else "") for number, text in enumerate(MARKDOWN)]
    calls = [
        says(calls=[("read_file", {"path": "a.txt"})]),
        says(calls=[("read_file", {"path": "missing.txt"})]),
        says("Read.", calls=[("grep", {"pattern": "a"})]),
    ]
    environ = {"FLOWCHAT_HOME": str(tmp_path / "home")}
    model = ScriptedModel(*calls, says("All read."), *script)
    workspace = Workspace(
        project_folder(tmp_path), Settings(), open_folders(environ), environ, clock=HandClock(), make_model=lambda name: model
    )
    session = await workspace.new(model="scripted")
    for text in ("Read.", *MARKDOWN):
        await session.send(text)
        await session.idle()
    sources = [source for record in session.replay() for source in sources_of(record)]
    sid = session.sid
    await workspace.close()
    return sid, sources


def sources_of(record: Record) -> list[str]:
    match record.entry:
        case UserSaid(parts=parts):
            return [text_of(parts)]
        case AssistantSaid(parts=parts):
            return [part.text for part in parts if isinstance(part, Text | Thinking)]
        case ToolAnswered() as answered:
            return [answered.diff or answered.content]
        case _:
            return []


def copied(terminal: Terminal) -> list[str]:
    return [base64.b64decode(coded).decode() for coded in OSC.findall(terminal.seen)]


def copy(terminal: Terminal, keys: bytes) -> str:
    """Press these and wait for what they copy."""
    before = len(copied(terminal))
    terminal.write(keys)
    terminal.read_until(lambda _: len(copied(terminal)) > before)
    return copied(terminal)[-1]


async def test_every_block_of_a_session_is_in_the_clipboard_as_the_log_has_it(
    tmp_path: Path, start: Callable[..., Terminal]
) -> None:
    sid, sources = await talk(tmp_path)
    assert len(sources) > 50
    terminal = start("-m", "flowchat", "-r", sid, environ=NO_OTHER_WAY)
    terminal.show_until(lambda rows: any("xxxx" in row for row in rows))
    terminal.write(b"\x1b[1;5A")
    found = [copy(terminal, b"y")]
    found += [copy(terminal, b"ky") for _ in sources[1:]]
    assert sorted(found) == sorted(sources)
    assert found == sources[::-1]


async def test_the_last_answers_and_one_code_after_the_other_are_copied_by_key_and_command(
    tmp_path: Path, start: Callable[..., Terminal]
) -> None:
    sid, _ = await talk(tmp_path)
    terminal = start("-m", "flowchat", "-r", sid, environ=NO_OTHER_WAY)
    terminal.show_until(lambda rows: any("xxxx" in row for row in rows))
    terminal.type(b"/copy 3", echo=b"/copy 3")
    assert copy(terminal, b"\r") == MARKDOWN[-3]
    terminal.show_until(lambda rows: any("Copied answer 3 from the last" in row and "(OSC 52)" in row for row in rows))
    assert copy(terminal, b"\x1b[1;5AY") == MARKDOWN[-1]
    codes = [copy(terminal, b"c") for _ in range(3)]
    assert codes == ["\n\nblank lines around\n\n"] * 3
    terminal.write(b"/Do this")
    terminal.show_until(lambda rows: any("/Do this  2 of 2" in row for row in rows))
    terminal.write(b"\r")
    terminal.show_until(lambda rows: any("N before" in row for row in rows))
    assert [copy(terminal, b"c") for _ in range(3)] == [*code_in(MARKDOWN[11]), code_in(MARKDOWN[11])[0]]


@pytest.fixture
def socket(tmp_path: Path) -> Iterator[Path]:
    """Of a tmux that ends with the test."""
    yield tmp_path / "tmux"
    subprocess.run(["tmux", "-S", tmp_path / "tmux", "kill-server"], capture_output=True)


@pytest.mark.skipif(shutil.which("tmux") is None, reason="there is no tmux here")
async def test_in_tmux_as_it_comes_the_terminal_outside_gets_it(socket: Path, start: Callable[..., Terminal]) -> None:
    command = f"{sys.executable} -m flowchat"
    inside = f"import os; os.execvp('tmux', ['tmux', '-S', '{socket}', '-f', '/dev/null', 'new-session', '{command}'])"
    terminal = start("-c", inside, environ={**NO_OTHER_WAY, "LC_ALL": "C.UTF-8"})
    terminal.write(b"list .")
    terminal.show_until(lambda rows: "  list ." in rows)
    terminal.write(b"\r")
    terminal.show_until(
        lambda rows: any("F1 help" in row for row in rows) and any("b.txt" in row or "home" in row for row in rows)
    )
    terminal.write(b"\x1b[1;5A[y")
    terminal.show_until(lambda rows: any("to the clipboard (tmux)" in row for row in rows))
    terminal.read_until(lambda seen: OUTSIDE.search(seen) is not None)
    assert base64.b64decode(OUTSIDE.findall(terminal.seen)[-1]) == b"list ."


MOUSE_ON, MOUSE_OFF = b"\x1b[?1000h", b"\x1b[?1000l"


async def test_the_mouse_is_left_to_the_terminal_and_taken_back_by_key_and_command(start: Callable[..., Terminal]) -> None:
    terminal = start(environ=NO_OTHER_WAY)
    assert (MOUSE_ON in terminal.seen, terminal.seen.rfind(MOUSE_OFF) < terminal.seen.rfind(MOUSE_ON)) == (True, True)
    terminal.type(b"\x1bm", echo=MOUSE_OFF)
    terminal.show_until(lambda rows: "mouse off" in rows[-1] and any("Alt+M takes it back" in row for row in rows))
    terminal.type(b"/mouse on", echo=b"/mouse on")
    terminal.type(b"\r", echo=MOUSE_ON)
    terminal.show_until(lambda rows: "mouse off" not in rows[-1])
    terminal.type(b"/mouse", echo=b"/mouse")
    terminal.type(b"\r", echo=MOUSE_OFF)
    terminal.show_until(lambda rows: "mouse off" in rows[-1])
    terminal.write(b"\x04")
    assert terminal.wait() == 0
    assert modes_left(terminal.seen) == []


@pytest.mark.parametrize(("at_once", "copies"), [(False, 1), (True, 2)])
async def test_what_the_mouse_selects_is_copied_by_ctrl_c_and_at_once_where_that_is_set(
    at_once: bool, copies: int, tmp_path: Path, start: Callable[..., Terminal]
) -> None:
    sid, _ = await talk(tmp_path)
    if at_once:
        (tmp_path / "home" / "config" / "config.toml").write_text("copy_on_select = true\n")
    terminal = start("-m", "flowchat", "-r", sid, environ=NO_OTHER_WAY)
    rows = terminal.show_until(lambda rows: any("xxxx" in row for row in rows))
    y = next(at for at, row in enumerate(rows, 1) if "xxxx" in row)
    terminal.write(b"\x1b[<0;3;%dM\x1b[<32;9;%dM\x1b[<0;9;%dm" % (y, y, y))
    terminal.rest(0.5)
    terminal.type(b"\x03", echo=b"to the clipboard")
    terminal.read_until(lambda _: len(copied(terminal)) == copies)
    assert copied(terminal) == ["x" * 7] * copies


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("no code, `x` at most", []),
        ("```sh\nls -l\n```", ["ls -l"]),
        ("~~~\na\n\n~~~\n", ["a\n"]),
        ("still being written:\n```py\nx = 1\ny", ["x = 1\ny"]),
        ("1. in a list\n   ```sh\n   cd x\n     ls\n   ```\n", ["cd x\n  ls"]),
        ("> ```\n> quoted\n> ```\n", ["quoted"]),
        ("text\n\n    indented\n      more\n", ["indented\n  more"]),
        ("text\n\n\ttab\n", ["tab"]),
        ("````\n```\ninner\n```\n````\n\n```\ntwo\n```", ["```\ninner\n```", "two"]),
    ],
)
def test_code_is_found_wherever_markdown_has_it_without_what_it_is_set_in_by(source: str, code: list[str]) -> None:
    assert code_in(source) == code


# --- selections ------------------------------------------------------------------------------------------------------
def story(*items: object) -> Story:
    told = Story()
    for event in numbered(*items):
        assert isinstance(event, Record)
        told.take(event, None)
    return told


def selected(told: Story, first: tuple[int, int], last: tuple[int, int], width: int) -> str:
    """What is copied from (x, y) to before (x, y), the rows of the story counted from 0."""
    look = Look(width, DARK)
    lines = [index * ROWS_PER_PASSAGE + row for index in range(len(told.passages)) for row in range(told.height(index, look))]
    return selected_text(told, Selection(Offset(first[0], lines[first[1]]), Offset(last[0], lines[last[1]])), look)


def test_prose_that_was_broken_to_fit_is_one_line_again() -> None:
    told = story(answer("A **first** line that is broken.\nA second."), said("x"))
    assert [row.text.rstrip() for row in told.rows(Look(18, DARK))][:4] == [
        "  A first line",
        "  that is",
        "  broken.",
        "  A second.",
    ]
    assert selected(told, (4, 0), (11, 3), 18) == "first line that is broken.\nA second."


def test_code_that_was_broken_to_fit_pastes_and_runs() -> None:
    told = story(answer("Do:\n\n" + SHELL), said("x"))
    rows = [row.text.rstrip() for row in told.rows(Look(40, DARK))]
    first, last = (
        next(at for at, row in enumerate(rows) if "for f" in row),
        next(at for at, row in enumerate(rows) if "done" in row),
    )
    assert last - first > 3
    assert selected(told, (0, first), (40, last), 40) == code_in(SHELL)[0]


def test_bars_gutters_and_filling_are_not_copied() -> None:
    told = story(
        answer(Call("a", "shell", '{"command":"make"}'), finish="calls"),
        ToolAnswered("1.0", "error", "it failed", "cc -c a.c\n\tindented by a tab\n" + "long " * 20 + "end", duration_ms=31),
    )
    for block in told.passages[0].blocks:
        block.fold(Look(40, DARK))
    rows = [row.text.rstrip() for row in told.rows(Look(40, DARK))]
    assert selected(told, (0, 0), (40, len(rows) - 1), 40) == (
        "✗ shell  make  failed  31 ms\ncc -c a.c\n\tindented by a tab\n" + "long " * 20 + "end"
    )


def test_a_selection_within_a_row_is_those_characters() -> None:
    assert selected(story(said("one two three")), (6, 0), (9, 0), 40) == "two"


@given(
    st.lists(st.lists(st.from_regex(r"[a-z]{1,12}", fullmatch=True), min_size=1, max_size=30), min_size=1, max_size=6),
    st.integers(12, 60),
)
def test_whatever_the_width_lines_of_words_come_back_as_they_were(lines: list[list[str]], width: int) -> None:
    text = "\n".join(" ".join(line) for line in lines)
    told = story(answer(f"```\n{text}\n```\nend"))
    rows = told.rows(Look(width, DARK))
    assert selected(told, (0, 0), (width, len(rows) - 3), width) == text
