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

from flowchat.agent.items import Chosen
from flowchat.transcript.entries import Record, UserSaid
from flowchat.transcript.events import (
    ApprovalAsked,
    AttemptWithdrawn,
    CallDelta,
    CompactionDelta,
    ContextUsed,
    Event,
    JobsChanged,
    OutputDelta,
    QueueChanged,
    RetryScheduled,
    StateDelta,
    TextDelta,
    ThinkingDelta,
    Toast,
)
from flowchat.ui import unfolding
from flowchat.ui.blocks import Block, Look
from flowchat.ui.choice import Choice
from flowchat.ui.keymap import DEFAULT, Keymap
from flowchat.ui.painting import changed_regions, selected
from flowchat.ui.palette import Palette
from flowchat.ui.passages import ROWS_PER_PASSAGE
from flowchat.ui.seeking import Found, Seeking
from flowchat.ui.story import Mark, Story
from flowchat.ui.viewport import Viewport
from flowchat.ui.window import Window

BEATS_PER_SECOND = 4
"""How often the running glyph turns; the timer lives only while something runs."""
RESERVE_ROWS = 8
"""When the end is followed and leaves the view, the view jumps so that this many rows (at most a quarter) are blank below."""
WHEEL_ROWS = 3


class Conversation(Widget, can_focus=True):
    """The blocks of one branch. What it shows for good depends on the records alone, whether heard one by one or loaded."""

    DEFAULT_CSS = "Conversation { height: 1fr; }"
    FOCUS_ON_CLICK = False

    class Copied(Message):
        """The reader wants this copied; `what` says which of several it is."""

        def __init__(self, text: str, what: str = "") -> None:
            super().__init__()
            self.text, self.what = text, what

    class Told(Message):
        """A sentence for the reader."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class SearchWanted(Message):
        """The reader wants to search."""

    class UndoWanted(Message):
        """The reader wants the compaction in force taken back."""

    class Searched(Message):
        """How the search stands has changed."""

        def __init__(self, found: Found) -> None:
            super().__init__()
            self.found = found

    def __init__(self, palette: Palette, clock: Callable[[], float] = time.monotonic, keymap: Keymap = DEFAULT) -> None:
        """`clock` gives monotonic seconds."""
        super().__init__()
        self._look, self._acts = Look(0, palette, keymap=keymap), keymap.acts("conversation")
        self._clock = clock
        story = self._story = Story()
        self._choice = Choice(story)
        self._viewport = Viewport(lambda: len(story.passages), lambda at: story.height(at, self._look), lambda: story.first)
        self._seeking, self._found = Seeking(self._story, self._viewport, self._choice), Found()
        self._codes: tuple[Block, int] | None = None
        self._painted: list[Strip] = []
        self._window = Window(self._story, self._viewport, self._choice, self._seeking)
        self._frame_due = self._has_news = False
        self._beating: Timer | None = None
        self._beat, self.undoing = 0, unfolding.Undoing(self._choice, keymap)

    # --- what is shown -----------------------------------------------------------------------------------------------
    def show(self, event: Event) -> None:
        """Turn an event into blocks; facts and news that show elsewhere are passed over."""
        story = self._story
        match event:
            case Record():
                if not unfolding.take(story, self._viewport, self._look, event, self._clock()):
                    return
                if event.type == "compacted" and self.text_selection is not None:
                    self.screen.clear_selection()  # what is selected counts the passages above it
                self._seeking.recount(event)
                if isinstance(event.entry, UserSaid) and event.entry.delivery in ("send", "edit"):
                    self._seeking.stay()
                    self._viewport.follows = True
            case TextDelta() | ThinkingDelta() | CallDelta():
                story.hear(event, self._clock())
            case OutputDelta(call=call, text=text):
                if panel := story.panel(call):
                    panel.put_out(text)
            case AttemptWithdrawn(run=run, step=step, attempt=attempt):
                story.withdraw(run, step, attempt)
            case StateDelta(state=state):
                return self._change() if self.undoing.hear(state) else None
            case RetryScheduled() | CompactionDelta() | ApprovalAsked() | ContextUsed():
                return
            case QueueChanged() | JobsChanged() | Toast():
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
        self.end_search()
        self._story.clear()
        self._window.clear()
        self._viewport.top, self._viewport.follows, self._has_news = (0, 0), True, False
        self._change()

    @property
    def is_blank(self) -> bool:
        """Whether nothing of what it knows is to be seen."""
        return not any(passage.blocks for passage in self._story.passages)

    def use(self, palette: Palette) -> None:
        """Draw in other colours."""
        self._draw_as(replace(self._look, palette=palette))

    def mark_items(self, items: Chosen) -> None:
        """Show what is set of single items."""
        if items != self._look.items:
            self._draw_as(replace(self._look, items=items))

    def rows(self) -> list[Strip]:
        """Every row that is not folded, top to bottom; marks and the badge are not among them."""
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
        self._tell_found()
        self._viewport.keep(min(RESERVE_ROWS, self.size.height // 4) if runs or self._story.is_heard else 0)
        self._has_news &= not self._viewport.shows_end
        wanted = self._window.rows(self._look, self.has_focus, self._has_news, self.undoing.hint)
        painted, self._painted = self._painted, wanted
        if len(wanted) != len(painted):
            self.refresh()
        elif regions := changed_regions(painted, wanted):
            self.refresh(*regions)

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
        strip, place = self._painted[y], self._window.places[y]
        if place is None:
            return strip
        line = place[0] * ROWS_PER_PASSAGE + place[1]
        selection = self.text_selection
        if selection is not None and (span := selection.get_span(line)) is not None:
            strip = selected(strip, *span, self._look.palette.selected)
        return strip.apply_offsets(0, line)

    # --- searching ---------------------------------------------------------------------------------------------------
    def search(self, query: str) -> None:
        """Show the match of this text that is nearest to where the reader was when the search began."""
        self._seeking.seek(query, self._look)
        self._change()

    def next_match(self, step: int) -> None:
        """Go to the next match (1) or the one before (-1)."""
        if not self._seeking.is_on:
            self.post_message(self.SearchWanted())
        elif self._seeking.step(step, self._look):
            self._change()

    def end_search(self) -> bool:
        """Back to where the reader was before it, unless gone on since; False where nothing is searched for."""
        was_on = self._seeking.is_on
        if was_on:
            self._seeking.leave(self._look)
            self._change()
        return was_on

    def _tell_found(self) -> None:
        self._seeking.refresh()
        found = self._seeking.found(self._look)
        if found != self._found:
            self._found = found
            self.post_message(self.Searched(found))

    # --- size, colours, focus ----------------------------------------------------------------------------------------
    def on_resize(self, event: events.Resize) -> None:
        if event.size.width != self._look.width:
            self._draw_as(replace(self._look, width=event.size.width))
        else:
            self._paint_anew()

    def on_focus(self) -> None:
        self._change()

    on_blur = on_focus

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
        self._seeking.stay()
        self._viewport.to_end()
        self._change()

    def _scroll_rows(self, rows: int) -> None:
        self._seeking.stay()
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
        """Unfold all calls and thoughts, or fold them again."""
        self._seeking.stay()
        mark = self._story.mark(self._viewport.top, self._look)
        self._story.follow_all()
        self._draw_as(replace(self._look, unfolded=not self._look.unfolded), mark)

    def _choose(self, step: int, user_only: bool = False) -> None:
        """Walk to another block and bring it into view."""
        if self._choice.walk(step, user_only):
            self._show_chosen()

    def _choose_error(self, step: int) -> None:
        if self._choice.walk_to_error(step):
            self._show_chosen()
        else:
            self.post_message(self.Told(f"No error {'below' if step > 0 else 'above'}"))

    def _show_chosen(self) -> None:
        self._seeking.stay()
        self._viewport.show(*self._choice.extent(self._look))
        self._change()

    def _fold(self) -> None:
        """Fold or unfold the chosen block."""
        self._seeking.stay()
        if unfolding.fold(self._story, self._viewport, self._look, self._choice):
            self._change()

    def on_click(self, event: events.Click) -> None:
        """A click on a line that folds folds it; one that ends a selection does not."""
        place = self._window.places[event.y] if event.y < len(self._window.places) else None
        if place is None or self.screen.get_selected_text():
            return
        found = self._story.block_at(place, self._look)
        if found is not None and self._story.extent(*found, self._look)[0] == place:
            self._choice.take(*found)
            self._fold()

    # --- keys --------------------------------------------------------------------------------------------------------
    def on_key(self, event: events.Key) -> None:
        act = self._acts.get(event.key)
        if act is None or (act == "undo" and not self.undoing.hint):  # then it is a letter like any other
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
            case "next_error" | "previous_error":
                self._choose_error(1 if act == "next_error" else -1)
            case "next_match" | "previous_match":
                self.next_match(1 if act == "next_match" else -1)
            case "undo":
                self.post_message(self.UndoWanted())
            case "find":
                self.post_message(self.SearchWanted())
            case "copy" if self._choice.block is not None:
                self.post_message(self.Copied(self._choice.block.source))
            case "copy_code":
                self._copy_code()
            case "copy_answer":
                self.copy_answer()
            case _:
                pass

    # --- copying -----------------------------------------------------------------------------------------------------
    def copy_answer(self, number: int = 1) -> None:
        """Copy an answer of the model as it was written, counted from the last."""
        from flowchat.ui.copying import answer_from_last

        text, words = answer_from_last(self._story, number)
        self.post_message(self.Copied(text, words) if text else self.Told(words))

    def _copy_code(self) -> None:
        """Copy the code of the chosen block, or of the nearest above that has some; asked again, the next code of that one."""
        from flowchat.ui.copying import next_code

        found = next_code(self._choice, self._codes)
        if found is None:
            self.post_message(self.Told("No code here or above"))
            return
        self._codes, code, words = found
        self._show_chosen()
        self.post_message(self.Copied(code, words))

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        from flowchat.ui.copying import selected_text

        return selected_text(self._story, selection, self._look), "\n"
