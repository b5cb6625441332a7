"""What came from the provider's cache, request by request, the newest first; why less did than could, and what that cost."""

from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct
from rich.cells import cell_len
from rich.style import Style
from textual import events
from textual.app import ComposeResult

from flowchat.agent.cache import Asked, Segment, dollars_lost
from flowchat.model.model import ModelFacts
from flowchat.transcript.clean import clean
from flowchat.transcript.entries import Purpose, Seq
from flowchat.ui.figures import cost, many, moment, seconds, size
from flowchat.ui.keymap import DEFAULT, Keymap
from flowchat.ui.listing import Column, Listing, Row
from flowchat.ui.palette import Palette
from flowchat.ui.prose import one_line, wrapped
from flowchat.ui.rows import Rows, foot_lines
from flowchat.ui.strips import Piece, cut
from flowchat.ui.working_screen import WorkingScreen

ROWS_LIMIT = 2_000
"""Requests that are listed, the newest; those before are in the sums alone."""
PARTS_LIMIT = 5_000
"""Parts of one request that are listed."""
TOLD_ROWS = 2
"""What is told of the chosen request below the list."""
ROOMY_CELLS = 60
"""On a narrower screen a row says only how much was cached, and the rest is told of the chosen one, its figures first."""
COLUMNS = (Column("text"), Column("dim", "right"), Column("accent", "right"))
LOOKING = "Going through the requests of this session"
NONE = "Nothing was asked of a model in this session yet."
_PURPOSES: dict[Purpose, str] = {"title": "a title", "compact": "a compaction", "review": "a review", "worker": "a worker"}
_WORD_CELLS, _TOKEN_CELLS = 14, 7


class Found(Struct, frozen=True):
    """The requests of a session in its log's order, the numbers of its runs, and what is known of its models."""

    asked: Sequence[Asked]
    runs: dict[Seq, int]
    models: dict[str, ModelFacts]

    def dollars(self, asked: Asked) -> float | None:
        return dollars_lost(asked, self.models.get(asked.model))


