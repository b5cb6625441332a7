"""How the items of a request are worded and drawn: one line each, the bar of the window, what a change would do. Pure."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import overload

from msgspec import Struct
from rich.style import Style

from flowchat.agent.itemise import Kind, Row
from flowchat.agent.items import Change, Effect, Taken
from flowchat.transcript.clean import clean
from flowchat.transcript.events import ContextUsed
from flowchat.ui.calls import main_argument, short_name
from flowchat.ui.figures import cost, from_home, many, moment, size
from flowchat.ui.listing import Column
from flowchat.ui.listing import Row as Line
from flowchat.ui.palette import Palette
from flowchat.ui.prose import one_line
from flowchat.ui.strips import Piece, pieces_width

BAR_CELLS = 8
"""The longest bar of a row; that of the largest item."""
ROOMY_CELLS = 60
"""On a narrower screen the parts of the window have short names, and the rows neither age nor source."""
WIDE_CELLS = 100
"""From here on a row says in words why it is there, and has a bar."""
_TITLE, _TOKENS, _AGE, _WORD = Column("text"), Column("dim", "right"), Column("dim", "right"), Column("text")
_ALWAYS = frozenset({"system", "tools", "checkpoint", "instructions", "environment", "mode", "skill"})
_CACHED = "cached"
_SHORT_STATES: dict[str, str] = {"pinned": "pin", "pruned": "cut"}
_SHORT: dict[Kind, str] = {
    "system": "begins every request",
    "tools": "what the model can call",
    "user": "you said it",
    "answer": "the model said it",
    "call": "the model called it",
    "outcome": "tells the model so",
    "instructions": "this folder's instructions",
    "environment": "where the agent works",
    "mode": "the permission mode",
    "file": "you named it with @",
    "job": "news of a background job",
    "hook": "a hook of this folder",
    "command": "you ran it with !",
}
_VERBS: dict[Change, str] = {
    "excluded": "Leave it out",
    "pruned": "Cut its output to one line",
    "pinned": "Keep it through compactions",
    "restored": "Have it as it was",
}


class Map(Struct, frozen=True):
    """The rows of a request and what it weighs; `ends`: where each row ends in it, `sums`: of what is always there, what was
    said, calls and files; `cached`: tokens in the provider's cache."""

    rows: Sequence[Row]
    used: ContextUsed
    ends: Sequence[int]
    sums: Sequence[int]
    cached: int


def mapped(rows: Sequence[Row], used: ContextUsed) -> Map:
    sums = [0, 0, 0]
    for row in rows:
        sums[_group(row)] += row.tokens
    return Map(rows, used, list(accumulate(row.tokens for row in rows)), sums, sum(row.tokens for row in rows if row.cached))


def columns(width: int) -> tuple[Column, ...]:
    """Those of the rows on a screen of this width."""
    if width < ROOMY_CELLS:
        return _TITLE, _TOKENS, _WORD
    usual = (_TITLE, _TOKENS, _AGE, _WORD, Column("dim"))
    return (*usual, Column("accent")) if width >= WIDE_CELLS else usual


