"""Which key asks for what, by default and with what the user changed."""

import json
import os
import string
from pathlib import Path

import pytest
import textual.keys

from flowchat.config import FILE_LIMIT_BYTES
from flowchat.ui.key_names import key_named, shown
from flowchat.ui.keymap import DEFAULT, Change, Keymap, load_keymap
from flowchat.ui.keys import CONTEXTS, RESERVED

TAKEN_ELSEWHERE = {
    "ctrl+b": "tmux",
    "ctrl+a": "screen",
    "ctrl+s": "flow control",
    "ctrl+q": "flow control",
    "ctrl+p": "an editor's terminal",
    "ctrl+f": "an editor's terminal",
    "alt+enter": "Windows Terminal",
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keybindings.json"


def written(file: Path, text: str) -> Keymap:
    file.write_text(text, encoding="utf-8")
    return load_keymap(file)


def bound(file: Path, context: str, **keys: object) -> Keymap:
    return written(file, json.dumps({"bindings": [{"context": context, "bindings": keys}]}))


@pytest.mark.parametrize("context", CONTEXTS)
def test_what_a_terminal_or_what_runs_in_it_takes_has_a_second_key(context: str) -> None:
    rows = [row for row in CONTEXTS[context] if TAKEN_ELSEWHERE.keys() & row.keys]
    assert [row.act for row in rows if TAKEN_ELSEWHERE.keys() >= set(row.keys)] == []


@pytest.mark.parametrize("context", CONTEXTS)
def test_a_key_means_one_thing_in_one_place(context: str) -> None:
    keys = [key for row in CONTEXTS[context] for key in row.keys]
    assert sorted(set(keys)) == sorted(keys)


def test_without_a_file_the_keys_are_the_default_ones(file: Path) -> None:
    assert load_keymap(file) is DEFAULT
    assert load_keymap(None) is DEFAULT


def test_a_key_is_bound_and_another_taken_away(file: Path) -> None:
    keymap = bound(file, "chat", **{"ctrl+g": "redraw", "ctrl+t": "Take back", "ctrl+r": "cycle-mode", "F1": None})
    assert keymap.notices == ()
    assert (keymap.acts("chat")["ctrl+t"], keymap.acts("chat")["ctrl+r"]) == ("take_back", "cycle_mode")
    assert keymap.keys("chat", "redraw") == ("ctrl+g", "ctrl+l")
    assert keymap.keys("chat", "help") == ()
    assert keymap.hint("chat", "redraw", "redraw") == "Ctrl+G redraw"
    assert keymap.hint("chat", "help", "help") == ""
    assert keymap.origin("chat", "f1") == Change("chat", "f1", None, 1)
    assert keymap.origin("chat", "ctrl+l") is None


def test_a_key_of_the_chat_has_its_act_wherever_one_is_in_it(file: Path) -> None:
    keymap = bound(file, "chat", **{"ctrl+e": "redraw", "Alt+Z": None})
    assert keymap.acts("chat")["ctrl+e"] == "redraw"
    assert "ctrl+e" not in keymap.acts("composer")
    assert keymap.keys("composer", "move_line_end") == ("end",)
    assert keymap.acts("composer")["alt+z"] == "undo"


def test_a_key_bound_in_the_chat_and_in_a_part_of_it_is_what_each_says(file: Path) -> None:
    rows = [{"context": "Chat", "bindings": {"ctrl+e": "redraw"}}, {"context": "composer", "bindings": {"ctrl+e": "undo"}}]
    keymap = written(file, json.dumps({"bindings": rows}))
    assert (keymap.acts("chat")["ctrl+e"], keymap.acts("composer")["ctrl+e"]) == ("redraw", "undo")


def test_of_two_rows_about_a_key_the_later_counts(file: Path) -> None:
    keymap = written(file, '{"bindings": [{"context": "chat", "bindings": {\n"ctrl+g": "redraw",\n"ctrl+g": "fold"}}]}')
    assert keymap.acts("chat")["ctrl+g"] == "fold"
    assert keymap.keys("chat", "redraw") == ("ctrl+l",)
    assert keymap.origin("chat", "ctrl+g") == Change("chat", "ctrl+g", "fold", 3)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ('{"bindings": [\n  {"context": "chat",\n   "bindings": {\n "ctrl+e": "redrew"}}]}', 4, "the nearest is redraw"),
        (
            '{"bindings": [\n{"context": "chats", "bindings": {}}]}',
            2,
            "there is no context 'chats'; the contexts are chat, composer",
        ),
        ('{"bindings": [\n\n{"context": "chat", "bindings": {"hyper": "redraw"}}]}', 3, "'hyper' is not a key; /keys tells"),
        (
            '{"bindings": [{"context": "chat", "bindings":\n {"x": "redraw"}}]}',
            2,
            "'x' writes something; take it with ctrl or alt",
        ),
        ('{"bindings": [{"context": "composer", "bindings":\n {"?": "undo"}}]}', 2, "'?' writes something"),
        ('{"bindings": [{"context": "chat", "bindings": {"ctrl+e": 5}}]}', 1, "needs the name of an action, or null"),
        ('{"bindings": [\n{"context": "chat"}]}', 2, 'a "context" and its "bindings" are expected; the form is {"bindings": ['),
        ('{"bindings": {}}', 1, 'there is no list "bindings" in it; the form is'),
        ("[]", 1, 'there is no list "bindings" in it; the form is'),
        ('{"bindings": [\n{"context": "chat",}]}', 2, "is not JSON ("),
        ("", 1, "is not JSON ("),
    ],
)
def test_what_does_not_count_is_named_with_file_and_line_and_what_to_do(file: Path, text: str, line: int, says: str) -> None:
    keymap = written(file, text)
    [notice] = keymap.notices
    assert notice.startswith(f"{file} line {line}")
    assert says in notice
    assert keymap.tables == CONTEXTS


