"""What a compaction would put in the place of messages, before it does: looked at, written on, pinned, asked what it recalls."""

import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from msgspec import Struct
from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.worker import Worker

from flowchat.agent.proposal import PINNED_TOKENS, Proposal, edited_by_user, may_be_pinned, without
from flowchat.agent.recall_score import Score
from flowchat.errors import FlowchatError
from flowchat.ui.figures import many, size
from flowchat.ui.fold_carried import carried
from flowchat.ui.fold_draft import Draft
from flowchat.ui.keymap import DEFAULT, Keymap
from flowchat.ui.palette import Palette, Role
from flowchat.ui.prose import one_line, wrapped
from flowchat.ui.rows import Rows, foot_lines
from flowchat.ui.strips import Piece, pieces_width
from flowchat.ui.working_screen import WorkingScreen

GUARD_SECONDS = 0.3
"""The first key counts so long after the page was painted, and after the last key typed: what is being written folds nothing."""
FULL = f"Pinned lines take at most {PINNED_TOKENS:,} tokens together; unpin one first"


class Acts(Struct, frozen=True):
    """What the screen asks of the session, of a proposal without what was dropped of it, the user's words for its summary (None:
    as it was proposed) and the lines pinned in it. Each raises FlowchatError.

    `queued`: how many messages wait for the page to be closed. `typed`: when a key was last typed below; `pass_on` gives one to
    what is being written there.
    """

    accept: Callable[[Proposal, str | None, tuple[str, ...]], Awaitable[None]]
    score: Callable[[Proposal, str, tuple[str, ...]], Awaitable[Score]]
    edit_outside: Callable[[str], Awaitable[str]]
    queued: Callable[[], int]
    typed: Callable[[], float]
    pass_on: Callable[[events.Key | events.Paste], None]


