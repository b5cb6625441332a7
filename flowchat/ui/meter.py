"""The one line at the bottom: what the next request weighs, the model, the mode, what is going on, and the next key."""

import time
from enum import IntEnum, auto

from msgspec import Struct
from msgspec.structs import replace
from rich.cells import cell_len
from rich.style import Style
from textual.geometry import Size
from textual.strip import Strip
from textual.timer import Timer
from textual.widget import Widget

from flowchat.transcript.clean import clean
from flowchat.transcript.entries import Mode
from flowchat.transcript.events import ContextUsed, RetryScheduled, StateDelta
from flowchat.ui.figures import cost, many, seconds, size
from flowchat.ui.keymap import DEFAULT, Keymap
from flowchat.ui.palette import Palette
from flowchat.ui.strips import GAP, Piece, cut, cut_pieces, line, pieces_width

TICKS = 10
SPACE, NARROW_SPACE, WIDE = 3, 2, 100
"""Cells between words, and between them on a line narrower than WIDE."""
NARROW = 60
"""On a narrower line what a run leaves no room for is there at rest."""
REASON_CELLS, REASON_LEAST_CELLS = 48, 16
"""Of why an attempt failed, at most: more of it would take the place of everything else; and what is worth showing of it."""
STATE_CELLS, DURATION_CELLS = 11, 9
"""What a state and a duration are at least counted with, so that the words beside them stay while they change."""
_IDLE = StateDelta("idle")
_WHY_OFF = ": failed 3 times, /compact tries again"
_PHASES = {
    "preparing": "preparing",
    "compacting": "compacting",
    "requesting": "asking",
    "streaming": "answering",
    "tools": "running",
    "reviewing": "reviewing",
    "awaiting_approval": "waiting for you",
    "retry_wait": "retrying",
}


class Limits(Struct, frozen=True):
    """Where it compacts: `soft` after a run, `hard` before a request. Up to 100 percent of usable (100: off), else tokens."""

    soft: int = 70
    hard: int = 90

    def of(self, usable: int) -> "Limits":
        """The same in percent."""
        return Limits(_percent(self.soft, usable), _percent(self.hard, usable))


class Reading(Struct, frozen=True):
    """All the meter shows. `retry_at` and `run_began` in monotonic seconds."""

    model: str = ""
    mode: Mode = "default"
    demo: bool = False
    saved: bool = True
    read_only: bool = False
    used: ContextUsed | None = None
    state: StateDelta = _IDLE
    queued: int = 0
    held: bool = False
    has_mouse: bool = True
    jobs: int = 0
    """Programs that run in the background."""
    commands: bool = False
    """A command of the user runs."""
    unanswered: bool = False
    """The last message got no answer, and can be taken back."""
    retry: RetryScheduled | None = None
    retry_at: float = 0.0
    run_began: float = 0.0
    limits: Limits = Limits()
    sandbox: str | None = None
    """full, partial or none; None: not known yet."""

    @property
    def percent(self) -> int | None:
        return None if self.used is None else round(100 * self.used.tokens / max(1, self.used.usable))

    @property
    def percents(self) -> Limits:
        return self.limits if self.used is None else self.limits.of(self.used.usable)

    @property
    def busy(self) -> bool:
        return self.state.state in ("running", "interrupting", "compacting")


class _Word(Struct, frozen=True):
    """A part of the line; `yields` is one of _Yields, or 0: it never goes."""

    pieces: tuple[Piece, ...]
    yields: int = 0
    joins: bool = False
    """Stands at the word before it, without a space."""
    room: int = 0
    """Cells it is counted with, whether it has fewer or more; 0: those it has."""


class _Yields(IntEnum):
    """Who gets what room there is, the lowest first. State, mode and what is wrong never go."""

    STOP = 1
    PERCENT = auto()
    CUT = auto()
    NO_SANDBOX = auto()
    JOBS = auto()
    COMPACTION_OFF = auto()
    TRY = auto()
    REASON = auto()
    MODEL = auto()
    HELP = auto()
    COMPACTION = auto()
    SIZES = auto()
    DURATION = auto()
    BAR = auto()
    COST = auto()
    QUEUE = auto()
    SANDBOX = auto()


