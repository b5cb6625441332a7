"""Choosing the colours: a list below the conversation, and the screen around it drawn in the chosen theme."""

from collections.abc import Callable, Sequence

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen

from flowchat.errors import FlowchatError
from flowchat.ui.keymap import Keymap
from flowchat.ui.listing import Column, Listing, Row
from flowchat.ui.looks import Choice, Looks
from flowchat.ui.rows import Rows
from flowchat.ui.stage import Stage
from flowchat.ui.strips import Piece, cut, hint_lines
from flowchat.ui.themes import one_line

ROWS = 8
"""Themes shown at once, at most; on a small screen a third of its rows."""


async def keep_theme(stage: Stage, name: str) -> None:
    """Show a theme from now on. Raises UsageError where there is none of that name."""
    looks = stage.looks
    looks.take(name)
    stage.use_looks()
    try:
        said = await stage.workspace.keep_setting("theme", name)
    except FlowchatError as error:
        stage.say(f"{one_line(name)} is shown until you leave: {error}", "warning")
        return
    problem = looks.problem
    stage.say(problem or said or f"The theme is {one_line(name)} from now on", "warning" if problem or said else "info")


def pick_theme(stage: Stage) -> None:
    """Let the person walk over the themes; Enter keeps one, Esc the one before."""
    looks = stage.looks
    before = looks.name, looks.palette

    def preview(name: str) -> None:
        looks.take(name)
        stage.use_looks()

    def closed(name: str | None) -> None:
        if name is None:
            looks.put_back(*before)
            stage.use_looks()
        else:
            stage.errands.run(keep_theme(stage, name))

    stage.app.push_screen(ThemeScreen(looks, stage.keymap, preview), closed)


class ThemeScreen(ModalScreen[str | None], inherit_bindings=False):
    """Gives the name chosen. `preview` shows a theme, here and behind."""

    def __init__(self, looks: Looks, keymap: Keymap, preview: Callable[[str], None]) -> None:
        super().__init__()
        self._palette, self._choices, self._limits, self._preview = looks.live, looks.choices(), looks.limits, preview
        self._keymap, self._acts = keymap, keymap.acts("list")
        self._begin = next((at for at, choice in enumerate(self._choices) if choice.name == looks.name), 0)
        self._head = Rows(looks.live, self._title)
        self._listing = Listing(looks.live, (Column("text"), Column("dim")), limit=ROWS, raised=True)
        self._foot = Rows(looks.live, self._hints)

    def compose(self) -> ComposeResult:
        with Vertical(classes="bar"):
            yield self._head
            yield self._listing
            yield self._foot

    def on_resize(self, event: events.Resize) -> None:
        self._fill(self._listing.chosen_index if self._listing.rows else self._begin, event.size.height)

    def on_key(self, event: events.Key) -> None:
        act = self._acts.get(event.key)
        event.stop()
        if act == "close":
            self.dismiss(None)
        elif act == "choose":
            self.dismiss(self._chosen.name)
        elif act is not None and self._listing.act(act):
            self._show()

    def on_listing_walked(self) -> None:
        self._show()

    def on_listing_picked(self) -> None:
        self.dismiss(self._chosen.name)

    @property
    def _chosen(self) -> Choice:
        return self._choices[self._listing.chosen_index]

    def _fill(self, chosen: int, height: int) -> None:
        self._listing.limit_rows(max(1, min(ROWS, height // 3)))
        self._listing.show([Row(choice, (one_line(choice.name), _about(choice))) for choice in self._choices], chosen)
        self._foot.draw_again()

    def _show(self) -> None:
        self._preview(self._chosen.name)

    def _title(self, width: int) -> Sequence[Sequence[Piece]]:
        palette = self._palette
        left: list[Piece] = [(palette.glyphs.rule * 2, palette.dim), (" Theme ", palette.text + palette.bold)]
        return [[*left, (palette.glyphs.rule * max(0, width - 9), palette.dim)]]

    def _hints(self, width: int) -> Sequence[Sequence[Piece]]:
        palette, chosen = self._palette, self._choices[self._listing.chosen_index]
        hints = (self._keymap.hint("list", "keep", "choose"), self._keymap.hint("list", "back", "close"))
        lines = hint_lines(width, hints, palette.dim)
        if said := chosen.problem or self._limits:
            lines.insert(0, [("  ", palette.text), (cut(said, width - 4), palette.warn if chosen.problem else palette.dim)])
        return lines


def _about(choice: Choice) -> str:
    return choice.about or ("has a mistake" if choice.problem else "")
