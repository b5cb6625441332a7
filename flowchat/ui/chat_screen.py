"""The bottom screen: what its widgets post becomes something to do on the stage."""

import asyncio
import gc
from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import Screen

from flowchat.ui import command_acts, markdown, orders
from flowchat.ui.commands import Typed, UnknownCommand, named, read_command
from flowchat.ui.completion import file_offers, skill_offers
from flowchat.ui.composer import Composer
from flowchat.ui.conversation import Conversation
from flowchat.ui.edge import Level
from flowchat.ui.errands import Errands
from flowchat.ui.key_acts import KeyActs
from flowchat.ui.keymap import Keymap
from flowchat.ui.looks import Looks
from flowchat.ui.opening import Start
from flowchat.ui.panes import Panes
from flowchat.ui.stage import Stage

if TYPE_CHECKING:
    from flowchat.runtime.session import Session
    from flowchat.runtime.workspace import Workspace


class ChatScreen(Screen[None], inherit_bindings=False):
    """Conversation, queue, decision bar, composer and meter of one session."""

    AUTO_FOCUS = ""
    BINDINGS = (Binding("f", "fork", priority=True, show=False, id="fork"),)

    def __init__(self, workspace: "Workspace", start: Start, looks: Looks, keymap: Keymap) -> None:
        super().__init__()
        self._workspace, self._start = workspace, start
        self._stage = Stage(self, workspace, start, looks, keymap)
        self._panes = self._stage.panes
        self._keys = KeyActs(self._stage)
        self._fork_keys = keymap.keys("reading", "fork")
        self._paths: Sequence[str] = ()

    def compose(self) -> ComposeResult:
        yield self._panes

    # --- the way in and the way out ----------------------------------------------------------------------------------
    def on_mount(self) -> None:
        self._stage.app.set_keymap({"fork": ",".join(self._fork_keys)})
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        """What may cost something, once the screen has been painted. What was loaded till then is never collected again."""
        gc.freeze()
        gc.enable()
        self.errands.run(self._open_first(), brief=False, doing="Opening the session")

    async def _open_first(self) -> None:
        refusal = await self._stage.visit.begin()
        told = (*self._workspace.notices, *self._stage.keymap.notices, self._stage.looks.problem)
        notices = [notice for notice in told if notice]
        if refusal:
            self.say(refusal, "error")
        elif notices:
            self.say(notices[0] + (f" (and {len(notices) - 1} more)" if len(notices) > 1 else ""), "warning")
        if self._start.picks:
            command_acts.resume(self._stage)
        self._workspace.warm()
        if self._start.prompt:
            self._stage.send(self._start.prompt)
        self.errands.run(self._look_about(), brief=False)

    async def _look_about(self) -> None:
        """What the screen can do without for a while."""
        await self._stage.greet()
        if self._workspace.confinement is not None:
            await self._workspace.confinement.probe()
            self._stage.show_standing()
        await asyncio.to_thread(markdown.warm)

    async def close(self) -> None:
        """Keep what is unsent and close the session; for leaving."""
        await self._stage.visit.close()

    # --- what the app may ask ----------------------------------------------------------------------------------------
    @property
    def session(self) -> "Session | None":
        return self._stage.session

    @property
    def is_saved(self) -> bool:
        """Whether the session is kept on disk."""
        return self._stage.visit.saved

    @property
    def errands(self) -> Errands:
        """What is being done beside the screen."""
        return self._stage.errands

    def say(self, text: str, level: Level = "info") -> None:
        self._stage.say(text, level)

    def use_looks(self) -> None:
        self._stage.use_looks()

    def keep_text(self) -> None:
        """Keep on disk what is unsent."""
        self._stage.keep_text()

    # --- keys --------------------------------------------------------------------------------------------------------
    def on_key(self, event: events.Key) -> None:
        if self._keys.act(event):
            event.stop()
            event.prevent_default()
        else:
            self._panes.write(event)

    def on_paste(self, event: events.Paste) -> None:
        self._panes.composer.focus()
        self._panes.composer.take_paste(event)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The fork key is a letter like any other, unless nothing can be said here and nothing is being written or sought."""
        if action != "fork":
            return True
        is_idle = self.focused in (None, self._panes.composer, self._panes.conversation) and self._panes.composer.is_blank
        return bool(self._fork_keys) and self.session is not None and self.session.read_only is not None and is_idle

    def action_fork(self) -> None:
        self._stage.fork()

    # --- what is written ---------------------------------------------------------------------------------------------
    def on_panes_submitted(self, message: Panes.Submitted) -> None:
        text, is_blank = message.text, not message.text.strip()
        if not is_blank:
            self._stage.remember(text)
        if self._stage.revision.number is not None:
            if not is_blank:
                self._stage.revise(text, "resend")
            return
        if is_blank:
            self._stage.order(orders.go_on)
            return
        if text.startswith("!"):
            self._stage.run_command(text)
            return
        match read_command(text):
            case UnknownCommand(sentence):
                self.say(sentence, "warning")
                self._panes.composer.give_back(text)
            case Typed() as typed:
                command_acts.carry_out(self._stage, typed, text)
            case None:
                self._stage.send(text)

    def on_composer_changed(self) -> None:
        self._stage.unsent.changed()

    def on_composer_files_wanted(self, message: Composer.FilesWanted) -> None:
        self.errands.run(self._offer_files(message.query), brief=False, doing="Looking for files")

    async def _offer_files(self, query: str) -> None:
        if not query or not self._paths:
            self._paths = await asyncio.to_thread(self._workspace.files)
        self._panes.composer.offer(query, await asyncio.to_thread(file_offers, query, self._paths))

    def on_composer_skills_wanted(self, message: Composer.SkillsWanted) -> None:
        self.errands.run(self._offer_skills(message.query), brief=False, doing="Looking for skills")

    async def _offer_skills(self, query: str) -> None:
        """Those one may name; the disk is looked at when a name is begun."""
        skills = (await self._stage.visit.current()).skills
        found = skills.looked if query and skills.looked.skills else await asyncio.to_thread(skills.look)
        offers = skill_offers(query, ((text.name, text.description) for _, text in found.usable() if text.for_user))
        self._panes.composer.offer(query, offers, "skill")

    # --- what else the panes post ------------------------------------------------------------------------------------
    def on_panes_ordered(self, message: Panes.Ordered) -> None:
        self._stage.order(message.ask)

    def on_panes_taken_back(self, message: Panes.TakenBack) -> None:
        self.errands.run(self._stage.take_from_queue(message.client_id))

    def on_conversation_copied(self, message: Conversation.Copied) -> None:
        self._stage.copy(message.text, message.what)

    def on_conversation_undo_wanted(self) -> None:
        command_acts.carry_out(self._stage, Typed(named("compact"), "undo"), "")

    def on_text_selected(self) -> None:
        if self._workspace.settings.copy_on_select and (text := self.get_selected_text()):
            self._stage.copy(text)