_STEPS_ASIDE = {_Yields.SIZES, _Yields.BAR, _Yields.COST}
"""What stands at the right at rest where a run has no room for it: so its begin and end move nothing else."""


class Meter(Widget):
    """Shows a Reading. It ticks once a second while a run goes on, and never otherwise."""

    DEFAULT_CSS = "Meter { height: 1; }"

    def __init__(self, palette: Palette, keymap: Keymap = DEFAULT) -> None:
        super().__init__()
        self._palette, self._keymap = palette, keymap
        self._reading = Reading()
        self._ticking: Timer | None = None

    @property
    def reading(self) -> Reading:
        return self._reading

    def show(self, **changes: object) -> None:
        """Change what is shown; the names are Reading's."""
        reading = replace(self._reading, **changes)
        if reading == self._reading:
            return
        if reading.busy and not self._reading.busy:
            reading = replace(reading, run_began=time.monotonic())
        if reading.state.phase != "retry_wait":
            reading = replace(reading, retry=None)
        self._reading = reading
        self._tick_while(reading.busy)
        self.refresh()

    def wait_for_retry(self, retry: RetryScheduled) -> None:
        """Count down to the next attempt."""
        at = time.monotonic() + retry.delay_ms / 1000
        self._reading = replace(self._reading, retry=retry, retry_at=at)
        self.refresh()

    def use(self, palette: Palette) -> None:
        self._palette = palette
        self.refresh()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return 1

    def render_line(self, y: int) -> Strip:
        return draw(self._reading, self._palette, self.size.width, time.monotonic(), self._keymap)

    def _tick_while(self, busy: bool) -> None:
        if busy and self._ticking is None:
            self._ticking = self.set_interval(1.0, self.refresh)
        elif not busy and self._ticking is not None:
            self._ticking.stop()
            self._ticking = None


def draw(reading: Reading, palette: Palette, width: int, now: float, keymap: Keymap = DEFAULT) -> Strip:
    """The line for a width: as many of its words as fit, in the order of _Yields."""
    space = SPACE if width >= WIDE else NARROW_SPACE
    words, hints = _words(reading, palette, now), _hints(reading, palette, keymap)
    kept = _kept(words, hints, space, width)
    words = [word for word in words if word.yields in kept]
    hints = [word for word in hints if word.yields in kept]
    if not reading.busy and width >= NARROW:
        run = replace(reading, state=replace(reading.state, state="running", phase="streaming"))
        stays = _kept(_words(run, palette, now), _hints(run, palette, keymap), space, width)
        hints = [*(word for word in words if word.yields in _STEPS_ASIDE - stays), *hints]
        words = [word for word in words if word.yields not in _STEPS_ASIDE - stays]
    spare = width - _needed(words, hints, space)
    right = [*_joined(hints, palette, space)[1:], ("  ", palette.text)] if hints else []
    return line(width, _joined([_grown(word, spare) for word in words], palette, space), right, palette.text)


def _kept(words: list[_Word], hints: list[_Word], space: int, width: int) -> set[int]:
    """The levels of _Yields there is room for, up to the first there is none for; the key that stops keeps no other out."""
    kept = {0}
    for level in sorted({word.yields for word in (*words, *hints)}):
        left, right = ([word for word in side if word.yields in {*kept, level}] for side in (words, hints))
        if _needed(left, right, space) <= width:
            kept.add(level)
        elif level != _Yields.STOP:
            break
    return kept


def _needed(words: list[_Word], hints: list[_Word], space: int) -> int:
    """Cells of a line."""
    return _width(words, space) + (GAP + _width(hints, space) if hints else 0)


def _grown(word: _Word, spare: int) -> _Word:
    """A word that was counted with less than it has, in the room there is for it."""
    cells = pieces_width(word.pieces)
    return replace(word, pieces=tuple(cut_pieces(word.pieces, word.room + spare))) if 0 < word.room < cells else word


