"""The conversation pane: one widget that draws the rows in view and nothing else; events in, blocks out."""

import time
from collections.abc import Callable, Sequence
from typing import assert_never

from msgspec.structs import replace
from textual import events
from textual.message import Message
from textual.selection import Selection
from textual.strip import Strip
from textual.timer import Timer
from textual.widget import Widget

from flowchat.transcript.entries import Record, UserSaid
from flowchat.transcript.events import (
    ApprovalAsked,
    AttemptWithdrawn,
    CallDelta,
    CompactionDelta,
    ContextUsed,
    Event,
    OutputDelta,
    QueueChanged,
    RetryScheduled,
    StateDelta,
    TextDelta,
    ThinkingDelta,
    Toast,
)
from flowchat.ui.blocks import Look
from flowchat.ui.choice import Choice
from flowchat.ui.keymap import DEFAULT, Keymap
from flowchat.ui.painting import badged, changed_regions, marked, selected
from flowchat.ui.palette import Palette
from flowchat.ui.passages import Passage
from flowchat.ui.prose import GUTTER, gutter_strip
from flowchat.ui.story import Mark, Story
from flowchat.ui.strips import Piece
from flowchat.ui.viewport import Place, Viewport

BEATS_PER_SECOND = 4
"""How often the running glyph turns; the timer lives only while something runs."""
RESERVE_ROWS = 8
"""When the end is followed and leaves the view, the view jumps so that this many rows (at most a quarter) are blank below."""
WHEEL_ROWS = 3
DRAWN_LIMIT = 256
"""Passages whose rows are kept; of others they are made again when they come into view."""
_ROWS_PER_PASSAGE = 1 << 20