class Lines(Sequence[Line]):
    """The rows as cells, made when they come into view: title, tokens, age, state, why and bar, as far as the width goes."""

    def __init__(self, rows: Sequence[Row], palette: Palette, width: int = WIDE_CELLS) -> None:
        self._rows, self._palette, self._width = rows, palette, width
        self._most = max((row.tokens for row in rows), default=0) or 1

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, place: int) -> Line: ...
    @overload
    def __getitem__(self, place: slice) -> "Sequence[Line]": ...
    def __getitem__(self, place: int | slice) -> "Line | Sequence[Line]":
        if isinstance(place, slice):
            return [self._line(index) for index in range(*place.indices(len(self._rows)))]
        return self._line(place)

    def _line(self, index: int) -> Line:
        row, width = self._rows[index], self._width
        figure = "" if row.state == "excluded" else size(row.tokens)
        first = title(row, self._palette), figure
        if width < ROOMY_CELLS:
            return Line(index, (*first, word(row, short=True)))
        if width < WIDE_CELLS:
            return Line(index, (*first, age(row), word(row), row.source_kind))
        bar = self._palette.glyphs.bar_full * -(-row.tokens * BAR_CELLS // self._most)
        return Line(index, (*first, age(row), word(row), why(row), bar))


def title(row: Row, palette: Palette) -> str:
    """What the row is, on one line."""
    match row.kind:
        case "user":
            return f"{palette.glyphs.user} {one_line(clean(row.title))}"
        case "call":
            return f"{short_name(row.title)} {main_argument(row.title, row.detail)}".rstrip()
        case "checkpoint":
            return f"{palette.glyphs.checkpoint} summary"
        case "file":
            return f"@{one_line(clean(row.title))}"
        case "instructions" | "skill" | "command" | "hook" | "job":
            return one_line(clean(from_home(row.title)))
        case _:
            return one_line(clean(row.title))


def word(row: Row, short: bool = False) -> str:
    """Whether it is in the cache, and what is set of it."""
    cached, state = _CACHED if row.cached else "", row.state or ""
    if short:
        return f"{cached} {_SHORT_STATES.get(state, state)}".rstrip() if cached else state
    return f"{cached:{len(_CACHED)}} {state}".rstrip()


def age(row: Row) -> str:
    """How many answers ago."""
    return f"{row.age_steps:,} ago" if row.age_steps else "now"


def why(row: Row) -> str:
    """Why it is there, in a few words."""
    if row.kind == "skill":
        return "a skill you named" if row.source_kind == "you" else "the skills there are"
    return _SHORT.get(row.kind) or row.why.partition(";")[0]


def brief(row: Row, cells: int) -> str:
    """Age and reason of a row in one line."""
    ago = f"{many(row.age_steps, 'answer')} ago" if row.age_steps else "since the last answer"
    long = f"{ago}: {why(row)}"
    return long if len(long) <= cells else f"{age(row)}: {why(row)}"


def told(row: Row, at_ms: int | None, now_ms: int) -> str:
    """What there is to know of a row beside its title."""
    ago = f"{many(row.age_steps, 'answer')} ago" if row.age_steps else "since the last answer"
    when = "" if at_ms is None else f"; {moment(at_ms, now_ms)}"
    states = {
        "excluded": "left out of requests and recall; ",
        "pruned": "its output is cut to one line; ",
        "pinned": "kept through compactions; ",
        None: "",
    }
    return f"{states[row.state]}{row.why}{when}, {ago}" if row.node else row.why


# --- the window ------------------------------------------------------------------------------------------------------
def head(map_: Map, chosen: int, palette: Palette, width: int) -> list[list[Piece]]:
    """The heading, the window as one bar in the order of the request, and what its parts take."""
    used, cached = map_.used, map_.cached
    percent = round(100 * used.tokens / max(1, used.usable))
    about = "" if used.source == "measured" else "~"
    assumed = " assumed" if used.window_source == "assumed" else ""
    figure = f"{about}{size(used.tokens)} of {size(used.usable)}{assumed}, {percent} %"
    hit = f"   {round(100 * cached / max(1, used.tokens))} % cached" if cached else ""
    right = figure + (hit if len(figure) + len(hit) + 16 <= width else "")
    first: list[Piece] = [
        ("  Context", palette.heading),
        (" " * max(2, width - 11 - len(right)), palette.text),
        (right, palette.text),
    ]
    return [first, _bar(map_, chosen, palette, max(1, width - 4)), _legend(map_, palette, width), []]


def _group(row: Row) -> int:
    return 0 if row.kind in _ALWAYS else 2 if row.kind in ("call", "file", "job", "hook", "command") else 1


def _styles(palette: Palette) -> tuple[Style, Style, Style]:
    return palette.dim, palette.text, palette.accent


def _bar(map_: Map, chosen: int, palette: Palette, cells: int) -> list[Piece]:
    ends = map_.ends
    used = ends[-1] if ends else 0
    whole, styles = max(1, map_.used.usable, used), _styles(palette)
    marked = _cells(ends[chosen] - map_.rows[chosen].tokens, ends[chosen], cells, whole) if ends else range(0)
    pieces: list[Piece] = [("  ", palette.text)]
    for cell in range(cells):
        at = (2 * cell + 1) * whole // (2 * cells)
        style = palette.dim if at >= used else styles[_group(map_.rows[bisect_right(ends, at)])]
        if cell in marked:
            pieces.append((palette.glyphs.bar_mark_full, style + palette.bold))
        else:
            pieces.append((palette.glyphs.bar_empty if at >= used else palette.glyphs.bar_full, style))
    return pieces


def _cells(start: int, end: int, cells: int, whole: int) -> range:
    """The cells of a bar that an item takes, at least one where it takes anything."""
    first = start * cells // whole
    return range(first, max(first + 1, end * cells // whole)) if end > start else range(0)


def _legend(map_: Map, palette: Palette, width: int) -> list[Piece]:
    sums = map_.sums
    free = max(0, map_.used.usable - sum(sums))
    is_roomy = width >= ROOMY_CELLS
    names, gap = (("always there", "said", "calls and files"), " ") if is_roomy else (("fixed", "said", "calls"), "")
    parts: list[list[Piece]] = [
        [(palette.glyphs.bar_full, style), (f"{gap}{name} {size(tokens)} {gap}", palette.dim)]
        for name, tokens, style in zip(names, sums, _styles(palette), strict=True)
    ]
    parts.append([(palette.glyphs.bar_empty, palette.dim), (f"{gap}free {size(free)}", palette.dim)])
    while sum(map(pieces_width, parts)) > width - 2:
        parts.pop()
    return [("  ", palette.text), *(piece for part in parts for piece in part)]


# --- what a change would do ------------------------------------------------------------------------------------------
def question(change: Change, row: Row, effect: Effect, palette: Palette) -> str:
    """What is asked before something is set of a row."""
    pair = " The call goes with its answer." if row.kind == "call" and change == "excluded" else ""
    return f"{_VERBS[change]}? {title(row, palette)}: {_consequence(effect)}{pair}"


def undo_question(taken: Taken) -> str:
    """What is asked before the last change is taken back."""
    return f"Take back the last change ({many(len(taken.items), 'item')} {taken.state})? {_consequence(taken.effect)}"


def _consequence(effect: Effect) -> str:
    less = effect.tokens_before - effect.tokens_after
    tokens = f"{abs(less):,} tokens {'less' if less > 0 else 'more'}" if less else "no change to the next request"
    after = f", {size(effect.tokens_before)} to {size(effect.tokens_after)}" if less else ""
    if not effect.cached_lost:
        return f"{tokens}{after}; nothing is lost from the cache."
    price = f", about {cost(effect.cost_lost)} once" if effect.cost_lost is not None else ""
    return f"{tokens}{after}; {effect.cached_lost:,} cached tokens are read anew{price}."
