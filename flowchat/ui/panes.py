"""All that one session shows, and who has the focus; knows values and events, and holds no session."""

from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, assert_never

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message

from flowchat.transcript.clean import clean
from flowchat.transcript.entries import Compacted, ContextAdded, Noticed, Record
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
from flowchat.transcript.todo import newest
from flowchat.ui.approval import Approval
from flowchat.ui.banner import Banner, Role
from flowchat.ui.commands import Typed, read_command
from flowchat.ui.completion import Offer
from flowchat.ui.composer import Composer
from flowchat.ui.conversation import Conversation
from flowchat.ui.edge import Edge, Level
from flowchat.ui.figures import seconds, size
from flowchat.ui.find_bar import FindBar
from flowchat.ui.keymap import DEFAULT, Keymap
from flowchat.ui.listing import Column, Listing, Row
from flowchat.ui.meter import Meter
from flowchat.ui.own_command import OwnCommand
from flowchat.ui.palette import Palette
from flowchat.ui.queue_list import QueueList, moved
from flowchat.ui.standing import Standing
from flowchat.ui.todo_line import TodoLine
from flowchat.ui.welcome import Welcome

if TYPE_CHECKING:
    from flowchat.runtime.session import Session

OFFERS_SHOWN = 8
COMPOSER_SHARE, APPROVAL_SHARE = 1 / 3, 2 / 3
"""Of the screen's height, at most."""

LONG_WAIT_MS = 60_000
"""A longer wait for the next attempt is said in words, with what one can do."""
FOOT_ROWS = 5
"""What always stays below the decision bar and above it: edges, composer, meter, a line of the conversation."""

Order: TypeAlias = "Callable[[Session], Coroutine[Any, Any, None]]"
"""Something a person asks of a session."""


