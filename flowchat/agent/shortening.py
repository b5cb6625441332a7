"""A summary longer than it may be: each section keeps its beginning, the longest lose their ends, and it says how much."""

from collections.abc import Sequence

from flowchat.agent.telling import cut_text
from flowchat.agent.tokens import BYTES_PER_TOKEN, text_bytes, text_tokens

TOO_LONG = "That is too long: at most {tokens:,} tokens are kept. Write it again, shorter; keep all five sections."
CUT_OFF = "(The summary was cut off here.)"
_MARK = "[... {lines:,} lines left out to keep this short]"
_MARK_BYTES = len(_MARK) + 8
_LEAST_LINE_CHARS = 40


def shortened(summary: str, tokens: int) -> str:
    """At most `tokens` by estimate. Whole lines are left out where they can be."""
    if text_tokens(summary) <= tokens:
        return summary
    sections = _sections(summary)
    most = _most_of_each([_bytes_of(section) for section in sections], tokens * BYTES_PER_TOKEN)
    return cut_text("\n".join(line for section in sections for line in _beginning(section, most)), tokens)


def _sections(summary: str) -> list[list[str]]:
    """Lines, from one heading to the next."""
    sections: list[list[str]] = [[]]
    for line in summary.split("\n"):
        if line.startswith("## ") and sections[-1]:
            sections.append([])
        sections[-1].append(line)
    return sections


def _most_of_each(weights: Sequence[int], room: int) -> int:
    """How much each may have, so that all have room: what the short ones do not need the long ones share."""
    for place, weight in enumerate(ordered := sorted(weights)):
        if weight * (len(ordered) - place) > room:
            return room // (len(ordered) - place)
        room -= weight
    return max(ordered)


def _beginning(section: Sequence[str], most: int) -> list[str]:
    """The lines of a section that have room, and how many there is none for."""
    if _bytes_of(section) <= most:
        return list(section)
    kept, room = [section[0]], most - _bytes_of(section[:1]) - _MARK_BYTES
    for line in section[1:]:
        room -= _bytes_of([line])
        if room < 0:
            break
        kept.append(line)
    if len(kept) == 1 and room < 0 and len(section) == 2:
        return [*kept, _start_of(section[1], most - _bytes_of(kept))]
    return [*kept, _MARK.format(lines=len(section) - len(kept))]


def _start_of(line: str, most: int) -> str:
    cut = line.encode()[: max(_LEAST_LINE_CHARS, most - 8)].decode(errors="ignore")
    return f"{cut} [...]"


def _bytes_of(lines: Sequence[str]) -> int:
    return sum(text_bytes(line) + 1 for line in lines)
