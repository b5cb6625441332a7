"""The rules of /permissions: where each stands, whether it counts; one can be written, looked at first, and taken out."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

from msgspec import Struct
from rich.style import Style
from textual import events
from textual.app import ComposeResult
from textual.geometry import Offset

from flowchat.errors import FlowchatError
from flowchat.tools.rules import FETCH_TOOLS, Effect, Origin, Rule, Scope, prefix_words
from flowchat.transcript.clean import clean
from flowchat.ui.figures import from_home
from flowchat.ui.keymap import DEFAULT, Keymap
from flowchat.ui.listing import Column, Listing
from flowchat.ui.listing import Row as Line
from flowchat.ui.one_line_edit import edited, pasted
from flowchat.ui.palette import Palette
from flowchat.ui.prose import one_line, wrapped
from flowchat.ui.rows import Rows
from flowchat.ui.strips import Piece, cut_front, hint_lines, pieces_width
from flowchat.ui.working_screen import WorkingScreen

PREVIEW_LINES = 4
RULE_LIMIT_CHARS = 2_000
"""Of what is typed here; a longer rule goes into the file by hand."""
State = Literal["reading", "writing", "asking"]
FREE = "No rules yet: what only reads in this folder is free, everything else asks."


class Standing(Struct, frozen=True):
    """What there is to show: `rules` with whether each counts, `problems` as sentences."""

    rules: tuple[tuple[Rule, str], ...]
    """Each with why it does not count; empty: it does."""
    problems: tuple[tuple[Origin, str], ...] = ()
    """Each with where it stands."""


class Rulings(Struct, frozen=True):
    """What the screen asks for. `check` gives the rule a text would be, or raises UsageError; `add` and `remove` raise
    FlowchatError; `places` are the files a rule can be kept in."""

    look: Callable[[], Standing]
    check: Callable[[str, Effect, Scope], Rule]
    add: Callable[[str, Effect, Scope], Awaitable[Rule]]
    remove: Callable[[Rule], Awaitable[bool]]
    places: tuple[tuple[Scope, str], ...]


class PermissionsScreen(WorkingScreen[None], inherit_bindings=False):
    """Esc closes."""

    def __init__(self, palette: Palette, rulings: Rulings, mode: str, keymap: Keymap = DEFAULT) -> None:
        super().__init__()
        self._palette, self._rulings, self._mode = palette, rulings, mode
        self._keymap, self._acts, self._own_acts = keymap, keymap.acts("list"), keymap.acts("permissions")
        self._state: State = "reading"
        self._written, self._place = "", 0
        self._effect: Effect = "allow"
        self._said: tuple[str, bool] = ("", False)
        """A sentence in the place of the hints until the next key, and whether it is a warning."""
        self._standing = Standing(())

    def compose(self) -> ComposeResult:
        palette = self._palette
        yield Rows(palette, self._head).add_class("head")
        yield Listing(palette, (Column("text"), Column("dim"), Column("dim", "right"))).add_class("fills")
        yield Rows(palette).add_class("preview")
        yield Rows(palette, self._foot).add_class("foot")

    def on_mount(self) -> None:
        self._reload()

    @property
    def caret(self) -> Offset | None:
        """The cell after the rule that is written."""
        if self._state != "writing":
            return None
        return Offset(min(pieces_width(self._head(self.size.width)[0][:2]), self.size.width - 1), 0)

    # --- keys --------------------------------------------------------------------------------------------------------
    def on_key(self, event: events.Key) -> None:
        event.stop()
        event.prevent_default()
        self._said = ("", False)
        if self._state == "writing":
            self._on_writing(event)
        elif self._state == "asking":
            self._state = "reading"
            if event.key == "y" and self._chosen is not None:
                self._do(self._remove(self._chosen))
        else:
            self._on_reading(event)
        self._redraw()

    def _on_reading(self, event: events.Key) -> None:
        act, own = self._acts.get(event.key), self._own_acts.get(event.key)
        if own == "add":
            self._state = "writing"
        elif own == "remove" and self._chosen is not None:
            self._begin_removing(self._chosen)
        elif act == "close" or event.key == "q":
            self.dismiss(None)
        elif act is not None:
            self.query_one(Listing).act(act)

    def _begin_removing(self, rule: Rule) -> None:
        if rule.origin.scope == "flag":
            self._said = ("This one was given on the command line: start without it", True)
        else:
            self._state = "asking"

    def _on_writing(self, event: events.Key) -> None:
        act, own = self._acts.get(event.key), self._own_acts.get(event.key)
        if act == "close":
            self._state = "reading"
        elif act == "choose":
            self._write()
        elif own == "effect":
            self._effect = _NEXT[self._effect]
        elif own == "place":
            self._place = (self._place + 1) % len(self._rulings.places)
        elif (written := edited(self._written, event)) is not None:
            self._written = written[:RULE_LIMIT_CHARS]

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        if self._state == "writing":
            self._written = pasted(self._written, event)[:RULE_LIMIT_CHARS]
            self._redraw()

    def on_listing_picked(self) -> None:
        self._redraw()

    def on_listing_walked(self) -> None:
        self._redraw()

    # --- what is done ------------------------------------------------------------------------------------------------
    @property
    def _chosen(self) -> Rule | None:
        chosen = self.query_one(Listing).chosen
        return chosen.key if chosen is not None and isinstance(chosen.key, Rule) else None

    def _reload(self, chosen: Rule | None = None) -> None:
        standing = self._standing = self._rulings.look()
        lines = [Line(None, (f"! {one_line(clean(why))}", "", _short(origin))) for origin, why in standing.problems]
        lines += [_line(rule, why) for rule, why in standing.rules]
        place = next((place for place, line in enumerate(lines) if chosen is not None and line.key == chosen), 0)
        self.query_one(Listing).show(lines, place)
        self._redraw()

    def _checked(self) -> tuple[Rule | None, str]:
        """The rule as it is written so far, or why it is none."""
        try:
            return self._rulings.check(self._written, self._effect, self._rulings.places[self._place][0]), ""
        except FlowchatError as error:
            return None, str(error)

    def _write(self) -> None:
        rule, why = self._checked()
        if rule is None:
            self._said = (why, True)
        else:
            self._do(self._add(self._written, self._effect, self._rulings.places[self._place][0]))

    def _do(self, work: Awaitable[None]) -> None:
        async def do() -> None:
            try:
                await work
            except FlowchatError as error:
                self._said = (str(error), True)
                self._redraw()

        self.run_worker(do())

    async def _add(self, text: str, effect: Effect, scope: Scope) -> None:
        rule = await self._rulings.add(text, effect, scope)
        self._state, self._written = "reading", ""
        self._said = (f"Written to {_from_home(rule.origin)}", False)
        self._reload(rule)

    async def _remove(self, rule: Rule) -> None:
        removed = await self._rulings.remove(rule)
        self._said = (
            f"Taken out of {from_home(rule.origin.path or str(rule.origin))}" if removed else "It is not there any more",
            not removed,
        )
        self._reload()

    # --- drawing -----------------------------------------------------------------------------------------------------
    def _redraw(self) -> None:
        self.query_one(".head", Rows).show(self._head)
        self.query_one(".preview", Rows).show(self._writing if self._state == "writing" else self._reading)
        self.query_one(".foot", Rows).show(self._foot)

    def _head(self, width: int) -> list[list[Piece]]:
        palette = self._palette
        if self._state != "writing":
            title: list[Piece] = [("  Permissions", palette.text + palette.bold)]
            mode = f"{self._mode} mode"
            return [[*title, (" " * max(2, width - len(mode) - 15), palette.text), (mode, palette.dim)], []]
        label = f"  {self._effect} "
        room = max(1, width - len(label) - 2)
        return [[(label, _style(self._effect, palette)), (cut_front(clean(self._written), room), palette.text)], []]

    def _foot(self, width: int) -> list[list[Piece]]:
        palette, hint, rule = self._palette, self._keymap.hint, self._chosen
        text, is_warning = self._said
        if self._state == "asking" and rule is not None:
            question = f"Take {rule.effect} {clean(str(rule))} out of {clean(from_home(rule.origin.path or str(rule.origin)))}?"
            asked = [[("  ", palette.text), (part, palette.warn)] for part in wrapped(question, width - 4)[:PREVIEW_LINES]]
            return [*asked, *hint_lines(width, ("y take it out", "any other key leaves it"), palette.dim)]
        if text:
            style = palette.warn if is_warning else palette.text
            return [[("  ", palette.text), (part, style)] for part in wrapped(clean(text), width - 4)[:PREVIEW_LINES]]
        if self._state == "writing":
            hints: Sequence[str] = (
                hint("list", "write it", "choose"),
                hint("permissions", "allow, ask, deny", "effect"),
                hint("permissions", "another file", "place") if len(self._rulings.places) > 1 else "",
                hint("list", "leave it", "close"),
            )
        else:
            hints = (
                hint("permissions", "write a rule", "add"),
                hint("permissions", "take it out", "remove") if rule is not None else "",
                hint("list", "close", "close"),
            )
        return hint_lines(width, hints, palette.dim)

    def _reading(self, width: int) -> list[list[Piece]]:
        """What there is to know of the row that is chosen."""
        palette, rule = self._palette, self._chosen
        if rule is not None:
            why = next((why for one, why in self._standing.rules if one == rule), "")
            texts = [f"{why or meaning(rule)}; {_from_home(rule.origin)}", f"{rule.effect} {rule}"]
        else:
            at = self.query_one(Listing).chosen_index
            problems = [f"{_from_home(origin)}: {why}" for origin, why in self._standing.problems]
            texts = [problems[at]] if at < len(problems) else [FREE]
        return self._lines(texts, palette, width)

    def _writing(self, width: int) -> list[list[Piece]]:
        """What the rule would be and where it would go, or why it is none."""
        palette, (scope, place) = self._palette, self._rulings.places[self._place]
        where = f"for {_SCOPES[scope]}: {from_home(place)}"
        if not self._written.strip():
            example = {"allow": "shell(make test:*)", "ask": "shell(git push:*)", "deny": "read_file(secrets/**)"}[self._effect]
            return self._lines([f"such as {example}", where], palette, width)
        rule, why = self._checked()
        return self._lines([meaning(rule) if rule is not None else why, where], palette, width)

    def _lines(self, texts: Sequence[str], palette: Palette, width: int) -> list[list[Piece]]:
        parts = [part for text in texts for part in wrapped(one_line(clean(text)), width - 4)]
        rows: list[list[Piece]] = [[("  ", palette.text), (part, palette.text)] for part in parts[:PREVIEW_LINES]]
        return [[(palette.glyphs.rule * width, palette.dim)], *rows]


_NEXT: dict[Effect, Effect] = {"allow": "ask", "ask": "deny", "deny": "allow"}
_SCOPES: dict[Scope, str] = {
    "user": "you in all projects",
    "project": "everyone in this project",
    "local": "you in this project",
}


def meaning(rule: Rule) -> str:
    """What a rule is about, in words."""
    spec = rule.spec
    verb = {"allow": "allows", "ask": "asks before", "deny": "denies"}[rule.effect]
    if rule.tools[0] in FETCH_TOOLS:
        return _of_hosts(rule, verb)
    if spec is None:
        return f"{verb} every {rule.tool} call" if rule.effect != "allow" or "shell" in rule.tools else f"{verb} {rule.tool} here"
    if "shell" in rule.tools:
        words = prefix_words(rule)
        return f"{verb} this exact command" if words is None else f"{verb} commands that begin with {' '.join(words)}"
    return f"{verb} {', '.join(rule.tools)} on these paths"


def _of_hosts(rule: Rule, verb: str) -> str:
    """What fetches may reach, and with that commands from their sandbox."""
    allows = rule.effect == "allow"
    if rule.spec is None:
        return (
            f"{verb} {rule.tool} here, opens no host to commands"
            if allows
            else f"{verb} every {rule.tool} call; commands reach no host"
        )
    host = rule.spec.removeprefix("domain:")
    return f"{verb} fetching from {host}; commands in the full sandbox {'reach it, too' if allows else 'do not reach it'}"


def _line(rule: Rule, why: str) -> Line:
    return Line(rule, (f"{rule.effect:<5}  {one_line(clean(str(rule)))}", "waits" if why else "", _short(rule.origin)))


def _short(origin: Origin) -> str:
    return f"{origin.scope}:{origin.line}" if origin.path else str(origin)


def _from_home(origin: Origin) -> str:
    return from_home(str(origin))


def _style(effect: Effect, palette: Palette) -> Style:
    styles = {"allow": palette.good, "ask": palette.warn, "deny": palette.bad}
    return styles[effect] + palette.bold
