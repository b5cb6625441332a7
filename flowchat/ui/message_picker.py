"""The user's messages of the branch, to edit one or to walk to another branch."""

from collections.abc import Sequence

from msgspec import Struct
from textual import events
from textual.app import ComposeResult
from textual.screen import Screen

from flowchat.errors import NotFound
from flowchat.transcript.entries import Record, Seq, UserSaid, text_of
from flowchat.ui.figures import many, moment
from flowchat.ui.keymap import DEFAULT, Keymap
from flowchat.ui.listing import Column, Listing, Row
from flowchat.ui.palette import Palette
from flowchat.ui.prose import PREVIEW_CHARS, beginning, wrapped
from flowchat.ui.rows import Rows
from flowchat.ui.strips import hint_lines

PREVIEW_LINES = 5


class Said(Struct, frozen=True):
    """A user message of the branch: its number from 1, and the messages that stand in its place on other branches,
    itself among them, oldest first."""

    number: int
    seq: Seq
    text: str
    at_ms: int
    variants: tuple[Seq, ...]

    @property
    def next_variant(self) -> Seq | None:
        at = self.variants.index(self.seq)
        return self.variants[(at + 1) % len(self.variants)] if len(self.variants) > 1 else None


class Edit(Struct, frozen=True):
    """The choice to edit a message."""

    said: Said


class Walk(Struct, frozen=True):
    """The choice to go to the branch of another message."""

    to: Seq


def said_on_branch(messages: Sequence[Record], everything: Sequence[Record]) -> list[Said]:
    """The branch's user messages with their variants; `everything` is every record of the session."""
    origins: dict[Seq, Seq] = {}
    variants: dict[Seq, list[Seq]] = {}
    for record in everything:
        if record.type == "user_said" and isinstance(record.entry, UserSaid):
            edits = record.entry.edits
            origins[record.seq] = origins.get(edits, edits) if edits else record.seq
            variants.setdefault(origins[record.seq], []).append(record.seq)
    return [
        Said(number, record.seq, text_of(record.entry.parts), record.at_ms, tuple(variants[origins[record.seq]]))
        for number, record in enumerate(messages, 1)
        if isinstance(record.entry, UserSaid)
    ]


class MessagePicker(Screen[Edit | Walk | None], inherit_bindings=False):
    """Enter edits, b walks to the next branch of a message, Esc closes."""

    def __init__(
        self, palette: Palette, messages: Sequence[Said], now_ms: int, chosen: int | None = None, keymap: Keymap = DEFAULT
    ) -> None:
        """`chosen`: the index to begin at; the last where not given."""
        super().__init__()
        self._palette, self._messages, self._now_ms = palette, messages, now_ms
        self._keymap, self._acts = keymap, keymap.acts("list")
        self._begin = len(messages) - 1 if chosen is None else chosen

    def compose(self) -> ComposeResult:
        palette = self._palette
        yield Rows(palette, lambda width: [[("  Edit a message", palette.text + palette.bold)], []])
        yield Listing(palette, (Column("text"), Column("accent"), Column("dim", "right"))).add_class("fills")
        yield Rows(palette).add_class("preview")
        branches = any(said.next_variant is not None for said in self._messages)
        hint = self._keymap.hint
        walk = hint("messages", "other branch", "branch") if branches else ""
        hints = (hint("list", "edit", "choose"), walk, hint("list", "close", "close"))
        yield Rows(palette, lambda width: hint_lines(width, hints, palette.dim))

    def on_mount(self) -> None:
        self.query_one(Listing).show([self._row(said) for said in self._messages], self._begin)
        self._preview()

    def on_key(self, event: events.Key) -> None:
        listing, act = self.query_one(Listing), self._acts.get(event.key)
        event.stop()
        if event.key in self._keymap.keys("messages", "branch"):
            self._walk()
        elif act == "close":
            self.dismiss(None)
        elif act == "choose":
            self._choose()
        elif act is not None and listing.act(act):
            self._preview()

    def on_listing_picked(self) -> None:
        self._choose()

    def _chosen(self) -> Said | None:
        return self._messages[self.query_one(Listing).chosen_index] if self._messages else None

    def _choose(self) -> None:
        said = self._chosen()
        self.dismiss(Edit(said) if said else None)

    def _walk(self) -> None:
        said = self._chosen()
        if said is not None and (to := said.next_variant) is not None:
            self.dismiss(Walk(to))

    def _row(self, said: Said) -> Row:
        first = beginning(said.text).partition("\n")[0]
        place = f"{said.variants.index(said.seq) + 1} of {len(said.variants)}" if len(said.variants) > 1 else ""
        return Row(said, (f"{said.number:>3}  {first}", place, moment(said.at_ms, self._now_ms)))

    def _preview(self) -> None:
        said, palette = self._chosen(), self._palette
        text = beginning(said.text, PREVIEW_CHARS) if said else "No messages yet."
        self.query_one(".preview", Rows).show(
            lambda width: [
                [(palette.glyphs.rule * width, palette.dim)],
                *(
                    [(f"{palette.glyphs.user} ", palette.accent), (part, palette.text)]
                    for part in wrapped(text, width - 4)[:PREVIEW_LINES]
                ),
            ]
        )


def numbered(messages: Sequence[Said], number: str) -> Said:
    """The message `/edit n` names: from 1, negative from the end. Raises NotFound."""
    try:
        index = int(number)
        return messages[index - 1 if index > 0 else index or len(messages)]
    except (ValueError, IndexError):
        raise NotFound(f"there is no message {number}; this branch has {many(len(messages), 'message')} of yours") from None