class CacheScreen(WorkingScreen[None], inherit_bindings=False):
    """Enter shows the parts of the chosen request, and the list again; Esc closes."""

    def __init__(
        self,
        palette: Palette,
        find: Callable[[], Awaitable[Found]],
        parts: Callable[[Seq], Awaitable[Sequence[Segment]]],
        now_ms: int,
        keymap: Keymap = DEFAULT,
    ) -> None:
        """`find` and `parts` take a while: of a request by its line."""
        super().__init__()
        self._palette, self._find, self._parts, self._now_ms = palette, find, parts, now_ms
        self._keymap, self._acts = keymap, keymap.acts("list")
        self._found: Found | None = None
        self._open: Asked | None = None
        self._is_narrow = False
        """How the rows were made."""

    def compose(self) -> ComposeResult:
        yield Rows(self._palette, self._head).add_class("head")
        yield Listing(self._palette, COLUMNS).add_class("fills")
        yield Rows(self._palette).add_class("output")
        yield Rows(self._palette, self._foot).add_class("foot")

    def on_mount(self) -> None:
        self._arrange()
        self.run_worker(self._fill())

    async def _fill(self) -> None:
        self._found = await self._find()
        self._list()
        self._arrange()

    def _list(self) -> None:
        """The rows as there is width for them."""
        found, listing = self._found, self.query_one(Listing)
        self._is_narrow = self.size.width < ROOMY_CELLS
        if found is not None:
            rows = [Row(asked, self._cells(asked, found)) for asked in listed(found)[: -ROWS_LIMIT - 1 : -1]]
            listing.use_columns(COLUMNS[:2] if self._is_narrow else COLUMNS)
            listing.show(rows, listing.chosen_index, stays=bool(listing.rows))

    def on_resize(self) -> None:
        if self._is_narrow != (self.size.width < ROOMY_CELLS):
            self._list()

    def on_key(self, event: events.Key) -> None:
        listing, act = self.query_one(Listing), self._acts.get(event.key)
        event.stop()
        if act == "close" and self._open is not None:
            self._close_parts()
        elif act == "close" or event.key == "q":
            self.dismiss(None)
        elif act == "choose":
            self._choose()
        elif act is not None and self._open is not None:
            self.query_one(".output", Rows).act(act)
        elif act is not None and listing.act(act):
            self._tell_chosen()

    def on_listing_picked(self) -> None:
        self._tell_chosen()

    def on_listing_walked(self) -> None:
        self._tell_chosen()

    # --- inside ------------------------------------------------------------------------------------------------------
    def _choose(self) -> None:
        chosen = self.query_one(Listing).chosen
        if self._open is not None:
            self._close_parts()
        elif chosen is not None and isinstance(asked := chosen.key, Asked) and asked.purpose == "run":
            self._open = asked
            self.query_one(".output", Rows).show(lambda width: [[("  Looking at its parts", self._palette.dim)]])
            self._arrange()
            self.run_worker(self._show_parts(asked), exclusive=True)

    async def _show_parts(self, asked: Asked) -> None:
        parts = await self._parts(asked.line)
        if self._open is asked:
            self.query_one(".output", Rows).show(lambda width: part_lines(asked, parts, self._palette, width))

    def _close_parts(self) -> None:
        self._open = None
        self._arrange()

    def _tell_chosen(self) -> None:
        self.query_one(".foot", Rows).draw_again()

    def _arrange(self) -> None:
        """The parts have the place of the list."""
        output = self.query_one(".output", Rows)
        self.query_one(Listing).display = self._open is None
        output.display = self._open is not None
        output.set_class(self._open is not None, "fills")
        for rows in self.query(Rows):
            rows.draw_again()

    def _head(self, width: int) -> list[list[Piece]]:
        palette, found = self._palette, self._found
        if found is None or not listed(found):
            return [_title("Cache", palette), [], [(f"  {LOOKING if found is None else NONE}", palette.dim)]]
        told = totals(found, width < ROOMY_CELLS) if self._open is None else [_explained(self._open), self._when(self._open)]
        title = "Cache" if self._open is None else _named(self._open, found)
        lines = [part for sentence in told if sentence for part in wrapped(sentence, width - 4)]
        return [_title(title, palette), *([(f"  {part}", palette.dim)] for part in lines), []]

    def _foot(self, width: int) -> list[list[Piece]]:
        hint = self._keymap.hint
        if self._open is not None:
            return foot_lines(
                width, (hint("list", "scroll", "up", "down", "page_down"), hint("list", "back", "close")), self._palette
            )
        chosen = self.query_one(Listing).chosen if self.is_mounted else None
        told = self._told(chosen.key, width < ROOMY_CELLS) if chosen and isinstance(chosen.key, Asked) else []
        lines = wrapped("; ".join(filter(None, told)), width - 4)
        if len(lines) > TOLD_ROWS:
            lines = [*lines[: TOLD_ROWS - 1], cut(" ".join(lines[TOLD_ROWS - 1 :]), width - 4)]
        has_parts = chosen is not None and isinstance(chosen.key, Asked) and chosen.key.purpose == "run"
        hints = (hint("list", "parts", "choose") if has_parts else "", hint("list", "close", "close"))
        is_narrow, palette = width < ROOMY_CELLS, self._palette
        shown: list[list[Piece]] = [[(f"  {part}", palette.text if is_narrow else palette.dim)] for part in lines]
        rule, *keys = foot_lines(width, hints, palette)
        return [rule, *shown, *keys] if is_narrow else [*shown, rule, *keys]

    def _told(self, asked: Asked, is_narrow: bool) -> list[str]:
        """What there is to know of the chosen request, the foremost first."""
        if not is_narrow:
            return [_explained(asked), self._when(asked)]
        lost = self._lost(asked, self._found) if self._found is not None else ""
        figures = (
            "no tokens told" if asked.usage is None else f"{size(asked.cached)} of {size(asked.uncached + asked.cached)} cached"
        )
        return [
            ", ".join(filter(None, (figures, lost))),
            _explained(asked),
            clean(asked.model),
            moment(asked.at_ms, self._now_ms),
        ]

    def _when(self, asked: Asked) -> str:
        return f"{clean(asked.model)}, {moment(asked.at_ms, self._now_ms)}, {_used(asked)}"

    def _cells(self, asked: Asked, found: Found) -> tuple[str, ...]:
        if self._is_narrow:
            return _named(asked, found), _share(asked)
        return f"{_named(asked, found)}  {_explained(asked)}".rstrip(), _used(asked), self._lost(asked, found)

    def _lost(self, asked: Asked, found: Found) -> str:
        dollars = found.dollars(asked)
        return "" if not asked.again else f"{size(asked.again)} again" if dollars is None else f"{cost(dollars)} lost"