@pytest.mark.parametrize("key", [*RESERVED, "Esc", "ctrl+["])
@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("act", [None, "down"])
def test_the_way_out_cannot_be_bound_or_taken_away(file: Path, context: str, key: str, act: str | None) -> None:
    keymap = bound(file, context, **{key: act})
    assert keymap.tables == CONTEXTS
    [notice] = keymap.notices
    assert "stays as it is, so that there is always a way out" in notice


def test_a_bad_row_takes_no_good_one_along(file: Path) -> None:
    keymap = bound(file, "chat", **{"ctrl+g": "redraw", "ctrl+e": "nonsense", "ctrl+c": None})
    assert keymap.acts("chat")["ctrl+g"] == "redraw"
    assert len(keymap.notices) == 2


@pytest.mark.parametrize(
    "content", [b"\xff\xfe{}", b"[" * 100_000, b" " * (FILE_LIMIT_BYTES + 1), b'{"bindings": [null, 3, "x", [], {}]}', b"null"]
)
def test_a_file_of_any_kind_is_a_notice(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    keymap = load_keymap(file)
    assert keymap.notices
    assert keymap.tables == CONTEXTS
    assert all(str(file) in notice and len(notice) < len(str(file)) + 250 for notice in keymap.notices)


def test_a_pipe_and_a_folder_in_the_place_of_the_file_are_a_notice_and_nobody_waits(file: Path) -> None:
    os.mkfifo(file)
    [notice] = load_keymap(file).notices
    assert notice == f"{file} cannot be read (it is not a file); the default keys are used until it is fixed"
    [notice] = load_keymap(file.parent).notices
    assert notice.startswith(f"{file.parent} cannot be read (")


def test_a_long_name_in_the_file_is_not_repeated_whole(file: Path) -> None:
    [notice] = bound(file, "chat", **{"ctrl+e": "x" * 10_000}).notices
    assert len(notice) < len(str(file)) + 200


@pytest.mark.parametrize(
    ("written", "key", "name"),
    [
        ("Ctrl+G", "ctrl+g", "Ctrl+G"),
        ("alt+[", "alt+left_square_bracket", "Alt+["),
        ("pgup", "pageup", "PageUp"),
        ("Esc", "escape", "Esc"),
        ("ctrl++", "ctrl+plus", "Ctrl++"),
        ("shift+k", "K", "K"),
        ("meta+X", "alt+x", "Alt+X"),
        ("shift+alt+z", "alt+shift+z", "Alt+Shift+Z"),
        ("ctrl+_", "ctrl+underscore", "Ctrl+_"),
        ("f12", "f12", "F12"),
        ("space", "space", "Space"),
    ],
)
def test_a_key_is_named_as_people_write_it(written: str, key: str, name: str) -> None:
    assert (key_named(written), shown(key)) == (key, name)


@pytest.mark.parametrize("name", ["", "ctrl+", "foo", "ctrl+x ctrl+s", "hyper+x", "f99", "ctrl+\x1b"])
def test_what_is_not_a_key_is_none(name: str) -> None:
    assert key_named(name) is None


def test_signs_are_named_as_textual_names_them() -> None:
    assert [key_named(sign) for sign in string.punctuation] == [
        textual.keys._character_to_key(sign) for sign in string.punctuation
    ]


def test_every_key_of_the_tables_can_be_written_in_the_file() -> None:
    keys = [key for table in CONTEXTS.values() for row in table for key in row.keys]
    assert [key_named(shown(key)) for key in keys] == keys
