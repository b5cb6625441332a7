"""What changed between two texts, as a unified diff that never takes long and never grows without bound."""

from msgspec import Struct

DIFF_LIMIT_CHARS = 64 * 1024
"""What is kept and shown of a diff."""
_CONTEXT_LINES = 3
_COMPARED_PAIRS = 4_000_000
"""Lines of the one times lines of the other, equal ends aside: above it the middle is shown as replaced. About a second."""
_NO_NEWLINE = "\n\\ No newline at end of file\n"


class Difference(Struct, frozen=True):
    """`diff` is unified, at most DIFF_LIMIT_CHARS and a line that says so; `added` and `removed` count lines."""

    diff: str
    added: int
    removed: int

    @property
    def counts(self) -> str:
        return f"+{self.added} -{self.removed}"


def difference(before: str | None, after: str, name: str) -> Difference:
    """From one text to another; `before` None: the file is new."""
    old, new = _lines(before or ""), _lines(after)
    hunks = _hunks(old, new)
    added = sum(line.startswith("+") for line in hunks)
    removed = sum(line.startswith("-") for line in hunks)
    heading = f"--- {'/dev/null' if before is None else name}\n+++ {name}\n"
    return Difference(_limited(heading, hunks), added, removed)


def _hunks(old: list[str], new: list[str]) -> list[str]:
    same = _equal(old, new)
    tail = _equal(old[same:][::-1], new[same:][::-1])
    before, after = min(same, _CONTEXT_LINES), min(tail, _CONTEXT_LINES)
    start = same - before
    a, b = old[start : len(old) - tail + after], new[start : len(new) - tail + after]
    if len(a) * len(b) > _COMPARED_PAIRS:
        return _replaced(a, b, start, before, after)
    import difflib

    hunks: list[str] = []
    for group in difflib.SequenceMatcher(None, a, b).get_grouped_opcodes(_CONTEXT_LINES):
        first, last = group[0], group[-1]
        was, now = _range(start + first[1], last[2] - first[1]), _range(start + first[3], last[4] - first[3])
        hunks.append(f"@@ -{was} +{now} @@\n")
        for kind, a1, a2, b1, b2 in group:
            if kind == "equal":
                hunks += [" " + line for line in a[a1:a2]]
            else:
                hunks += ["-" + line for line in a[a1:a2]] + ["+" + line for line in b[b1:b2]]
    return hunks


def _replaced(a: list[str], b: list[str], start: int, before: int, after: int) -> list[str]:
    """One hunk that takes all lines between the context out and puts the others in."""
    removed = ["-" + line for line in a[before : len(a) - after]]
    added = ["+" + line for line in b[before : len(b) - after]]
    around = [" " + line for line in a[:before]], [" " + line for line in a[len(a) - after :]]
    return [f"@@ -{_range(start, len(a))} +{_range(start, len(b))} @@\n", *around[0], *removed, *added, *around[1]]


def _lines(text: str) -> list[str]:
    """Lines with their newline; the last says so where it has none. Only a newline ends a line, as in the files' tools."""
    lines = [line + "\n" for line in text.split("\n")]
    last = lines.pop()
    return [*lines, last[:-1] + _NO_NEWLINE] if last != "\n" else lines


def _equal(a: list[str], b: list[str]) -> int:
    """How many lines both begin with."""
    return next((index for index, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _range(start: int, length: int) -> str:
    """The lines of a hunk as diff(1) writes them: counted from 1, an empty range named by the line before it."""
    if length == 1:
        return str(start + 1)
    return f"{start + 1 if length else start},{length}"


def _limited(heading: str, hunks: list[str]) -> str:
    size, shown = len(heading), [heading]
    for index, line in enumerate(hunks):
        size += len(line)
        if size > DIFF_LIMIT_CHARS:
            shown.append(f"[{len(hunks) - index:,} more lines of the diff are not shown]\n")
            break
        shown.append(line)
    return "".join(shown) if hunks else ""
