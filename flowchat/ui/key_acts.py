"""What each key of the chat does; the table at the end has one row for each row of keys.CHAT."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from textual import events

from flowchat.ui import command_acts, leaving, orders
from flowchat.ui.commands import Typed
from flowchat.ui.keys import ESCAPE_TWICE_SECONDS, LEAVE_TWICE_SECONDS, Twice
from flowchat.ui.stage import Stage

if TYPE_CHECKING:
    from flowchat.ui.menu_screen import Choice


class KeyActs:
    """Carries out keys, each with its moment: some mean more when they are struck twice."""

    def __init__(self, stage: Stage) -> None:
        self._stage, self._acts = stage, stage.keymap.acts("chat")
        self._escaped, self._cancelled = Twice(ESCAPE_TWICE_SECONDS), Twice(LEAVE_TWICE_SECONDS)

    def act(self, event: events.Key) -> bool:
        """Do what a key asks for; False if it asks for nothing here."""
        act = self._acts.get(event.key)
        if act is not None:
            BY_ACT[act](self, event)
        return act is not None

    def show_menu(self) -> None:
        """Let one of all commands and actions be chosen, and do it."""
        from flowchat.ui import picking

        picking.show_menu(self._stage, self._do)

    def _do(self, choice: "Choice") -> None:
        stage, entry = self._stage, choice.entry
        if choice.written and entry.command is not None:
            stage.panes.composer.clear()
            stage.panes.composer.load(f"/{entry.command.name} ")
        elif entry.command is not None:
            command_acts.carry_out(stage, Typed(entry.command), "")
        elif entry.context == "chat":
            BY_ACT[entry.act](self, events.Key("", None))
        else:
            stage.panes.conversation.focus()
            stage.panes.conversation.post_message(events.Key(stage.keymap.keys(entry.context, entry.act)[0], None))

    @property
    def stage(self) -> Stage:
        return self._stage

    def escape(self, event: events.Key) -> None:
        """Leave what is innermost, else stop the run, else (twice) pick an earlier message."""
        stage, composer = self._stage, self._stage.panes.composer
        if stage.panes.come_back() or composer.dismiss():
            return
        if stage.revision.number is not None:
            stage.leave_revision()
        elif stage.stop_command():
            return
        elif stage.is_busy:
            stage.order(lambda session: session.interrupt())
        elif composer.is_blank and self._escaped.again(event.time):
            command_acts.pick_message(stage)

    def cancel(self, event: events.Key) -> None:
        """Copy what is selected, else clear what is written, else stop the run, else (twice) leave."""
        stage = self._stage
        if selected := stage.screen.get_selected_text():
            stage.copy(selected)
            stage.screen.clear_selection()
        elif not stage.panes.composer.is_blank:
            stage.remember(stage.panes.composer.text)
            stage.panes.composer.clear()
        elif stage.stop_command():
            return
        elif stage.is_busy:
            stage.order(lambda session: session.interrupt())
        elif self._cancelled.again(event.time):
            stage.app.exit(0)
        else:
            running = stage.session.background.running if stage.session is not None else []
            ends = f" and ends {leaving.named(running)}" if running else ""
            stage.say(stage.keymap.hint("chat", f"again leaves{ends}", "cancel"))


# --- the others ------------------------------------------------------------------------------------------------------
def _submit(acts: KeyActs, event: events.Key) -> None:
    """Enter while the focus is nowhere: it belongs to who has it when something is written or asked."""
    panes = acts.stage.panes
    if panes.approval.asked is not None:
        panes.approval.focus()
    else:
        panes.composer.focus()
        panes.composer.enter(event.time)


def _leave(stage: Stage) -> None:
    if stage.panes.composer.is_blank:
        stage.errands.run(leaving.leave(stage), brief=False)


def _history(stage: Stage) -> None:
    from flowchat.ui import picking

    picking.search_history(stage)


def _save(stage: Stage) -> None:
    if stage.revision.number is not None:
        stage.revise(stage.panes.composer.text, "save")


def _take_back(stage: Stage) -> None:
    if stage.panes.meter.reading.unanswered:
        stage.errands.run(stage.take_back(), once="Taking it back")


def _of(act: Callable[[Stage], object]) -> Callable[[KeyActs, events.Key], object]:
    return lambda acts, _: act(acts.stage)


def _next_mode(stage: Stage) -> None:
    sandbox = stage.workspace.sandbox
    stage.order(lambda session: orders.next_mode(session, sandbox is not None and sandbox.tier == "full"))


BY_ACT: dict[str, Callable[[KeyActs, events.Key], object]] = {
    "submit": _submit,
    "newline": _of(lambda stage: stage.panes.composer.newline()),
    "escape": KeyActs.escape,
    "cancel": KeyActs.cancel,
    "take_back": _of(_take_back),
    "leave": _of(_leave),
    "suspend": _of(lambda stage: stage.errands.run(stage.suspend(), once="Suspending")),
    "cycle_mode": _of(_next_mode),
    "queue": _of(lambda stage: stage.panes.edit_queue()),
    "fold": _of(lambda stage: stage.panes.conversation.fold_all()),
    "todo": _of(command_acts.fold_todo),
    "find": _of(lambda stage: stage.panes.begin_search()),
    "page_up": _of(lambda stage: stage.panes.conversation.scroll_page(-1)),
    "page_down": _of(lambda stage: stage.panes.conversation.scroll_page(1)),
    "end": _of(lambda stage: stage.panes.conversation.scroll_end()),
    "blocks": _of(lambda stage: stage.panes.conversation.focus()),
    "mouse": _of(lambda stage: stage.switch_mouse()),
    "history": _of(_history),
    "editor": _of(Stage.edit_outside),
    "redraw": _of(lambda stage: stage.app.refresh(repaint=True, layout=True)),
    "model": _of(command_acts.choose_model),
    "trust": _of(command_acts.look_at_trust),
    "save": _of(_save),
    "menu": lambda acts, _: acts.show_menu(),
    "help": _of(command_acts.show_help),
}
