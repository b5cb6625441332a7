"""How a block looks while it is left out of requests, cut to its summary there, or kept through compactions."""

from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from flowchat.agent.items import Chosen, ItemState
from flowchat.transcript.entries import CallId, Seq
from flowchat.ui.blocks import Look
from flowchat.ui.markdown import Line, strip_of_line
from flowchat.ui.prose import gutter_strip

_TOLD: dict[ItemState, str] = {
    "excluded": "left out of requests",
    "pruned": "only its summary is sent",
    "pinned": "kept through compactions",
}
_STATES: tuple[ItemState, ...] = ("excluded", "pinned", "pruned")
_STRUCK = Style(strike=True)


def state_of(node: Seq, call: CallId | None, items: Chosen) -> ItemState | None:
    """What is set of a message, or of a call in it."""
    if call is not None:
        groups = (items.calls_out, items.calls_pinned, items.pruned)
        return next((state for state, calls in zip(_STATES, groups, strict=True) if call in calls), None)
    return "excluded" if node in items.out else "pinned" if node in items.pinned else None


def marked(lines: Sequence[Line], state: ItemState, look: Look) -> list[Line]:
    """A block's lines and, below them, what is set of it; what is left out is dim and struck out."""
    palette = look.palette
    shown = [_struck(strip_of_line(line), palette.dim) for line in lines] if state == "excluded" else list(lines)
    told = gutter_strip([(f"{palette.glyphs.bullet} {state}", palette.warn), (f"  {_TOLD[state]}", palette.dim)], look.width)
    return [*shown, told]


def _struck(strip: Strip, dim: Style) -> Strip:
    segments: list[Segment] = []
    for text, style, _ in strip:
        words = text.strip()
        before = text[: text.index(words)] if words else text
        segments += [Segment(before, style), Segment(words, dim + _STRUCK), Segment(text[len(before) + len(words) :], style)]
    return Strip([segment for segment in segments if segment.text], strip.cell_length)