class Panes(Vertical):
    """Conversation, banners, queue, completions, decision bar, composer and meter."""

    class Submitted(Message):
        """The text to send or to carry out (perhaps blank)."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Ordered(Message):
        """Something to ask of the session."""

        def __init__(self, ask: Order) -> None:
            super().__init__()
            self.ask = ask

    class TakenBack(Message):
        """A waiting message shall go back into the composer."""

        def __init__(self, client_id: str) -> None:
            super().__init__()
            self.client_id = client_id

    def __init__(self, palette: Palette, keymap: Keymap = DEFAULT) -> None:
        super().__init__()
        self._keymap = keymap
        self.conversation, self.welcome = Conversation(palette, keymap=keymap), Welcome(palette, keymap)
        self.command, self.todo = OwnCommand(palette, keymap), TodoLine(palette, keymap)
        self.banner, self.edge, self.find = Banner(palette), Edge(palette), FindBar(palette, keymap)
        self.queue, self.meter = QueueList(palette, keymap), Meter(palette, keymap)
        self.composer = Composer(palette, keymap)
        self.approval = Approval(palette, lambda: self.composer.last_typed, keymap)
        self._completion = Listing(palette, (Column("text"), Column("dim")), limit=OFFERS_SHOWN, raised=True)
        self._lower_edge = Edge(palette)
        self._searches_from: Conversation | Composer = self.composer
        self._offers: Sequence[Offer] = ()
        self._sentences: list[tuple[str, Role]] = []
        self._waits: tuple[str, Role] | None = None

    def compose(self) -> ComposeResult:
        self.conversation.display = self._completion.display = False
        self._completion.styles.overlay = "screen"
        with Vertical():  # what shares the rows that the others leave
            yield self.welcome
            yield self.conversation
            yield self.command
            yield self.banner
            yield self.todo
        yield self.queue
        yield self._completion
        yield self.approval
        yield self.edge
        yield self.find
        yield self.composer
        yield self._lower_edge
        yield self.meter

    def on_mount(self) -> None:
        self.composer.focus()

    def on_resize(self, event: events.Resize) -> None:
        self.composer.limit_rows(max(1, int(event.size.height * COMPOSER_SHARE)))
        self.approval.limit_rows(max(4, min(int(event.size.height * APPROVAL_SHARE), event.size.height - FOOT_ROWS)))
        if self._offers:
            self.call_after_refresh(lambda: self._place_offers(self._completion.rows, self._completion.chosen_index))

    # --- what is told ------------------------------------------------------------------------------------------------
    def show(self, event: Event) -> None:
        """One thing heard of the session, to whom it concerns."""
        match event:
            case Record():
                self.conversation.show(event)
                self.todo.hear(event)
                if isinstance(event.entry, ContextAdded | Noticed) and event.entry.source == "command":
                    self.command.placed()
                if event.type == "compacted" and isinstance(event.entry, Compacted) and event.entry.trigger != "user":
                    before, after = size(event.entry.tokens_before), size(event.entry.tokens_after)
                    self.say(f"Folded to make room: {before} -> {after} tokens; /compact undo takes it back")
                if event.is_node and not self.conversation.display:
                    self._show_conversation(True)
            case TextDelta() | ThinkingDelta() | CallDelta() | OutputDelta() | AttemptWithdrawn() | CompactionDelta():
                self.conversation.show(event)
            case StateDelta():
                self.conversation.show(event)
                self.meter.show(state=event)
                if event.phase != "retry_wait":
                    self._say_wait(None)
                if event.phase != "awaiting_approval":
                    self.ask(None)
            case RetryScheduled():
                self.conversation.show(event)
                self.meter.wait_for_retry(event)
                self._say_wait(event)
            case ContextUsed():
                self.meter.show(used=event)
            case ApprovalAsked():
                self.ask(event)
            case QueueChanged():
                self.queue.show(event.items, event.held)
                self.meter.show(queued=len(event.items), held=event.held)
            case JobsChanged(running=running, told=told):
                self.meter.show(jobs=running)
                if told:
                    self.say(told)
            case Toast():
                self.say(event.text, event.level)
            case _:
                assert_never(event)

    def replay(self, records: Sequence[Record]) -> None:
        """Show another conversation, or another branch of it."""
        if self.find.display:
            self._end_search()
        self.conversation.clear()
        self.conversation.load(records)
        self.todo.show(newest(records))
        self._show_conversation(not self.conversation.is_blank)

    def show_standing(self, now: Standing) -> None:
        if now.unanswered and not self.meter.reading.unanswered:
            self.say(self._keymap.hint("chat", "takes your message back", "take_back"))
        self.meter.show(
            model=now.model,
            mode=now.mode,
            demo=now.demo,
            saved=now.saved,
            read_only=now.read_only is not None,
            queued=len(now.queue),
            held=now.held,
            limits=now.limits,
            unanswered=now.unanswered,
            sandbox=now.sandbox,
            jobs=now.jobs,
        )
        self.conversation.undoing.read_only = now.read_only is not None
        self.queue.show(now.queue, now.held)
        self.edge.entitle(now.title)
        self.welcome.show_ready(now.model, now.demo, now.here)
        self._sentences = now.sentences(self._keymap)
        self._show_sentences()

    def ask(self, asked: ApprovalAsked | None) -> None:
        """Open the decision bar, or close it."""
        if asked is None and self.approval.asked is None:
            return
        if self.find.display:
            self._end_search()
        self.approval.show(asked)
        (self.composer if asked is None else self.approval).focus()

    def _say_wait(self, retry: RetryScheduled | None) -> None:
        """Say what is waited for where it takes long; None: nothing is."""
        before, self._waits = self._waits, None
        if retry is not None and retry.delay_ms > LONG_WAIT_MS:
            enter, escape = self._keymap.name("chat", "submit"), self._keymap.name("chat", "escape")
            wait = seconds(retry.delay_ms // 1000)
            self._waits = (
                f"The provider asks us to wait {wait} ({retry.reason.rstrip('.')}). {enter} tries now, {escape} stops",
                "warn",
            )
        if before != self._waits:
            self._show_sentences()

    def _show_sentences(self) -> None:
        self.banner.show(*self._sentences, *([self._waits] if self._waits else []))

    def say(self, text: str, level: Level = "info") -> None:
        (self.find if self.find.display else self.edge).say(text, level)

    def use(self, palette: Palette) -> None:
        """Draw in other colours."""
        for widget in (
            self.welcome,
            self.conversation,
            self.command,
            self.banner,
            self.todo,
            self.queue,
            self.approval,
            self.edge,
            self.find,
            self.composer,
            self.meter,
        ):
            widget.use(palette)
        self._completion.use(palette)
        self._lower_edge.use(palette)

    def _show_conversation(self, shown: bool) -> None:
        self.conversation.display, self.welcome.display = shown, not shown

    def write(self, event: events.Key) -> None:
        """A key that nothing else took: if it writes something, it does so in the composer."""
        if event.is_printable and event.character and self.approval.asked is None:
            event.stop()
            self.composer.focus()
            self.composer.take_key(event)

    def edit_queue(self) -> None:
        if self.queue.items:
            self.queue.focus()
        else:
            self.say("The queue is empty")

    def come_back(self) -> bool:
        """Out of a search, else from the conversation to the composer; False if neither was so."""
        if self.find.display:
            self._end_search()
            return True
        away = self.conversation.has_focus
        if away:
            self.composer.focus()
        return away

    # --- finding -----------------------------------------------------------------------------------------------------
    def begin_search(self) -> None:
        if self.approval.asked is not None:
            return
        if not self.conversation.display:
            self.say("Nothing has been said yet")
            return
        if not self.find.display:
            self._searches_from = self.conversation if self.conversation.has_focus else self.composer
        self.edge.display = False
        self.find.begin()

    def _end_search(self) -> None:
        """The search is over; the focus is again where it was before."""
        self.conversation.end_search()
        self.find.end()
        self.edge.display = True
        self._searches_from.focus()

    def on_conversation_search_wanted(self) -> None:
        self.begin_search()

    def on_conversation_searched(self, message: Conversation.Searched) -> None:
        self.find.show(message.found)

    def on_conversation_told(self, message: Conversation.Told) -> None:
        self.say(message.text)

    def on_find_bar_sought(self, message: FindBar.Sought) -> None:
        self.conversation.search(message.query)

    def on_find_bar_asked(self, message: FindBar.Asked) -> None:
        match message.act:
            case "next" | "previous":
                self.conversation.next_match(1 if message.act == "next" else -1)
            case "keep":
                self.conversation.focus()
            case "close":
                self._end_search()

    # --- between the composer and its neighbours ---------------------------------------------------------------------
    def on_composer_submitted(self, message: Composer.Submitted) -> None:
        self.post_message(self.Submitted(message.text))

    def on_composer_folded(self) -> None:
        if hint := self._keymap.hint("composer", "opens the paste; all of it is sent", "open_paste"):
            self.say(hint)

    def on_composer_offered(self, message: Composer.Offered) -> None:
        self._offers = message.offers
        self._completion.display = bool(message.offers)
        self._place_offers([Row(offer, (clean(offer.label), offer.note)) for offer in message.offers])

    def _place_offers(self, rows: Sequence[Row], chosen: int = 0) -> None:
        """As many as there is room for above the composer."""
        self._completion.limit_rows(max(1, min(OFFERS_SHOWN, self.edge.region.y)))
        self._completion.show(rows, chosen)
        self._completion.styles.offset = (0, -self._completion.own_height)

    def on_composer_walking(self, message: Composer.Walking) -> None:
        self._completion.act(message.act)

    def on_composer_completing(self, message: Composer.Completing) -> None:
        is_whole = message.submits and isinstance(read_command(self.composer.text), Typed)
        if self._offers and not is_whole:
            offer = self._offers[self._completion.chosen_index]
            self.composer.take(offer)
            is_whole = message.submits and not offer.text.endswith(" ")
        if is_whole and not self.composer.is_blank:
            self.composer.submit()

    def on_listing_picked(self, message: Listing.Picked) -> None:
        self.composer.take(self._offers[self._completion.chosen_index])

    def on_approval_passed(self, message: Approval.Passed) -> None:
        if isinstance(message.event, events.Paste):
            self.composer.take_paste(message.event)
        else:
            self.composer.take_key(message.event)

    def on_approval_decided(self, message: Approval.Decided) -> None:
        async def decide(session: "Session") -> None:
            session.decide(message.call, message.decision, message.reason)

        self.ask(None)
        self.post_message(self.Ordered(decide))

    def on_approval_interrupted(self) -> None:
        self.post_message(self.Ordered(lambda session: session.interrupt()))

    def on_queue_list_dropped(self, message: QueueList.Dropped) -> None:
        async def drop(session: "Session") -> None:
            await session.waiting.take(message.item.client_id)

        self.post_message(self.Ordered(drop))

    def on_queue_list_moved(self, message: QueueList.Moved) -> None:
        self.post_message(
            self.Ordered(lambda session: session.waiting.set(moved(session.queue, message.item, message.by), session.held))
        )

    def on_queue_list_taken(self, message: QueueList.Taken) -> None:
        self.post_message(self.TakenBack(message.item.client_id))

    def on_queue_list_promoted(self, message: QueueList.Promoted) -> None:
        self.composer.focus()
        self.post_message(self.Ordered(lambda session: session.waiting.promote(message.item.client_id)))

    def on_queue_list_held(self, message: QueueList.Held) -> None:
        async def hold(session: "Session") -> None:
            if not message.held and session.state.state == "idle":
                await session.waiting.release()
            else:
                await session.waiting.set(session.queue, message.held)

        self.post_message(self.Ordered(hold))

    def on_queue_list_closed(self) -> None:
        self.composer.focus()
