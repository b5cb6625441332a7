"""Which key asks for which act, where: the tables of keys.py with what the user changed in them; one value, made at start."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from flowchat.ui.key_names import shown
from flowchat.ui.keys import CONTEXTS, INSIDE_CHAT, Key

FILE_NAME = "keybindings.json"
"""The user's own keys, in the user's folder of settings."""


class Change(Struct, frozen=True):
    """One row of the user's file: `key` (textual's name) asks for `act` in a context, or for nothing; `line` from 1."""

    context: str
    key: str
    act: str | None
    line: int


class Keymap(Struct, frozen=True, eq=False):
    """The rows by context. `changes` are the user's, in the order of the file; `notices`: what in it does not count, and why."""

    tables: Mapping[str, tuple[Key, ...]]
    changes: tuple[Change, ...] = ()
    notices: tuple[str, ...] = ()

    def acts(self, context: str) -> dict[str, str]:
        """The act of each key in a context."""
        return {key: row.act for row in self.tables[context] for key in row.keys}

    def keys(self, context: str, act: str) -> tuple[str, ...]:
        """The keys of an act, in textual's names; the first is the one hints show."""
        return next(row.keys for row in self.tables[context] if row.act == act)

    def name(self, context: str, act: str) -> str:
        """The key of an act as hints write it; empty: it has none."""
        return next(map(shown, self.keys(context, act)), "")

    def hint(self, context: str, words: str, *acts: str) -> str:
        """The keys of these acts and the words for what they do, as in "Up, Down scroll"; empty where none is bound."""
        names = ", ".join(name for act in acts if (name := self.name(context, act)))
        return f"{names} {words}" if names else ""

    def origin(self, context: str, key: str) -> Change | None:
        """What in the user's file bound a key here, or took it away; None: it is as it is by default."""
        return next((change for change in reversed(self.changes) if (change.context, change.key) == (context, key)), None)


DEFAULT = Keymap(CONTEXTS)


def changed(changes: Sequence[Change], notices: Sequence[str] = ()) -> Keymap:
    """The defaults with these changes; of two about the same key in the same place the later counts.

    A key given an act in the chat has it wherever one is in the chat: what it meant by default in a part of it gives way.
    """
    tables = dict(CONTEXTS)
    latest = {(change.context, change.key): change for change in changes}
    for context, key in latest:
        act = latest[context, key].act
        inner = [part for part in INSIDE_CHAT if (part, key) not in latest] if context == "chat" and act else []
        for place in (context, *inner):
            tables[place] = tuple(replace(row, keys=tuple(k for k in row.keys if k != key)) for row in tables[place])
        tables[context] = tuple(replace(row, keys=(key, *row.keys)) if row.act == act else row for row in tables[context])
    return Keymap(tables, tuple(latest.values()), tuple(notices))


def load_keymap(file: Path | None) -> Keymap:
    """The key map of a keybindings.json; without one the defaults. A bad file never keeps flowchat from starting."""
    if file is None or not file.exists():
        return DEFAULT
    from flowchat.ui.keybindings import read_keybindings

    return changed(*read_keybindings(file))