class FoldScreen(WorkingScreen[bool], inherit_bindings=False):
    """Gives whether it was folded. `waiting`: the messages that have no answer yet."""

    def __init__(
        self, palette: Palette, proposal: Proposal, acts: Acts, keymap: Keymap = DEFAULT, waiting: Sequence[str] = ()
    ) -> None:
        super().__init__()
        self._palette, self._proposal, self._does, self._keymap = palette, proposal, acts, keymap
        self._acts = keymap.acts("list") | keymap.acts("fold")
        self._draft = Draft(palette, keymap, proposal.summary, carried(proposal, waiting))
        self._drawn = self._draft.text
        self._scored: tuple[Proposal, Score] | None = None
        self._asking: Worker[None] | None = None
        self._said: tuple[str, Role] = ("", "dim")
        self._lists_answers = self._is_folding = self._warned = False
        self._painted: float | None = None
        self._last_key = float("-inf")
        self._is_seen = False

    def compose(self) -> ComposeResult:
        palette = self._palette
        yield Rows(palette, self._head).add_class("head")
        yield self._draft
        answers = Rows(palette, self._answers).add_class("fills")
        answers.display = False
        yield answers
        yield Rows(palette, lambda width: foot_lines(width, self._hints(), palette)).add_class("foot")

    def on_mount(self) -> None:
        self._draft.focus()
        self.call_after_refresh(self._note_painted)

    def _note_painted(self) -> None:
        self._painted = time.monotonic()

    # --- keys --------------------------------------------------------------------------------------------------------
    def on_key(self, event: events.Key) -> None:
        event.stop()
        event.prevent_default()
        if not self._is_meant(event):
            return
        act = self._acts.get(event.key, "")
        if self._draft.writes:
            self._write(event, act)
        elif event.key in self._keymap.keys("chat", "editor") and not self._lists_answers:
            self.run_worker(self._edit_outside(), exclusive=True, group="editor")
        else:
            self._act(act)
        self._show()

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        if self._is_meant(event) and self._draft.writes:
            self._draft.take_paste(event)
            self._show()

    def _is_meant(self, event: events.Key | events.Paste) -> bool:
        """Whether it is for this page: until one has been, what comes too soon belongs to what is written below."""
        last = max(self._last_key, self._does.typed(), float("inf") if self._painted is None else self._painted)
        self._is_seen = self._is_seen or event.time - last >= GUARD_SECONDS
        if not self._is_seen:
            self._last_key = event.time
            self._does.pass_on(event)
        return self._is_seen

    def _write(self, event: events.Key, act: str) -> None:
        if act == "close":
            self._draft.write(False)
        elif event.key in self._keymap.keys("chat", "editor"):
            self.run_worker(self._edit_outside(), exclusive=True, group="editor")
        else:
            self._draft.take_key(event)

    def _act(self, act: str) -> None:
        warned, self._warned = self._warned, False
        if act not in ("up", "down", "page_up", "page_down", "first", "last"):
            self._said = ("", "dim")
        if self._lists_answers:
            if act in ("close", "choose", "score"):
                self._lists_answers = False
            else:
                self.query_one(".fills", Rows).act(act)
            return
        match act:
            case "close":
                self._leave(warned)
            case "choose" if not self._is_folding:
                self.run_worker(self._fold())
            case "edit":
                self._draft.write(True)
            case "pin":
                self._pin()
            case "score":
                self._list_or_ask()
            case _:
                self._draft.walk(act)

    def _leave(self, warned: bool) -> None:
        if self._asking is not None:
            self._asking.cancel()
            self._asking, self._said = None, ("The questions were stopped", "dim")
        elif (self._is_edited or self._draft.pinned or self._draft.dropped) and not warned:
            self._warned = True
            self._said = (self._keymap.hint("list", "again leaves, and what you changed here is lost", "close"), "warn")
        else:
            self.dismiss(False)

    def _pin(self) -> None:
        fitted, why = may_be_pinned(self._kept, self._draft.pinned), self._draft.pin()
        if fitted and not may_be_pinned(self._kept, self._draft.pinned):
            self._draft.pin()
            why = FULL
        self._said = (why, "warn")

    # --- what takes a while ------------------------------------------------------------------------------------------
    async def _fold(self) -> None:
        if not self._draft.text.strip():
            self._tell("There is no summary: nothing was folded", "warn")
            return
        self._is_folding = True
        try:
            await self._does.accept(self._kept, self._draft.text if self._is_edited else None, self._draft.pinned)
        except FlowchatError as error:
            self._tell(_sentence(error), "warn")
        else:
            self.dismiss(True)
        finally:
            self._is_folding = False

    def _list_or_ask(self) -> None:
        if self._scored is not None and self._scored[0] == self._made:
            self._lists_answers = True
        elif self._asking is None:
            asks = partial(self._does.score, self._kept, self._draft.text, self._draft.pinned)
            self._asking = self.run_worker(self._ask(asks, self._made))

    async def _ask(self, asks: Callable[[], Awaitable[Score]], made: Proposal) -> None:
        try:
            score = await asks()
        except FlowchatError as error:
            self._asking = None
            self._tell(_sentence(error), "warn")
        else:
            self._asking, self._scored = None, (made, score)
            self._tell("")

    async def _edit_outside(self) -> None:
        try:
            self._draft.load(await self._does.edit_outside(self._draft.text))
        except FlowchatError as error:
            self._tell(_sentence(error), "warn")
        self._show()

    # --- drawing -----------------------------------------------------------------------------------------------------
    def _tell(self, text: str, role: Role = "dim") -> None:
        self._said = (text, role)
        self._show()

    def _show(self) -> None:
        answers = self.query_one(".fills", Rows)
        answers.display, self._draft.display = self._lists_answers, not self._lists_answers
        for rows in self.query(Rows):
            rows.draw_again()

    @property
    def _is_edited(self) -> bool:
        return self._draft.text != self._drawn

    @property
    def _kept(self) -> Proposal:
        """Without what is dropped of it."""
        return without(self._proposal, self._draft.dropped)

    @property
    def _made(self) -> Proposal:
        """What it has become."""
        return edited_by_user(self._kept, self._draft.text, self._draft.pinned)

    def _head(self, width: int) -> list[list[Piece]]:
        palette, proposal, made = self._palette, self._proposal, self._made
        title: Piece = (f"  Fold {many(proposal.folded, 'message')}", palette.text + palette.bold)
        weight: Piece = (f"{size(proposal.tokens_before)} -> {size(made.tokens_after)} tokens", palette.text)
        space = max(2, width - 2 - pieces_width([title, weight]))
        lines: list[list[Piece]] = [[title, (" " * space, palette.text), weight]]
        told: list[tuple[str, Role]] = [(text, "dim") for text in (self._beside(made, width - 4), self._queued()) if text]
        told += [piece for piece in (self._recall(), self._said) if piece[0]]
        for text, role in told:
            lines += [[("  ", palette.text), (part, palette.role(role))] for part in wrapped(text, max(8, width - 4))]
        return [*lines, []]

    def _beside(self, made: Proposal, room: int) -> str:
        """What goes into the checkpoint beside the summary, in one row."""
        counted = (
            (len(made.directives), "directive"),
            (len(made.todo), "todo item"),
            (len(made.verbatim), "unanswered message"),
            (len(made.pinned), "pinned line"),
            (len(made.files), "file"),
            (len(made.references), "reference"),
        )
        parts = [many(count, noun) for count, noun in counted if count]
        told = f"kept word for word: {', '.join(parts) or 'nothing'}"
        if not parts and not self._draft.dropped:
            return ""
        if cell_len(told) <= room:
            return told
        newly = len(made.pinned) - len(self._kept.pinned)
        below = sum(count for count, _ in counted) - newly
        return f"kept word for word: {below:,} below" + (f", {newly:,} pinned" if newly else "")

    def _queued(self) -> str:
        count = self._does.queued()
        return f"{many(count, 'queued message')} {'waits' if count == 1 else 'wait'} until this page is closed" if count else ""

    def _recall(self) -> tuple[str, Role]:
        if self._asking is not None:
            return "recall: asking what the summary still tells", "accent"
        if self._scored is None:
            return "", "dim"
        made, score = self._scored
        stale = "" if made == self._made else " before the last change"
        role: Role = "good" if score.right == score.asked else "warn"
        return f"recall: {score.right} of {many(score.asked, 'question')} answered from the summary{stale}", role

    def _answers(self, width: int) -> list[list[Piece]]:
        if self._scored is None:
            return []
        palette, glyphs = self._palette, self._palette.glyphs
        lines: list[list[Piece]] = []
        for answer in sorted(self._scored[1].answers, key=lambda answer: answer.right):
            glyph, word, role = (glyphs.done, "recalled", "good") if answer.right else (glyphs.failed, "missed", "bad")
            mark = f"  {glyph} {word:<8}  "
            style = palette.good if role == "good" else palette.bad
            room = max(8, width - len(mark) - 2)
            for number, part in enumerate(wrapped(one_line(answer.question), room)):
                lines.append([(mark if number == 0 else " " * len(mark), style), (part, palette.text)])
            expected, said = one_line(answer.expected), one_line(answer.given) or "nothing of it"
            told = [expected] if answer.right else [f"the messages say {expected}", f"the summary says {said}"]
            lines += [[(" " * len(mark), style), (part, palette.dim)] for text in told for part in wrapped(text, room)]
        return lines

    def _hints(self) -> Sequence[str]:
        hint = self._keymap.hint
        if self._lists_answers:
            return (hint("list", "scroll", "up", "down"), hint("list", "back to the summary", "close"))
        if self._draft.writes:
            return (hint("chat", "your editor", "editor"), hint("list", "done writing", "close"))
        asked = self._scored is not None and self._scored[0] == self._made
        return (
            hint("list", "fold", "choose"),
            hint("fold", "edit", "edit"),
            hint("fold", offer, "pin") if (offer := self._draft.offer) else "",
            hint("fold", "what was asked" if asked else "recall score", "score"),
            hint("list", "cancel", "close"),
        )


def _sentence(error: FlowchatError) -> str:
    text = one_line(str(error))
    return text[:1].upper() + text[1:]
