"""Whether this folder is trusted and what in it waits for that, to the letter; one key trusts it, one takes that back."""

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from rich.style import Style
from textual import events
from textual.app import ComposeResult
from textual.screen import Screen

from flowchat.transcript.clean import clean
from flowchat.ui.figures import from_home
from flowchat.ui.keymap import DEFAULT, Keymap
from flowchat.ui.palette import Palette
from flowchat.ui.prose import one_line, wrapped
from flowchat.ui.rows import Rows, foot_lines
from flowchat.ui.strips import Piece

if TYPE_CHECKING:
    from flowchat.runtime.trust import Look
    from flowchat.ui.stage import Stage

GUARD_SECONDS = 0.3
"""A key decides only so long after the page was painted: what was being written never does."""
NOT_TRUSTED = (
    "None of this does anything until you trust the folder. Its files are read as text, AGENTS.md too, and the model is told that"
    " they do not speak for you. Chatting works as ever."
)
CHANGED = "This is new or has changed since you trusted the folder, and is not used until you approve it."
SENDS = "decides where keys and messages go"
Decision = Literal["trust", "forget"]


async def show_trust(stage: "Stage") -> None:
    """Look at the folder, let the user decide, and do it. Raises StorageFailed."""
    workspace = stage.workspace
    folder = stage.session.workspace_path if stage.session is not None else workspace.path
    look = await asyncio.to_thread(workspace.trust.look, folder)
    found = await asyncio.to_thread(workspace.skills(folder).look)
    skills = tuple(skill.name for skill in found.skills if skill.state == "untrusted")
    decision = await stage.ask(TrustScreen(stage.palette, look, stage.keymap, skills))
    if decision == "trust":
        notices = await workspace.trust_folder(look)
        stage.say(notices[0] if notices else "This folder is trusted", "warning" if notices else "info")
    elif decision == "forget":
        await asyncio.to_thread(workspace.trust.remove, folder)
        stage.say("This folder is no longer trusted; settings it changed are yours again from the next start on")
    if decision is not None:
        await stage.greet()


class TrustScreen(Screen[Decision | None], inherit_bindings=False):
    """Gives what was decided; None: nothing."""

    def __init__(self, palette: Palette, look: "Look", keymap: Keymap = DEFAULT, skills: Sequence[str] = ()) -> None:
        """`skills` of the folder that are not used, by name."""
        super().__init__()
        self._palette, self._look, self._keymap, self._skills = palette, look, keymap, skills
        self._scrolls, self._acts = keymap.acts("list"), keymap.acts("trust")
        self._painted: float | None = None

    def compose(self) -> ComposeResult:
        palette = self._palette
        yield Rows(palette, lambda width: [[("  Trust", palette.text + palette.bold)], []])
        yield Rows(palette, self._lines).add_class("fills")
        foot = Rows(palette, lambda width: foot_lines(width, self._hints(), palette))
        foot.id = "foot"
        yield foot

    def on_mount(self) -> None:
        self.call_after_refresh(self._note_painted)

    def on_resize(self) -> None:
        self.call_after_refresh(self.query_one("#foot", Rows).draw_again)

    def _note_painted(self) -> None:
        self._painted = time.monotonic()
        self.query_one("#foot", Rows).draw_again()

    def on_key(self, event: events.Key) -> None:
        event.stop()
        act = self._acts.get(event.key)
        if act in ("trust", "forget"):
            self._decide("trust" if act == "trust" else "forget", event.time)
        elif self._scrolls.get(event.key) == "close" or event.key == "q":
            self.dismiss(None)
        elif (scroll := self._scrolls.get(event.key)) is not None:
            self._scroll(scroll)

    def _decide(self, decision: Decision, at: float) -> None:
        """What has not been seen is not approved: first its rest is shown."""
        if self._painted is None or at - self._painted < GUARD_SECONDS or not self._can(decision):
            return
        if decision == "trust" and not self.query_one(".fills", Rows).is_at_end:
            self._scroll("page_down")
        else:
            self.dismiss(decision)

    def _scroll(self, act: str) -> None:
        self.query_one(".fills", Rows).act(act)
        self.query_one("#foot", Rows).draw_again()

    def _can(self, act: str) -> bool:
        by = self._look.trusted_by
        return (not by or bool(self._look.waiting)) if act == "trust" else by == str(self._look.folder)

    def _hints(self) -> list[str]:
        hint, by = self._keymap.hint, self._look.trusted_by
        does = "approves it" if by else "trusts the folder"
        if self._painted is not None and not self.query_one(".fills", Rows).is_at_end:
            does = f"shows more, then {does}"
        hints = [hint("trust", does, "trust")] if self._can("trust") else []
        hints += [hint("trust", "trusts it no longer", "forget")] if self._can("forget") else []
        return [*hints, hint("list", "closes", "close")]

    def _lines(self, width: int) -> list[list[Piece]]:
        palette, look = self._palette, self._look
        lines: list[list[Piece]] = []

        def say(text: str, style: Style, inset: str = "  ") -> None:
            for part in wrapped(text, max(8, width - len(inset) - 2)):
                lines.append([(inset, palette.text), (part, style)])

        where = from_home(str(look.folder))
        if look.trusted_by:
            inside = "" if look.trusted_by == str(look.folder) else f", as part of {from_home(look.trusted_by)}"
            say(f"{one_line(where)} is trusted{one_line(inside)}.", palette.text)
        else:
            say(f"{one_line(where)} is not trusted.", palette.text)
        if look.problem:
            say(one_line(look.problem), palette.warn)
        file = ""
        for waits in look.waiting:
            if waits.file != file:
                lines.append([])
                say(waits.file, palette.dim)
                file = waits.file
            say(clean(waits.text), palette.text, "    ")
            if waits.digest:
                say(SENDS, palette.warn, "      ")
        if self._skills:
            lines.append([])
            say("skills", palette.dim)
            say(one_line(clean(", ".join(self._skills))), palette.text, "    ")
        lines.append([])
        if look.waiting or self._skills:
            say(CHANGED if look.trusted_by else NOT_TRUSTED, palette.dim)
        elif not look.trusted_by:
            say("Nothing in it waits for that.", palette.dim)
        return lines
