"""Reading a branch that grows: how far it was read, and what it has said so far of files, origins and in notices."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

from flowchat.transcript.entries import AssistantSaid, ContextAdded, ContextSource, Noticed, Record, Seq, ToolAnswered

Told: TypeAlias = dict[tuple[ContextSource, str], str]
"""The sha256 of what was last said of each origin, by (source, origin)."""
_SAID = frozenset({"tool_answered", "context_added", "noticed"})


class Bookmark(NamedTuple):
    """How far a branch was read: `length` nodes, the last of them `last`, at `seq` then."""

    length: int = 0
    last: Record | None = None
    seq: Seq = 0

    def behind(self, branch: Sequence[Record]) -> Sequence[Record] | None:
        """What this branch holds after it, or None where it is not the branch that was read, or nothing was.

        A node's record is one object, and its seq changes with that of any before it: the last one vouches for all.
        """
        if not 0 < self.length <= len(branch):
            return None
        last = branch[self.length - 1]
        return branch[self.length :] if last is self.last and last.seq == self.seq else None


def end_of(branch: Sequence[Record]) -> Bookmark:
    return Bookmark(len(branch), branch[-1], branch[-1].seq) if branch else Bookmark()


def place_of(branch: Sequence[Record], seq: Seq) -> int:
    """Where a node stands on a branch; -1 where it does not."""
    index = bisect_left(branch, seq, key=lambda record: record.seq)
    return index if index < len(branch) and branch[index].seq == seq else -1


def place_behind(branch: Sequence[Record], seq: Seq) -> int:
    """Where the first node behind `seq` stands on a branch, or would."""
    return bisect_right(branch, seq, key=lambda record: record.seq)


def standing(branch: Sequence[Record], seqs: Sequence[Seq]) -> Iterator[Record]:
    """Those of these nodes that stand on a branch, the newest first. `seqs` in file order, as the session's facts have them."""
    for seq in reversed(seqs):
        if (place := place_of(branch, seq)) >= 0:
            yield branch[place]


def is_final(said: AssistantSaid) -> bool:
    """Whether an answer ends the run: it came to its end and calls nothing."""
    return not said.calls and said.finish in ("stop", "length", "filtered")


class Known:
    """What a branch has said so far; asked again it reads only what is new. One session has one."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        """The sha256 the branch last saw of each file, by path; an empty string where it was deleted."""
        self.told: Told = {}
        self.noticed: set[str] = set()
        """The sentences of its notices."""
        self._mark = Bookmark()

    def follow(self, branch: Sequence[Record]) -> None:
        """Come to where the branch ends."""
        new = self._mark.behind(branch)
        if new is None:
            self.files, self.told, self.noticed, new = {}, {}, set(), branch
        for record in new:
            if record.type in _SAID:
                self._take(record)
        self._mark = end_of(branch)

    def _take(self, record: Record) -> None:
        match record.entry:
            case ToolAnswered(files=files):
                self.files.update((file.path, file.sha256) for file in files)
            case ContextAdded(source=source, origin=origin, sha256=str(sha256)):
                self.told[source, origin] = sha256
            case Noticed(text=text):
                self.noticed.add(text)
            case _:
                pass
