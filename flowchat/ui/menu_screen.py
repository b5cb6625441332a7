"""Every command and action with its key in one list that narrows as one types."""

from collections.abc import Callable, Sequence

from msgspec import Struct
from textual import events
from textual.app import ComposeResult
from textual.geometry import Offset
from textual.screen import Screen

from flowchat.transcript.clean import clean
from flowchat.ui.commands import COMMANDS, Command
from flowchat.ui.key_names import shown
from flowchat.ui.keymap import Keymap
from flowchat.ui.listing import Column, Listing, Row
from flowchat.ui.one_line_edit import edited, pasted
from flowchat.ui.palette import Palette
from flowchat.ui.prose import wrapped
from flowchat.ui.rows import Rows
from flowchat.ui.strips import Piece, cut_front, hint_lines, pieces_width

HELP_LINES = 2
"""Of what the chosen line says of itself."""
ROOMY_CELLS = 60
"""From this width on a row is left free below the heading."""
_LISTED = ("chat", "conversation")
_UNLISTED = frozenset({"submit", "newline", "escape", "cancel", "menu", "page_up", "page_down", "row_up", "row_down", "fold_all"})
"""Acts that mean nothing in a list, or nothing that is not there already."""


class Entry(Struct, frozen=True):
    """One line: a command, or the act of a context; `key` is the one bound now, as hints write it."""

    name: str
    help: str
    key: str = ""
    command: Command | None = None
    context: str = ""
    act: str = ""

    @property
    def needs_words(self) -> bool:
        """Whether it says nothing without an argument."""
        return self.command is not None and self.command.argument[:1] not in ("", "[")


class Choice(Struct, frozen=True):
    """What was chosen; `written`: it goes into the composer, to be completed there."""

    entry: Entry
    written: bool


def entries(keymap: Keymap, recent: Sequence[str] = ()) -> list[Entry]:
    """What can be chosen, the names in `recent` first; an act that is also a command is listed as that, with its key.

    What the chat and the conversation both do is listed once.
    """
    commands = {command.name: command for command in COMMANDS}
    rows = [(context, row) for context in _LISTED for row in keymap.tables[context] if row.help and row.act not in _UNLISTED]
    key_of = {row.act: keymap.name(context, row.act) for context, row in rows if context == "chat"}
    found = [
        Entry(f"/{name} {command.argument}".rstrip(), command.help, key_of.get(name, ""), command)
        for name, command in commands.items()
    ]
    for context, row in rows:
        if row.act not in commands if context == "chat" else row.act not in key_of and row.keys:
            name = row.act.replace("_", " ")
            found.append(Entry(name, row.help, keymap.name(context, row.act), context=context, act=row.act))
    at = {name: index for index, name in enumerate(recent)}
    return sorted(found, key=lambda entry: at.get(entry.name, len(at)))


def narrowed(found: Sequence[Entry], sought: str) -> list[Entry]:
    """Those that fit what is sought, the nearest first: by name, by words of the name, by letters in their order, by the help."""
    query = sought.strip().lower()
    if not query:
        return list(found)
    ranked = [(rank, entry) for entry in found if (rank := _rank(query, entry)) is not None]
    return [entry for _, entry in sorted(ranked, key=lambda pair: pair[0])]


def _rank(query: str, entry: Entry) -> int | None:
    """Smaller is nearer; None: it does not fit."""
    aliases = entry.command.aliases if entry.command else ()
    names = [entry.name.removeprefix("/").lower(), *aliases]
    word = query.removeprefix("/")
    if any(name.startswith(word) for name in names):
        return 0
    if any(word in name for name in names):
        return 1
    if all(part in f"{entry.name} {entry.help} {entry.key}".lower() for part in query.split()):
        return 2
    rest = iter(entry.name)
    return 3 if all(letter in rest for letter in word.replace(" ", "")) else None


class MenuScreen(Screen["Choice | None"], inherit_bindings=False):
    """Gives what was chosen, or None. `help_key` leads on to the page of help."""

    def __init__(self, palette: Palette, keymap: Keymap, found: Sequence[Entry]) -> None:
        super().__init__()
        self._palette, self._keymap, self._all = palette, keymap, found
        self._acts = keymap.acts("list")
        self._sought, self._found = "", list(found)

    def compose(self) -> ComposeResult:
        palette = self._palette
        yield Rows(palette, self._head).add_class("head")
        yield Listing(palette, (Column("text"), Column("accent"), Column("dim"))).add_class("fills")
        yield Rows(palette).add_class("told")
        yield Rows(palette, self._foot)

    def on_mount(self) -> None:
        self._seek("")

    @property
    def caret(self) -> Offset:
        """The cell after the search text."""
        return Offset(min(pieces_width(self._head(self.size.width)[0]), self.size.width - 1), 0)

    # --- keys --------------------------------------------------------------------------------------------------------
    def on_key(self, event: events.Key) -> None:
        act = self._acts.get(event.key)
        event.stop()
        if act == "close":
            self.dismiss(None)
        elif act == "choose":
            self._choose(written=False)
        elif event.key in self._keymap.keys("menu", "write"):
            self._choose(written=True)
        elif act is None and event.key in self._keymap.keys("chat", "menu"):
            self.dismiss(Choice(next(entry for entry in self._all if entry.name == "/help"), False))
        elif (sought := edited(self._sought, event)) is not None:
            self._seek(sought)
        elif act is not None and self.query_one(Listing).act(act):
            self._tell()

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        self._seek(pasted(self._sought, event))

    def on_listing_picked(self) -> None:
        self._choose(written=False)

    def _seek(self, sought: str) -> None:
        self._sought, self._found = sought, narrowed(self._all, sought)
        self.query_one(Listing).show([Row(entry, (entry.name, entry.key, entry.help)) for entry in self._found])
        self.query_one(".head", Rows).show(self._head)
        self._tell()

    def _choose(self, written: bool) -> None:
        if self._found:
            entry = self._found[self.query_one(Listing).chosen_index]
            self.dismiss(Choice(entry, entry.needs_words or (written and entry.command is not None)))

    # --- drawing -----------------------------------------------------------------------------------------------------
    def _head(self, width: int) -> list[list[Piece]]:
        palette, head = self._palette, "  Commands   "
        return [
            [(head, palette.text + palette.bold), (cut_front(clean(self._sought), max(1, width - len(head) - 1)), palette.text)],
            *([[]] if width >= ROOMY_CELLS else []),
        ]

    def _tell(self) -> None:
        """Say of the chosen line what the list may have no room for."""
        palette = self._palette
        help = self._found[self.query_one(Listing).chosen_index].help if self._found else "Nothing matches; Backspace widens."
        parts: Callable[[int], list[str]] = lambda width: [*wrapped(help, width - 4), *[""] * HELP_LINES][:HELP_LINES]
        self.query_one(".told", Rows).show(
            lambda width: [
                [(palette.glyphs.rule * width, palette.dim)],
                *([("  ", palette.text), (part, palette.text)] for part in parts(width)),
            ]
        )

    def _foot(self, width: int) -> list[list[Piece]]:
        hint = self._keymap.hint
        keys = self._keymap.keys("chat", "menu")
        more = next((key for key in keys if key not in self._acts), "")
        hints = (
            hint("list", "run", "choose"),
            hint("menu", "write it", "write"),
            f"{shown(more)} help" if more else "",
            hint("list", "close", "close"),
        )
        return hint_lines(width, hints, self._palette.dim)
