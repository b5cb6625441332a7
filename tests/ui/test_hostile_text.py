"""Nothing foreign acts on the terminal: the cases of injection through every channel, on the real program."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from flowchat.transcript.clean import HIDDEN_MARK, SEQUENCE_MARK
from tests.injections import INJECTIONS
from tests.ui import hostile
from tests.ui.terminals import Terminal, unknown

CASES = json.loads(Path(__file__).with_name("cases.json").read_text())
GIVEN = [case["input"]["text"] for case in CASES if case["area"] == "terminal-injection"]
ALL = dict.fromkeys([*("".join(text) for text in GIVEN), *(text for text, _ in INJECTIONS.values())])
TEXTS = [text.replace("\0", "") for text in ALL if "\ud83d" not in text]
"""A terminal, a file and a file's name can hold all of them but a lone surrogate and NUL."""
ACTS = re.compile(
    "(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b[\\]PX^_]|[\x90\x9d])[^\x07\x1b\x9c]*(?:\x07|\x1b\\\\|\x9c)|\x1b[ -/]*[0-~]"
    "|[\x05\x08\x0b\x0c\x0e\x7f-\x9f\u200b\u2028\u202e\u2060\u2066\u2069\ufeff\u00ad]|[\U000e0000-\U000e0fff]+"
)
"""What acts in the texts of the cases."""
OURS = {"\x1b[0m", "\x1b[2J"}
"""What the program writes by itself, too."""
SHIFT_ENTER, ENTER, ESCAPE = b"\x1b[13;2u", b"\x1b[13u", b"\x1b[27u"


@pytest.fixture
def begin(start: Callable[..., Terminal], tmp_path: Path) -> Callable[[str], Terminal]:
    """Starts the program among the texts, in a mode."""
    texts = tmp_path / "texts.json"
    texts.write_text(json.dumps(TEXTS))
    (tmp_path / "here").mkdir()
    return lambda mode: start(hostile.__file__, str(tmp_path / "here"), str(texts), mode, columns=100, rows=90)


def test_every_case_is_one_of_these() -> None:
    assert len(GIVEN) == 22
    assert len([text for text in TEXTS if ACTS.search(text)]) > 30


def test_what_a_model_its_tools_and_files_say_acts_on_nothing(begin: Callable[[str], Terminal]) -> None:
    program = begin("bypass")
    program.write(b"go" + ENTER)
    program.read_until(lambda seen: b"All done." in seen)
    assert sum(SEQUENCE_MARK in row for row in program.rows) > 10
    assert foreign(program) == []


def test_what_is_pasted_said_and_asked_acts_on_nothing(begin: Callable[[str], Terminal]) -> None:
    program = begin("default")
    for text in TEXTS:
        pasted = text.replace("\x1b[201~", "").encode()
        program.write(b"\x1b[200~" + pasted + b"\x1b[201~" + SHIFT_ENTER)
    program.write(b"pasted")
    program.show_until(lambda rows: "pasted" in program.written[-1:])
    program.write(ENTER)
    program.show_until(lambda rows: any("y once" in row for row in rows))
    program.write(b"\x1b[B" * 60)
    program.rest(0.2)
    program.write(ESCAPE)
    program.show_until(lambda rows: not any("Esc stop" in row or "y once" in row for row in rows))
    program.write(b"/context raw" + ENTER)
    program.show_until(lambda rows: any("Esc close" in row for row in rows))
    program.write(b"\x1b[6~" * 8)
    program.rest(0.2)
    assert foreign(program) == []


def test_titles_in_the_picker_and_of_the_session_act_on_nothing(begin: Callable[[str], Terminal]) -> None:
    program = begin("default")
    program.write(b"/resume" + ENTER)
    program.show_until(lambda rows: any("user�resu" in row for row in rows))
    program.show_until(lambda rows: sum(SEQUENCE_MARK in row or HIDDEN_MARK in row for row in rows) > 10)
    program.write(b"\x1b[B" * (len(TEXTS) - 1))
    program.write(ENTER)
    program.show_until(lambda rows: any(f"▎ {hostile.TITLED}" in row for row in rows))
    assert foreign(program) == []


def foreign(program: Terminal) -> list[bytes]:
    """What was written that came out of one of the texts, or is no sequence of ours."""
    acting = {found[0] for text in TEXTS for found in ACTS.finditer(text)} - OURS
    acting -= {f"\x1b{sign}" for sign in "[]"}
    return [*unknown(program.seen), *(act.encode() for act in acting if act.encode("utf-8", "replace") in program.seen)]
