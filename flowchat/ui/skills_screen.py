"""The skills there are here: where each lies, whether it counts and why not; one is turned on or off, and read in place."""

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from rich.style import Style
from textual import events
from textual.app import ComposeResult

from flowchat.errors import FlowchatError
from flowchat.transcript.clean import clean
from flowchat.ui.figures import from_home, many
from flowchat.ui.keymap import DEFAULT, Keymap
from flowchat.ui.listing import Column, Listing, Row
from flowchat.ui.palette import Palette
from flowchat.ui.prose import one_line, wrapped
from flowchat.ui.rows import Rows, foot_lines
from flowchat.ui.strips import Piece, hint_lines
from flowchat.ui.working_screen import WorkingScreen

if TYPE_CHECKING:
    from flowchat.runtime.skills import Found, Skill, Skills
    from flowchat.ui.stage import Stage

_STATES = {"on": "on", "off": "off", "shadowed": "hidden", "untrusted": "not trusted", "invalid": "not valid"}
_SCOPES = {"project": "this project", "user": "all your projects"}
NO_RIGHTS = "a skill is given no rights by that"
_EXAMPLE = (
    "---",
    "name: release",
    "description: How a release is made. Use it when one is wanted.",
    "---",
    "Run make check first. Then ...",
)


def show_skills(stage: "Stage", skills: "Skills") -> None:
    stage.app.push_screen(SkillsScreen(stage.palette, skills, stage.keymap))


