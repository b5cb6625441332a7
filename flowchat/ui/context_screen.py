"""What the next request weighs, in totals; or the whole request as it would be sent."""

from collections.abc import Sequence

from textual import events
from textual.app import ComposeResult
from textual.screen import Screen

from flowchat.transcript.clean import clean
from flowchat.transcript.events import ContextUsed
from flowchat.transcript.facts import SessionFacts
from flowchat.ui.figures import cost, size
from flowchat.ui.keymap import DEFAULT, Keymap
from flowchat.ui.palette import Palette
from flowchat.ui.prose import wrapped
from flowchat.ui.rows import Rows, foot_lines
from flowchat.ui.strips import Piece

_SOURCES = {
    "measured": "as the model counted it",
    "interpolated": "counted by the model, the newest part estimated",
    "extrapolated": "estimated from earlier counts",
    "no_data": "estimated",
}
_WINDOWS = {
    "config": "from your settings",
    "server": "as the server says",
    "table": "from litellm's table",
    "assumed": "assumed",
    "refused": "at most: a longer request was refused",
}
RAW_LIMIT_LINES = 20_000
"""Lines of a request that are shown; the rest is counted."""


class ContextScreen(Screen[None], inherit_bindings=False):
    """`totals` are (label, figure, remark) rows; `raw`, where given, is shown in their place."""

    def __init__(
        self,
        palette: Palette,
        title: str,
        totals: Sequence[tuple[str, str, str]],
        raw: str = "",
        keymap: Keymap = DEFAULT,
    ) -> None:
        super().__init__()
        self._keymap, self._acts = keymap, keymap.acts("list")
        self._palette, self._heading, self._totals, self._raw = palette, title, totals, raw

    def compose(self) -> ComposeResult:
        palette = self._palette
        yield Rows(palette, lambda width: [[("  ", palette.text), (self._heading, palette.text + palette.bold)], []])
        yield Rows(palette, self._lines).add_class("fills")
        scroll = self._keymap.hint("list", "scroll", "up", "down", "page_down")
        hints = (scroll if self._raw else "/context raw shows the request whole", self._keymap.hint("list", "close", "close"))
        yield Rows(palette, lambda width: foot_lines(width, hints, palette))

    def on_key(self, event: events.Key) -> None:
        act = self._acts.get(event.key)
        event.stop()
        if act in ("close", "choose") or event.key == "q":
            self.dismiss()
        elif act is not None:
            self.query_one(".fills", Rows).act(act)

    def _lines(self, width: int) -> Sequence[Sequence[Piece]]:
        return raw_lines(self._raw, self._palette, width) if self._raw else self._total_lines()

    def _total_lines(self) -> list[list[Piece]]:
        palette = self._palette
        labels = max((len(label) for label, _, _ in self._totals), default=0)
        figures = max((len(figure) for _, figure, _ in self._totals), default=0)
        return [
            [
                ("  ", palette.text),
                (label.ljust(labels + 2), palette.dim),
                (figure.rjust(figures), palette.text),
                (f"   {remark}", palette.dim),
            ]
            for label, figure, remark in self._totals
        ]


def raw_lines(raw: str, palette: Palette, width: int) -> list[list[Piece]]:
    """A long text on lines of a width, at most RAW_LIMIT_LINES, and a word about the rest."""
    lines: list[list[Piece]] = []
    texts = clean(raw).split("\n")
    for number, text in enumerate(texts):
        if len(lines) >= RAW_LIMIT_LINES:
            lines.append([(f"  {len(texts) - number:,} more lines are not shown", palette.warn)])
            break
        indent = len(text) - len(text.lstrip(" "))
        parts = text[indent:].replace("\\n", "\\n\n")  # a newline in a value also ends a row here
        for index, part in enumerate(wrapped(parts.removesuffix("\n"), max(8, width - indent - 6))):
            lines.append([(" " * (indent + 2 + (2 if index else 0)), palette.text), (part, palette.text)])
    return lines


def totals(used: ContextUsed | None, facts: SessionFacts) -> list[tuple[str, str, str]]:
    """The rows of a session: what the next request weighs, what all before it took."""
    rows: list[tuple[str, str, str]] = []
    if used is not None:
        percent = round(100 * used.tokens / max(1, used.usable))
        rows.append(("next request", size(used.tokens), f"{percent} % of usable, {_SOURCES[used.source]}"))
        rows.append(("usable", size(used.usable), "the window minus room for the answer"))
        rows.append(("window", size(used.window), _WINDOWS[used.window_source]))
    spent = facts.usage
    rows.append(("read so far", size(spent.input), f"{round(100 * spent.cached / max(1, spent.input))} % of it cached"))
    rows.append(("written so far", size(spent.output), f"{size(spent.reasoning)} of it reasoning" if spent.reasoning else ""))
    rows.append(
        ("cost", "unknown" if facts.cost is None else cost(facts.cost), "no price is known" if facts.cost is None else "")
    )
    return rows
