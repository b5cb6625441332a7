"""What the user asked for that still holds: the words that outlive every compaction."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

from flowchat.agent.tokens import text_tokens
from flowchat.transcript.entries import Record, Seq, UserPart, UserSaid, text_of

DIRECTIVES_HEADING = "## User directives"
_HEADING = re.compile(r"(?im)^(#{1,6})[ \t]*(?:\d+[.)][ \t]*)?(?:\*\*|__)?[ \t]*user directives\b[^\n]*$")
_MARKER = re.compile(r"(?:>|[-*+•–]|\d{1,3}[.)]|\[[ xX]\])[ \t]+")
_AROUND = "\"“”„«»'‘’`*_ \t"
"""Quotation marks and emphasis, which a summariser puts around what somebody said."""
_NONE = frozenset({"none", "none so far", "none yet", "none given", "n/a", "nothing", "-"})
_EMPHASIS, _ENDS = re.compile(r"\*\*?|__?|`"), ".,;:!"


def with_directives(summary: str, directives: Sequence[str]) -> str:
    """A checkpoint's summary as its summariser wrote it, the directives under their heading."""
    return "\n".join([summary, "", DIRECTIVES_HEADING, *(f"- {line}" for line in directives)]) if directives else summary


def split_directives(summary: str) -> tuple[str, tuple[str, ...]]:
    """The summary without its directives, and the directives: a line each, without what marks it as one."""
    heading = _HEADING.search(summary)
    if heading is None:
        return summary.strip(), ()
    following = re.compile(rf"^#{{1,{len(heading[1])}}}[ \t]", re.MULTILINE).search(summary, heading.end())
    end = following.start() if following else len(summary)
    lines = (line for line in summary[heading.end() : end].splitlines() if not line.startswith("##"))
    offered = map(_without_marker, lines)
    left = [summary[: heading.start()].strip(), summary[end:].strip()]
    return "\n\n".join(filter(None, left)), tuple(line for line in offered if line and line.casefold().rstrip(".") not in _NONE)


def still_said(
    directives: Sequence[str], branch: Sequence[Record], upto: Seq, edits: Mapping[Seq, tuple[UserPart, ...]], tokens: int
) -> tuple[tuple[str, ...], int]:
    """Those that really are words of a user message at or before `upto`, as they stand there, each once, where it was said last.

    Case, blanks and line ends between the words, and quotation marks and emphasis make no difference. At most `tokens` of them,
    the newest; the second value is how many were left out for that.
    """
    if not directives:
        return (), 0
    found = _Said(branch, upto, edits)
    newest_first = list(dict.fromkeys(said for line in reversed(directives) if (said := found.words(line))))
    weights = accumulate(text_tokens(line) + 1 for line in newest_first)
    kept = [line for line, weight in zip(newest_first, weights, strict=True) if weight <= tokens]
    return tuple(reversed(kept)), len(newest_first) - len(kept)


class _Said:
    """What the user said, the newest first, read only as far as it is asked for."""

    def __init__(self, branch: Sequence[Record], upto: Seq, edits: Mapping[Seq, tuple[UserPart, ...]]) -> None:
        self._read: list[tuple[str, str]] = []
        """Texts, and the same without case."""
        self._more = self._texts(branch, upto, edits)

    def words(self, line: str) -> str:
        """The words of the user that a line gives; empty where it gives none."""
        stripped = line.strip(_AROUND)
        for wanted in dict.fromkeys((line, stripped, _EMPHASIS.sub("", stripped).rstrip(_ENDS))):
            if (words := wanted.casefold().split()) and (said := self._standing(wanted, words)):
                return said
        return ""

    def _standing(self, wanted: str, words: Sequence[str]) -> str:
        longest, phrase = max(words, key=len), " ".join(words)
        for text, folded in self._all():
            if wanted in text:
                return wanted
            if longest in folded and (place := " ".join(folded.split()).find(phrase)) >= 0:
                said = " ".join(text.split())
                return said[place : place + len(phrase)] if len(said.casefold()) == len(said) else " ".join(wanted.split())
        return ""

    def _all(self) -> Iterator[tuple[str, str]]:
        yield from self._read
        for text in self._more:
            self._read.append((text, text.casefold()))
            yield self._read[-1]

    @staticmethod
    def _texts(branch: Sequence[Record], upto: Seq, edits: Mapping[Seq, tuple[UserPart, ...]]) -> Iterator[str]:
        for record in reversed(branch):
            if record.type == "user_said" and record.seq <= upto and isinstance(record.entry, UserSaid):
                yield text_of(edits.get(record.seq, record.entry.parts))


def _without_marker(line: str) -> str:
    """A line of a list without its bullet, number, box, and what stands around it."""
    said = line.strip()
    while marker := _MARKER.match(said):
        said = said[marker.end() :]
    return said if said.strip(_AROUND) else ""