def totals(found: Found, short: bool = False) -> list[str]:
    """What all the requests took, and what was lost."""
    asked = listed(found)
    read, cached = sum(one.cached + one.uncached for one in asked), sum(one.cached for one in asked)
    untold, requests = sum(one.usage is None and one.error is None for one in asked), many(len(asked), "request")
    lines = [f"{100 * cached // max(1, read)} % cached: {size(cached)} of {size(read)}, {requests}"]
    if untold and not read:
        lines = [f"{requests}; no tokens were told of any of them"]
    elif untold:
        lines.append(f"no tokens were told of {many(untold, 'request')}")
    broken = [one for one in asked if one.again]
    if broken:
        known = [dollars for one in broken if (dollars := found.dollars(one)) is not None]
        price = f", {cost(sum(known))}{'+' if len(known) < len(broken) else ''} lost" if known else ""
        again = size(sum(one.again for one in broken))
        lines.append(f"{again} {'' if short else 'read '}again in {many(len(broken), 'request')}{price}")
    if len(asked) > ROWS_LIMIT:
        lines.append(f"{len(asked) - ROWS_LIMIT:,} earlier requests are in these sums and not below")
    return lines


def listed(found: Found) -> Sequence[Asked]:
    """The requests of runs, and of the others those that told their tokens."""
    return [one for one in found.asked if one.purpose == "run" or one.usage is not None]


def part_lines(asked: Asked, parts: Sequence[Segment], palette: Palette, width: int) -> list[list[Piece]]:
    """The parts of a request for a width, and where it goes other ways than the one before."""
    lines: list[list[Piece]] = []
    told = False
    for part in parts[:PARTS_LIMIT]:
        if part.fate != "kept" and not told:
            told = True
            words = "differs from here on" if asked.differs else "new from here on"
            lines.append([(f"  {palette.glyphs.rule * 2} {words}", palette.accent)])
        word, style = _held(part, palette)
        node = f"node {part.node}" if part.node else ""
        shown = f"{one_line(part.what)}  {node}".rstrip()
        tokens = f"{'~' if part.cached == 'untold' else ''}{size(part.tokens)}"
        head: list[Piece] = [
            (f"  {tokens:>{_TOKEN_CELLS}}  ", palette.text),
            (word.ljust(_WORD_CELLS), style),
            (cut(shown, max(1, width - _TOKEN_CELLS - _WORD_CELLS - 6)), palette.text),
        ]
        room = width - _TOKEN_CELLS - _WORD_CELLS - 8 - cell_len(shown)
        lines.append([*head, (f"  {cut(one_line(clean(part.beginning)), room)}", palette.dim)] if room > 8 else head)
    if len(parts) > PARTS_LIMIT:
        lines.append([(f"  {len(parts) - PARTS_LIMIT:,} more parts are not shown", palette.dim)])
    return lines


def _held(part: Segment, palette: Palette) -> tuple[str, Style]:
    if part.cached == "untold":
        return {"kept": "as before", "again": "sent again", "new": "new"}[part.fate], palette.dim
    if part.cached != "none":
        return ("cached", palette.good) if part.cached == "all" else ("partly cached", palette.good)
    words = {"kept": ("not cached", palette.warn), "again": ("read again", palette.warn), "new": ("new", palette.dim)}
    return words[part.fate]


def _named(asked: Asked, found: Found) -> str:
    if asked.purpose != "run":
        return _PURPOSES[asked.purpose]
    number = found.runs.get(asked.run, 0)
    return f"run {number}, step {asked.step}"


def _explained(asked: Asked) -> str:
    """Why not all that could came from the cache, and where the request begins to differ."""
    after = f", {seconds(asked.since_ms / 1000)} after the request before" if asked.since_ms else ""
    return f"{asked.cause}{after}" + (f": {asked.differs}" if asked.differs else "")


def _used(asked: Asked) -> str:
    if asked.usage is None:
        return "no tokens told"
    return f"{size(asked.uncached)} + {size(asked.cached)} cached"


def _share(asked: Asked) -> str:
    """How much of a request came from the cache."""
    if asked.usage is None:
        return "not told" if asked.error is None else "failed"
    return f"{100 * asked.cached // max(1, asked.uncached + asked.cached)} % cached"


def _title(text: str, palette: Palette) -> list[Piece]:
    return [(f"  {text}", palette.text + palette.bold)]