class SkillsScreen(WorkingScreen[None], inherit_bindings=False):
    """Enter shows all of the chosen skill, and the list again; Esc closes."""

    def __init__(self, palette: Palette, skills: "Skills", keymap: Keymap = DEFAULT) -> None:
        super().__init__()
        self._palette, self._skills = palette, skills
        self._keymap, self._acts, self._own_acts = keymap, keymap.acts("list"), keymap.acts("skills")
        self._found: Found | None = None
        """None until they were looked for."""
        self._is_open = False
        self._said: tuple[str, bool] = ("", False)
        """A sentence in the place of the hints until the next key, and whether it is a warning."""

    def compose(self) -> ComposeResult:
        palette = self._palette
        yield Rows(palette, self._head)
        yield Listing(palette, (Column("text"), Column("accent"), Column("dim"))).add_class("fills")
        yield Rows(palette).add_class("about")
        yield Rows(palette, self._foot).add_class("foot")

    def on_mount(self) -> None:
        self._arrange()
        self._do(self._reload())

    # --- keys --------------------------------------------------------------------------------------------------------
    def on_key(self, event: events.Key) -> None:
        event.stop()
        self._said = ("", False)
        act, own, listing = self._acts.get(event.key), self._own_acts.get(event.key), self.query_one(Listing)
        if own == "switch" and (skill := self._chosen) is not None and skill.state in ("on", "off", "shadowed"):
            self._do(self._switch(skill))
        elif own == "reload":
            self._do(self._reload())
        elif act == "choose":
            self._is_open = not self._is_open and self._chosen is not None
            self._arrange()
        elif (act == "close" or event.key == "q") and self._is_open:
            self._is_open = False
            self._arrange()
        elif act == "close" or event.key == "q":
            self.dismiss(None)
        elif act is not None and (self._is_open or not listing.rows):
            self.query_one(".about", Rows).act(act)
        elif act is not None and listing.act(act):
            self._show_chosen()
        self.query_one(".foot", Rows).draw_again()

    def on_listing_picked(self) -> None:
        self._show_chosen()

    def on_listing_walked(self) -> None:
        self._show_chosen()

    # --- what is done ------------------------------------------------------------------------------------------------
    def _do(self, work: Awaitable[None]) -> None:
        async def do() -> None:
            try:
                await work
            except FlowchatError as error:
                self._said = (str(error), True)
                self.query_one(".foot", Rows).draw_again()

        self.run_worker(do())

    async def _reload(self, stays: bool = False) -> None:
        """`stays`: nothing scrolls, for only their states are others."""
        chosen = self.query_one(Listing).chosen
        self._found = await asyncio.to_thread(self._skills.look)
        rows = [Row(None, (f"! {one_line(clean(sentence))}", "", "")) for sentence in self._found.troubles]
        rows += [_row(skill) for skill in self._found.skills]
        at = next((at for at, row in enumerate(rows) if chosen is not None and row.key == chosen.key), None)
        self._is_open = self._is_open and at is not None
        self.query_one(Listing).show(rows, at or 0, stays)
        self._arrange(stays)

    async def _switch(self, skill: "Skill") -> None:
        """What was on the branch stays there; a list that has changed is told before the next run."""
        is_on = skill.state != "off"
        said = await asyncio.to_thread(self._skills.switch, skill, not is_on)
        words = f"{skill.name} is {'off' if is_on else 'on'} from your next message on"
        self._said = (f"{words}. {said}" if said else words, bool(said))
        await self._reload(stays=True)

    @property
    def _chosen(self) -> "Skill | None":
        row = self.query_one(Listing).chosen
        if row is None or self._found is None:
            return None
        return next((skill for skill in self._found.skills if skill.file == row.key), None)

    # --- drawing -----------------------------------------------------------------------------------------------------
    def _arrange(self, stays: bool = False) -> None:
        """The whole of a skill has the place of the list, or a few lines about it below that."""
        about, is_alone = self.query_one(".about", Rows), self._is_open or not self.query_one(Listing).rows
        self.query_one(Listing).display = not is_alone
        about.set_class(is_alone, "fills")
        about.set_class(not is_alone, "preview")
        self._show_chosen(stays)

    def _show_chosen(self, stays: bool = False) -> None:
        about = self.query_one(".about", Rows)
        show = about.draw_anew if stays else about.show
        show(self._whole if self._is_open else self._about)
        for rows in self.query(Rows):
            rows.draw_again()

    def _head(self, width: int) -> list[list[Piece]]:
        palette, skill, found = self._palette, self._chosen if self.is_mounted else None, self._found
        if self._is_open and skill is not None:
            return [[(f"  {one_line(clean(skill.name))}", palette.text + palette.bold)], []]
        counting = sum(1 for _ in found.usable()) if found is not None else 0
        right = f"{many(counting, 'skill')} in use" if found is not None and found.skills else ""
        gap = " " * max(2, width - len(right) - 10)
        return [[("  Skills", palette.text + palette.bold), (gap, palette.text), (right, palette.dim)], []]

    def _about(self, width: int) -> list[list[Piece]]:
        """What there is to know of the row that is chosen; without skills, how one is made."""
        palette, skill, found = self._palette, self._chosen, self._found
        if found is None:
            return []
        if skill is None:
            at = self.query_one(Listing).chosen_index
            texts = [(found.troubles[at], palette.warn)] if at < len(found.troubles) else self._none()
        else:
            texts = self._facts(skill)
        lines: list[list[Piece]] = [
            [("  ", palette.text), (part, style)]
            for text, style in texts
            for part in wrapped(one_line(clean(text)), width - 4) or [""]
        ]
        return [[(palette.glyphs.rule * width, palette.dim)], *lines] if found.skills or found.troubles else lines

    def _facts(self, skill: "Skill") -> list[tuple[str, Style]]:
        return _facts(skill, from_home(self._skills.path_of(skill)), self._palette)

    def _none(self) -> list[tuple[str, Style]]:
        """How one is made."""
        palette, own = self._palette, from_home(self._skills.own_place)
        mine = f", into {own}/release for all" if own else ""
        return [
            ("No skills yet. A skill is a folder with a SKILL.md: instructions for one kind of task.", palette.text),
            (f"Put one into .flowchat/skills/release for this project{mine}.", palette.text),
            ("", palette.text),
            *((line, palette.dim) for line in _EXAMPLE),
            ("", palette.text),
            ("Skills in .agents/skills and .claude/skills, here and in your home folder, are read, too.", palette.text),
        ]

    def _whole(self, width: int) -> list[list[Piece]]:
        palette, skill = self._palette, self._chosen
        if skill is None:
            return []
        lines: list[list[Piece]] = []
        texts = [*self._facts(skill), ("", palette.text)]
        body = clean(skill.text.body) if skill.text is not None else ""
        texts += [(line, palette.text) for line in body.split("\n")]
        for text, style in texts:
            parts = wrapped(clean(text).replace("\t", "    "), width - 4) or [""]
            lines += [[("  ", palette.text), (part, style)] for part in parts]
        return lines

    def _foot(self, width: int) -> list[list[Piece]]:
        palette, hint = self._palette, self._keymap.hint
        text, is_warning = self._said
        if text:
            style = palette.warn if is_warning else palette.text
            return [[("  ", palette.text), (part, style)] for part in wrapped(one_line(clean(text)), width - 4)]
        skill = self._chosen if self.is_mounted else None
        can = skill is not None and skill.state in ("on", "off", "shadowed")
        hints = (
            hint("list", "scroll", "up", "down", "page_down") if self._is_open or not self.query_one(Listing).rows else "",
            hint("list", "read it", "choose") if skill is not None and not self._is_open else "",
            hint("skills", "turn it on" if skill is not None and skill.state == "off" else "turn it off", "switch")
            if can
            else "",
            hint("skills", "look again", "reload"),
            hint("list", "back" if self._is_open else "close", "close"),
        )
        return foot_lines(width, hints, palette) if self._is_open else hint_lines(width, hints, palette.dim)


def _row(skill: "Skill") -> Row:
    words = skill.text.description if skill.text is not None else skill.why
    name = one_line(clean(skill.name))
    return Row(skill.file, (f"{name}  {one_line(clean(words))}", _STATES[skill.state], one_line(clean(from_home(skill.place)))))


def _facts(skill: "Skill", path: str, palette: Palette) -> list[tuple[str, Style]]:
    """What there is to know of a skill, the most important first."""
    facts: list[tuple[str, Style]] = []
    if skill.why:
        facts.append(
            (f"{_STATES[skill.state]}: {skill.why}" if skill.state in ("shadowed", "invalid") else skill.why, palette.warn)
        )
    if skill.text is not None:
        facts.append((skill.text.description, palette.text))
    facts.append((f"{path}, for {_SCOPES[skill.scope]}", palette.dim))
    if skill.text is not None and not skill.text.for_user:
        facts.append(("for the model alone: naming it adds nothing", palette.dim))
    if skill.text is not None and not skill.text.for_model:
        facts.append((f"for you alone: ${skill.name} adds it, the model is not told of it", palette.dim))
    if skill.text is not None and skill.text.tools:
        facts.append((f"asks for {skill.text.tools}; {NO_RIGHTS}", palette.dim))
    return facts