class Conversation(Widget, can_focus=True):
    """The blocks of one branch. What it shows for good depends on the records alone, whether heard one by one or loaded."""

    DEFAULT_CSS = "Conversation { height: 1fr; }"
    FOCUS_ON_CLICK = False

    class Copied(Message):
        """The reader wants the source of a block."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, palette: Palette, clock: Callable[[], float] = time.monotonic, keymap: Keymap = DEFAULT) -> None:
        """`clock` gives monotonic seconds."""
        super().__init__()
        self._look, self._acts = Look(0, palette, keymap=keymap), keymap.acts("conversation")
        self._clock = clock
        self._story = Story()
        self._choice = Choice(self._story)
        self._viewport = Viewport(lambda: len(self._story.passages), lambda index: self._story.height(index, self._look))
        self._painted: list[Strip] = []
        self._places: list[Place | None] = []
        self._drawn: dict[Passage, None] = {}
        self._frame_due = self._has_news = False
        self._beating: Timer | None = None
        self._beat = 0

    # --- what is shown -----------------------------------------------------------------------------------------------
    def show(self, event: Event) -> None:
        """Turn an event into blocks; facts and news that show elsewhere are passed over."""
        story = self._story
        match event:
            case Record():
                if not story.take(event, self._clock()):
                    return
                if isinstance(event.entry, UserSaid) and event.entry.delivery in ("send", "edit"):
                    self._viewport.follows = True
            case TextDelta() | ThinkingDelta() | CallDelta():
                story.hear(event, self._clock())
            case OutputDelta(call=call, text=text):
                if panel := story.panel(call):
                    panel.put_out(text)
            case AttemptWithdrawn(run=run, step=step, attempt=attempt):
                story.withdraw(run, step, attempt)
            case StateDelta() | RetryScheduled() | CompactionDelta():
                return
            case ApprovalAsked() | ContextUsed() | QueueChanged() | Toast():
                return
            case _:
                assert_never(event)
        self._has_news = True
        self._change()

    def load(self, records: Sequence[Record]) -> None:
        """Show a whole replay, its end in view."""
        for record in records:
            self._story.take(record, None)
        self._viewport.follows = True
        self._change()

    def clear(self) -> None:
        self._story.clear()
        self._drawn.clear()
        self._has_news = False
        self._viewport.top, self._viewport.follows = (0, 0), True
        self._change()

    @property
    def is_blank(self) -> bool:
        """Whether nothing of what it knows is to be seen."""
        return not any(passage.blocks for passage in self._story.passages)

    def use(self, palette: Palette) -> None:
        """Draw in other colours."""
        self._draw_as(replace(self._look, palette=palette))

    def rows(self) -> list[Strip]:
        """Every row there is, top to bottom; marks and the badge are not among them."""
        return list(self._story.rows(self._look))

    # --- frames ------------------------------------------------------------------------------------------------------
    def _change(self) -> None:
        """Something is to be drawn; all that comes before the next frame is drawn in it."""
        if not self._frame_due and self.is_attached:
            self._frame_due = True
            self.call_next(self._draw_frame)

    def _draw_frame(self) -> None:
        self._frame_due = False
        runs = self._beat_while_running()
        if not self._look.width or not self.size.height:
            return
        self._viewport.rows = self.size.height
        self._viewport.keep(min(RESERVE_ROWS, self.size.height // 4) if runs or self._story.is_heard else 0)
        self._has_news &= not self._viewport.shows_end
        wanted = self._rows_in_view()
        painted, self._painted = self._painted, wanted
        if len(wanted) != len(painted):
            self.refresh()
        elif regions := changed_regions(painted, wanted):
            self.refresh(*regions)

    def _rows_in_view(self) -> list[Strip]:
        self._places = list(self._viewport.places())
        if self.has_focus and self._choice.block is None:
            self._choice.take_last_of(self._places, self._look)
        blank = gutter_strip((), self._look.width)
        rows = [blank if place is None else self._row_in_view(place) for place in self._places]
        while len(self._drawn) > DRAWN_LIMIT + len(rows):
            oldest = next(iter(self._drawn))
            del self._drawn[oldest]
            oldest.forget()
        if not self._viewport.shows_end:
            rows[-1] = badged(rows[-1], self._badge(), GUTTER)
        return rows

    def _row_in_view(self, place: Place) -> Strip:
        passage = self._story.passages[place[0]]
        self._drawn.pop(passage, None)
        self._drawn[passage] = None
        row = self._story.row(place, self._look)
        if self.has_focus and self._choice.is_at(place, self._look):
            return marked(row, self._look.palette.glyphs.chosen, self._look.palette.accent)
        return row

    def _badge(self) -> Sequence[Piece]:
        palette = self._look.palette
        words = f" {palette.glyphs.below} {'new below' if self._has_news else 'more below'} "
        return [(words, palette.raised + (palette.accent if self._has_news else palette.dim))]

    def _beat_while_running(self) -> bool:
        """Keep the timer while something runs, and only then; whether something does."""
        runs = bool(self._story.moving())
        if runs and self._beating is None:
            self._beating = self.set_interval(1 / BEATS_PER_SECOND, self._on_beat)
        elif not runs and self._beating is not None:
            self._beating.stop()
            self._beating = None
        return runs

    def _on_beat(self) -> None:
        self._beat += 1
        now = self._clock()
        for block in self._story.moving():
            block.tick(now, self._beat)
        self._change()

    def render_line(self, y: int) -> Strip:
        """The row at `y` of the last frame, each character with its place for the mouse's selection."""
        if y >= len(self._painted):
            return Strip.blank(self.size.width)
        strip, place = self._painted[y], self._places[y]
        if place is None:
            return strip
        line = place[0] * _ROWS_PER_PASSAGE + place[1]
        selection = self.text_selection
        if selection is not None and (span := selection.get_span(line)) is not None:
            strip = selected(strip, *span, self.screen.get_component_rich_style("screen--selection"))
        return strip.apply_offsets(0, line)

    # --- size, colours, focus ----------------------------------------------------------------------------------------
    def on_resize(self, event: events.Resize) -> None:
        if event.size.width != self._look.width:
            self._draw_as(replace(self._look, width=event.size.width))
        else:
            self._paint_anew()

    def on_focus(self) -> None:
        self._change()

    def on_blur(self) -> None:
        self._change()

    def _draw_as(self, look: Look, mark: Mark | None = None) -> None:
        """Change how everything is drawn; what stands at the top stays there."""
        if mark is None and self._look.width:
            mark = self._story.mark(self._viewport.top, self._look)
        self._look = look
        if mark is not None:
            self._viewport.top = self._story.find(mark, look)
        self._paint_anew()

    def _paint_anew(self) -> None:
        self._painted = []
        self._change()

    # --- scrolling ---------------------------------------------------------------------------------------------------
    def scroll_page(self, direction: int) -> None:
        """A page up (-1) or down (1); two rows of the last one stay."""
        self._scroll_rows(direction * max(1, self._viewport.rows - 2))

    def scroll_end(self, *_: object, **__: object) -> None:
        """Follow the end again."""
        self._viewport.to_end()
        self._change()

    def _scroll_rows(self, rows: int) -> None:
        self._viewport.scroll(rows)
        self._change()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self._scroll_rows(-WHEEL_ROWS)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self._scroll_rows(WHEEL_ROWS)

    # --- blocks ------------------------------------------------------------------------------------------------------
    def fold_all(self) -> None:
        """Unfold all tool panels, or fold them again."""
        mark = self._story.mark(self._viewport.top, self._look)
        self._story.follow_all()
        self._draw_as(replace(self._look, unfolded=not self._look.unfolded), mark)

    def _choose(self, step: int, user_only: bool = False) -> None:
        """Walk to another block and bring it into view."""
        if self._choice.walk(step, user_only):
            self._viewport.show(*self._choice.extent(self._look))
            self._change()

    def _fold(self) -> None:
        """Fold or unfold the chosen block; what the reader sees above it stays, and the end is followed only if it shows."""
        passage, block = self._choice.passage, self._choice.block
        mark = self._story.mark(self._viewport.top, self._look)
        if passage is None or block is None or not block.fold(self._look):
            return
        passage.touched = True
        if mark is not None:
            self._viewport.top = self._story.find(mark, self._look)
        self._viewport.show(self._choice.extent(self._look)[0], 1)
        self._change()

    def on_click(self, event: events.Click) -> None:
        """A click on a line that folds folds it; one that ends a selection does not."""
        place = self._places[event.y] if event.y < len(self._places) else None
        if place is None or self.screen.get_selected_text():
            return
        found = self._story.block_at(place, self._look)
        if found is not None and self._story.extent(*found, self._look)[0] == place:
            self._choice.take(*found)
            self._fold()

    # --- keys --------------------------------------------------------------------------------------------------------
    def on_key(self, event: events.Key) -> None:
        act = self._acts.get(event.key)
        if act is None:
            return
        event.stop()
        event.prevent_default()
        match act:
            case "row_up" | "row_down":
                self._scroll_rows(-1 if act == "row_up" else 1)
            case "page_up" | "page_down":
                self.scroll_page(-1 if act == "page_up" else 1)
            case "start":
                self._viewport.to_start()
                self._change()
            case "end":
                self.scroll_end()
            case "next_block" | "previous_block":
                self._choose(1 if act == "next_block" else -1)
            case "next_message" | "previous_message":
                self._choose(1 if act == "next_message" else -1, user_only=True)
            case "fold":
                self._fold()
            case "fold_all":
                self.fold_all()
            case "copy" if self._choice.block is not None:
                self.post_message(self.Copied(self._choice.block.source))
            case _:
                pass

    # --- the mouse's selection ---------------------------------------------------------------------------------------
    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """The selected text as it is shown, gutters and filling taken off."""
        count = len(self._story.passages)
        first = selection.start.y if selection.start else 0
        last = selection.end.y if selection.end else count * _ROWS_PER_PASSAGE
        lines: list[str] = []
        for index in range(first // _ROWS_PER_PASSAGE, min(last // _ROWS_PER_PASSAGE + 1, count)):
            for row in range(self._story.height(index, self._look)):
                line = index * _ROWS_PER_PASSAGE + row
                if first <= line <= last:
                    text = self._story.row((index, row), self._look).text
                    start, end = selection.get_span(line) or (0, -1)
                    lines.append(text[max(start, GUTTER) : len(text) if end < 0 else end].rstrip())
        return "\n".join(lines), "\n"
