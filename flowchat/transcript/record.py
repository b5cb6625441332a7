"""An entry at its place in a log."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from flowchat.transcript.parts import Seq

if TYPE_CHECKING:
    from flowchat.transcript.entries import AnyEntry


class Record:
    """An entry at its place: `seq`, `at_ms` (epoch), `parent` (None for a fact) and, decoded on first look, `entry`.

    `size` is the length in bytes of its line, known without decoding: the pane's first guess of a height.
    """

    __slots__ = ("_entry", "_has_todo", "_read", "at_ms", "parent", "seq", "size", "type")

    def __init__(
        self,
        seq: Seq,
        at_ms: int,
        parent: Seq | None,
        type_: str,
        entry: "AnyEntry | None" = None,
        read: "Callable[[Record], AnyEntry] | None" = None,
        size: int = 0,
        has_todo: bool = False,
    ) -> None:
        self.seq, self.at_ms, self.parent, self.type, self.size = seq, at_ms, parent, type_, size
        self._entry, self._read, self._has_todo = entry, read, has_todo

    @property
    def entry(self) -> "AnyEntry":
        if self._entry is None:
            assert self._read is not None
            self._entry = self._read(self)
        return self._entry

    @entry.setter
    def entry(self, entry: "AnyEntry") -> None:
        self._entry = entry

    @property
    def is_node(self) -> bool:
        return self.parent is not None

    @property
    def has_todo(self) -> bool:
        """Whether it is an answer that gives a todo list, known without decoding."""
        if self._entry is None:
            return self._has_todo
        return self.type == "tool_answered" and getattr(self._entry, "todo", None) is not None

    def __repr__(self) -> str:
        return f"Record({self.seq}, parent={self.parent}, {self.type})"