def _words(reading: Reading, palette: Palette, now: float) -> list[_Word]:
    words: list[_Word] = []
    waits = reading.retry is not None and reading.state.phase == "retry_wait"  # the reason has the room of bar and cost
    if reading.used is not None and reading.percent is not None:
        level = _level(reading, palette)
        if not waits:
            words.append(_Word(((_bar(reading, palette), level),), yields=_Yields.BAR))
        words.append(_Word(((f"{reading.percent} %", level),), yields=_Yields.PERCENT))
        assumed = " assumed" if reading.used.window_source == "assumed" else ""
        about = "" if reading.used.source == "measured" else "~"
        weight = f"{about}{size(reading.used.tokens)} of {size(reading.used.usable)}{assumed}"
        words.append(_Word(((weight, palette.text),), yields=_Yields.SIZES))
        if reading.used.cut_to is not None:
            words.append(_Word(((f"cut to {size(reading.used.cut_to)}", palette.bad),), yields=_Yields.CUT))
        if reading.state.compaction_off:
            words.append(_Word((("compaction off", palette.warn),), yields=_Yields.COMPACTION_OFF))
            words.append(_Word(((_WHY_OFF, palette.warn),), yields=_Yields.COMPACTION, joins=True))
        elif warning := _compaction_word(reading):
            words.append(_Word(((warning, palette.warn),), yields=_Yields.COMPACTION))
    model = cut(clean(reading.model.rpartition("/")[2]) or "no model", 28)
    words.append(
        _Word(((model, palette.text), *(((" demo", palette.accent),) if reading.demo and model != "demo" else ())), _Yields.MODEL)
    )
    if reading.used is not None and reading.used.cost is not None and not waits:
        words.append(_Word(((cost(reading.used.cost), palette.dim),), yields=_Yields.COST))
    words.append(_Word(((reading.mode, _mode_style(reading.mode, palette)),)))
    if reading.sandbox is not None:
        words.append(_sandbox_word(reading, palette))
    if reading.read_only:
        words.append(_Word((("read-only", palette.warn),)))
    if reading.state.unsaved or not reading.saved:
        words.append(_Word((("unsaved", palette.bad) if reading.state.unsaved else ("not kept", palette.dim),)))
    if not reading.has_mouse:
        words.append(_Word((("mouse off", palette.dim),)))
    if reading.jobs:
        words.append(_Word(((many(reading.jobs, "job"), palette.accent),), yields=_Yields.JOBS))
    words += _state_words(reading, palette, now)
    if reading.queued:
        held = " held" if reading.held else " queued"
        words.append(_Word(((f"{reading.queued}{held}", palette.warn if reading.held else palette.dim),), yields=_Yields.QUEUE))
    return words


def _state_words(reading: Reading, palette: Palette, now: float) -> list[_Word]:
    glyphs, state = palette.glyphs, reading.state
    if not reading.busy:
        return []
    if state.state == "interrupting":
        return [_Word(((f"{glyphs.interrupted} stopping", palette.warn),))]
    if reading.retry is not None and state.phase == "retry_wait":
        left = max(0, round(reading.retry_at - now))
        head = f"{glyphs.waiting} retry {reading.retry.attempt} in {seconds(left)}"
        why = f": {cut(clean(reading.retry.reason), REASON_CELLS)}"
        return [
            _Word(((head, palette.warn),)),
            _Word(((why, palette.warn),), yields=_Yields.REASON, joins=True, room=min(cell_len(why), REASON_LEAST_CELLS)),
        ]
    name = "compacting" if state.state == "compacting" else _PHASES.get(state.phase or "preparing", "running")
    waits = state.phase == "awaiting_approval"
    if waits:  # as wide as any other state and its duration, which does not count on meanwhile
        doing = f"{glyphs.waiting} {name}"
        spare = _Word((), yields=_Yields.DURATION, room=STATE_CELLS + NARROW_SPACE + DURATION_CELLS - len(doing), joins=True)
        return [_Word(((doing, palette.warn),)), spare]
    gone = now - reading.run_began
    doing, time_taken = f"{glyphs.running[int(gone) % len(glyphs.running)]} {name}", seconds(gone)
    return [
        _Word(((doing, palette.accent),), room=max(STATE_CELLS, len(doing))),
        _Word(((time_taken, palette.dim),), yields=_Yields.DURATION, room=max(DURATION_CELLS, len(time_taken))),
    ]


