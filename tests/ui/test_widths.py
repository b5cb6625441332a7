"""How wide a text is drawn: our measure against the cells of a real tmux, and what is written where terminals disagree."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from unicodedata import unidata_version

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.style import Style

from flowchat.transcript.clean import clean
from flowchat.ui.composer import VISIBLE
from flowchat.ui.prose import gutter_strip, wrap
from flowchat.ui.strips import cut
from flowchat.ui.widths import KNOWN_UNICODE, UNKNOWN_MARK, as_written, clip, clusters
from flowchat.ui.wrapping import cells

CORPUS: dict[str, list[str]] = json.loads(Path(__file__).with_name("widths.json").read_text())
TEXTS = [text for texts in CORPUS.values() for text in texts]
TMUX = shutil.which("tmux")
ASK = """
import json, os, re, sys, tty
from pathlib import Path
from unicodedata import unidata_version
texts, answer = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
tty.setraw(0)
columns = []
for first in range(0, len(texts), 64):
    some = texts[first : first + 64]
    os.write(1, b"".join(b"\\r\\x1b[2K" + text.encode() + b"\\x1b[6n" for text in some))
    told = b""
    while told.count(b"R") < len(some):
        told += os.read(0, 4096)
    columns += [int(column) - 1 for column in re.findall(rb";(\\d+)R", told)]
answer.write_text(json.dumps(columns))
"""
"""A program in tmux that writes each text at the left edge and asks where the cursor is then."""


@pytest.mark.skipif(TMUX is None, reason="tmux is not installed: whose cells the widths are compared with")
def test_every_text_takes_as_many_cells_in_tmux_as_we_measure(tmp_path: Path) -> None:
    shown = [clean(text) for text in TEXTS]
    in_tmux = cells_in_tmux([as_written(text) for text in shown], tmp_path)
    assert len(TEXTS) > 400
    wrong = [(text, cell_len(text), cells) for text, cells in zip(shown, in_tmux, strict=True) if cell_len(text) != cells]
    assert wrong == []


@pytest.mark.skipif(TMUX is None, reason="tmux is not installed: whose cells the widths are compared with")
def test_every_row_of_the_pane_ends_in_the_same_column_of_tmux(tmp_path: Path) -> None:
    rows = [gutter_strip(row, 40).text for text in TEXTS for row in wrap([(clean(text), Style())], 36)]
    assert len(rows) > 400
    assert set(cells_in_tmux([as_written(row) for row in rows], tmp_path)) == {40}


@pytest.mark.skipif(TMUX is None, reason="tmux is not installed: whose cells the widths are compared with")
@pytest.mark.skipif(unidata_version != KNOWN_UNICODE, reason=f"this Python knows another Unicode than {KNOWN_UNICODE}")
def test_every_character_of_unicode_takes_as_many_cells_in_tmux_as_we_measure(tmp_path: Path) -> None:
    codes = [*range(0x20, 0xD800), *range(0xE000, 0x20000), *range(0x2FF00, 0x31500), *range(0xE0000, 0xE0200)]
    shown = [clean(chr(code)) for code in codes]
    in_tmux = cells_in_tmux([as_written(text) for text in shown], tmp_path)
    wrong = [
        (hex(code), cell_len(text), cells)
        for code, text, cells in zip(codes, shown, in_tmux, strict=True)
        if cell_len(text) != cells
    ]
    assert wrong == []


def cells_in_tmux(texts: list[str], folder: Path) -> list[int]:
    """The column tmux has its cursor in behind each text, in a server of its own that ends with the test."""
    assert TMUX is not None
    asked, answer, socket = folder / "asked.json", folder / "answer.json", folder / "tmux"
    asked.write_text(json.dumps(texts))
    tmux = [TMUX, "-u", "-S", str(socket), "-f", os.devnull]
    environ = {name: value for name, value in os.environ.items() if name != "TMUX"} | {"LC_ALL": "C.UTF-8"}
    command = [sys.executable, "-c", ASK, str(asked), str(answer)]
    try:
        for words in (
            ["new-session", "-d", "-x", "200", "-y", "5", "cat"],
            ["set-hook", "-g", "pane-exited", "wait-for -S asked"],
        ):
            subprocess.run([*tmux, *words], env=environ, check=True, timeout=20)
        subprocess.run([*tmux, "new-window", *command], env=environ, check=True, timeout=20)
        subprocess.run([*tmux, "wait-for", "asked"], env=environ, check=True, timeout=120)
    finally:
        subprocess.run([*tmux, "kill-server"], env=environ, check=False, timeout=20)
    return json.loads(answer.read_text())


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("plain │ 漢字 é …", "plain │ 漢字 é …"),
        ("⚠\ufe0f 1\ufe0f\u20e3 ☂\ufe0e", "⚠ 1\u20e3 ☂"),
        ("👍🏽 👩🏽\u200d💻", "👍 👩\u200d💻"),
        ("👨\u200d👩\u200d👧", "👨\u200d👩\u200d👧"),
        ("❤\ufe0f\u200d🔥 🏳\ufe0f\u200d🌈.", "❤ 🏳."),
        ("👩\u200d❤\ufe0f\u200d👨", "👩\u200d❤\u200d👨"),
        ("🇩🇪 हिन्दी שלום مرحبا", "🇩🇪 हिन्दी שלום مرحبا"),
        ("☰ Menu", "≡ Menu"),
        ("\u0378 \U0001fa77", f"{UNKNOWN_MARK} {UNKNOWN_MARK}"),
        ("\x1b[38;5;4m漢⚠\ufe0f\x1b[0m", "\x1b[38;5;4m漢⚠\x1b[0m"),
    ],
)
def test_what_terminals_disagree_on_is_written_in_a_form_they_do(text: str, written: str) -> None:
    assert as_written(text) == written


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_written_is_as_wide_as_what_was_measured(text: str) -> None:
    shown = clean(text)
    assert cell_len(as_written(shown)) == cell_len(shown) == sum(cells for _, _, cells in clusters(shown))
    assert as_written(as_written(shown)) == as_written(shown)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("🇩🇪🇫🇷a", ["🇩🇪", "🇫🇷", "a"]),
        ("हिन्दी", ["हि", "न्", "दी"]),
        ("কো கௌ", ["কো", " ", "கௌ"]),
        ("e\u0301👨\u200d👩\u200d👧👍🏽", ["e\u0301", "👨\u200d👩\u200d👧", "👍🏽"]),
        ("1\ufe0f\u20e3각\u1112\u1161\u11ab", ["1\ufe0f\u20e3", "각", "\u1112\u1161\u11ab"]),
    ],
)
def test_what_is_drawn_as_one_is_one_cluster(text: str, parts: list[str]) -> None:
    assert [text[first:end] for first, end, _ in clusters(text)] == parts


@given(st.lists(st.sampled_from(TEXTS), max_size=4).map("".join), st.integers(0, 30))
def test_a_text_is_cut_between_clusters_and_takes_the_room_there_is(text: str, width: int) -> None:
    kept = clip(text, width)
    ends = [0, *(end for _, end, _ in clusters(text))]
    assert text.startswith(kept)
    assert len(kept) in ends
    assert cell_len(kept) <= width
    assert cell_len(cut(text, width)) <= width


@pytest.mark.parametrize("text", [text for text in TEXTS if not text.startswith(("\u0301", "\u200d", "🏻", "🏽"))])
def test_the_composer_draws_a_text_in_the_cells_it_counts(text: str) -> None:
    assert cell_len(text.translate(VISIBLE)) == cells(text)
