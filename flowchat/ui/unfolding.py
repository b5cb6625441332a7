"""Folding while somebody reads: what stands at the top of the view stays there, as long as it shows."""

from flowchat.transcript.entries import Compacted, Record
from flowchat.transcript.events import State
from flowchat.ui.blocks import Look
from flowchat.ui.checkpoints import FoldLine
from flowchat.ui.choice import Choice
from flowchat.ui.keymap import Keymap
from flowchat.ui.story import Story
from flowchat.ui.viewport import Viewport

_MOVES = frozenset({"compacted", "compaction_undone", "edited"})
"""What may fold or unfold a beginning of the story."""


def take(story: Story, viewport: Viewport, look: Look, record: Record, now: float) -> bool:
    """As `Story.take`, for what happens just now.

    What somebody reads who has gone up does not fold away, unless the compaction was asked for by hand.
    """
    if record.type not in _MOVES or not look.width:
        return story.take(record, now)
    mark = story.mark(viewport.top, look)
    shown = story.take(record, now)
    made = record.entry
    if isinstance(made, Compacted) and made.trigger != "user" and not viewport.follows and mark is not None:
        for line in story.checkpoints.closed(story.passages.index(mark[0])):
            line.fold(look)
    if mark is not None:
        viewport.top = story.find(mark, look)
    return shown


def fold(story: Story, viewport: Viewport, look: Look, choice: Choice) -> bool:
    """Fold or unfold the chosen block; False where it does not fold. The end is followed only if it shows.

    Of what a checkpoint covers the last half of a view is shown above its line.
    """
    passage, block = choice.passage, choice.block
    mark = story.mark(viewport.top, look)
    if passage is None or block is None or not block.fold(look):
        return False
    passage.touched = True
    if mark is not None:
        viewport.top = story.find(mark, look)
    first = choice.extent(look)[0]
    viewport.show(first, 1)
    if isinstance(block, FoldLine) and not block.is_closed:
        viewport.top = first
        viewport.scroll(-(viewport.rows // 2))
    return True


class Undoing:
    """Whether the reader can take a compaction back: its line is chosen, and nothing else is under way."""

    def __init__(self, choice: Choice, keymap: Keymap) -> None:
        self._choice, self._words = choice, keymap.hint("conversation", "undo", "undo")
        self._is_idle = True
        self.read_only = False

    @property
    def hint(self) -> str:
        """What to press; empty: there is nothing to take back here, or not now."""
        block = self._choice.block
        may = self._is_idle and not self.read_only and isinstance(block, FoldLine) and block.is_in_force
        return self._words if may else ""

    def hear(self, state: State) -> bool:
        """What the session does; whether that makes a difference."""
        before, self._is_idle = self._is_idle, state == "idle"
        return before != self._is_idle