def _bar(reading: Reading, palette: Palette) -> str:
    """Ten ticks; the last one before the lower limit, as a rule the soft one, has another shape."""
    glyphs = palette.glyphs
    filled = min(TICKS, ((reading.percent or 0) + TICKS // 2) // TICKS)
    limit = min(reading.percents.soft, reading.percents.hard)
    mark = limit * TICKS // 100 - 1 if limit < 100 else -1
    full, empty = glyphs.bar_full, glyphs.bar_empty
    mark_full, mark_empty = glyphs.bar_mark_full, glyphs.bar_mark_empty
    return "".join(
        (mark_full if tick < filled else mark_empty) if tick == mark else (full if tick < filled else empty)
        for tick in range(TICKS)
    )


def _percent(limit: int, usable: int) -> int:
    return limit if limit <= 100 else min(99, round(100 * limit / max(1, usable)))


def _level(reading: Reading, palette: Palette) -> Style:
    percent, limits = reading.percent or 0, reading.percents
    return palette.bad if percent >= limits.hard else palette.warn if percent >= limits.soft else palette.text


def _compaction_word(reading: Reading) -> str:
    percent, limits = reading.percent or 0, reading.percents
    if percent >= limits.hard < 100:
        return "compacts next" if reading.busy else "compacts before the next request"
    if percent >= limits.soft < 100 and not (reading.used is not None and reading.used.resting):
        return "compacts after this run" if reading.busy else "compacts after the next run"
    return ""


def _mode_style(mode: Mode, palette: Palette) -> Style:
    return {"bypass": palette.bad, "plan": palette.accent, "accept-edits": palette.accent}.get(mode, palette.dim)


def _sandbox_word(reading: Reading, palette: Palette) -> _Word:
    """How commands are confined: quiet where they are, loud where not."""
    if reading.sandbox == "none" or reading.mode == "bypass":
        return _Word((("no sandbox", palette.bad),), yields=_Yields.NO_SANDBOX)
    if reading.sandbox == "partial":
        return _Word((("weak sandbox", palette.warn),), yields=_Yields.NO_SANDBOX)
    return _Word((("sandbox", palette.dim),), yields=_Yields.SANDBOX)


def _hints(reading: Reading, palette: Palette, keymap: Keymap) -> list[_Word]:
    """The next keys."""

    def next_key(act: str, words: str, yields: _Yields = _Yields.STOP) -> list[_Word]:
        hint = keymap.hint("chat", words, act)
        return [_Word(((hint, palette.dim),), yields)] if hint else []

    if reading.busy:
        waits = reading.retry is not None and reading.state.phase == "retry_wait"
        return [*(next_key("submit", "try now", _Yields.TRY) if waits else []), *next_key("escape", "stop")]
    if reading.commands:
        return next_key("escape", "stop")
    if reading.unanswered:
        return next_key("take_back", "take it back")
    if reading.held and reading.queued:
        return next_key("submit", "send the first")
    return next_key("menu", "help", _Yields.HELP)


def _width(words: list[_Word], space: int) -> int:
    return sum((word.room or pieces_width(word.pieces)) + (0 if word.joins else space) for word in words) - space + 2


def _joined(words: list[_Word], palette: Palette, space: int) -> list[Piece]:
    pieces: list[Piece] = [("  ", palette.text)]
    for word in words:
        if len(pieces) > 1 and not word.joins:
            pieces.append((" " * space, palette.text))
        pieces += word.pieces
    return pieces
