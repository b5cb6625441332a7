"""One project folder: opens, lists and closes its sessions. The only place where the rooms are wired together."""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from flowchat import __version__
from flowchat.agent.agent import Agent, Limits
from flowchat.agent.clock import Clock, SystemClock
from flowchat.agent.out_of_sight import look
from flowchat.agent.projection import Projection
from flowchat.agent.reading import Known
from flowchat.agent.review import Reviewer
from flowchat.agent.system import SYSTEM_PROMPT
from flowchat.config import Folders, Settings
from flowchat.errors import CommandRefused, NotFound
from flowchat.model.model import Model, ModelFacts
from flowchat.runtime import models as known_models
from flowchat.runtime.archive import Archive
from flowchat.runtime.background import next_number
from flowchat.runtime.beginning import Beginning
from flowchat.runtime.choosing import Choosing
from flowchat.runtime.left_jobs import put_away
from flowchat.runtime.models import AskedBlobs, Models, ReadBlob, kept_in
from flowchat.runtime.opening import copied, recovery
from flowchat.runtime.permits import SessionPermits
from flowchat.runtime.project import Surroundings
from flowchat.runtime.project_settings import told_of, with_project
from flowchat.runtime.rulebook import FILE_NAME, RuleBook
from flowchat.runtime.session import Session
from flowchat.runtime.skills import Skills
from flowchat.runtime.trust import Look, Trust
from flowchat.runtime.unsent import Shelf, Unsent
from flowchat.runtime.writing import Writing
from flowchat.store.aside import aside
from flowchat.store.cards import SessionCard
from flowchat.store.disk import Disk
from flowchat.store.keys import Keys
from flowchat.store.memory import MemoryBlobs, MemoryLog, MemoryShelf
from flowchat.store.sessions import Opened, Sessions, new_sid
from flowchat.store.temporary import TemporaryFolders
from flowchat.store.trusted import TrustFile
from flowchat.tools.jobs import Jobs
from flowchat.tools.outward import Outward
from flowchat.tools.registry import standard_tools
from flowchat.tools.rules import Ground, Rule
from flowchat.tools.sandbox import Confinement, Sandbox
from flowchat.tools.walk import Walk
from flowchat.transcript.entries import ContextAdded, Entry, ForkPoint, Mode, ModelSet, ModeSet, Noticed, Record, Seq
from flowchat.transcript.events import Toast
from flowchat.transcript.transcript import Transcript

if TYPE_CHECKING:
    from flowchat.runtime.doctor import Report
    from flowchat.runtime.greeting import Greeting

COMPLETED_FILES_LIMIT = 50_000
"""Paths offered for @completion."""
LONGEST_WAIT_SECONDS = 60.0
"""What a server may ask for between two attempts where no one is there to choose."""


class Workspace:
    """`path` is canonical. `folders` None: nothing can be kept, every session lives in memory.

    `rules` are those of the command line, `more` folders that count as in this one; `attended`: someone is there to be asked;
    `notices` say which settings do not count, and a new session begins with them. `sandboxed`: commands run in a sandbox, as
    far as there is one. `make_model` takes the wire's place, `disk` that of the file system below the data dir,
    `keys` that of the keys kept in the config dir.
    """

    def __init__(
        self,
        path: Path,
        settings: Settings,
        folders: Folders | None,
        environ: Mapping[str, str] = os.environ,
        rules: Sequence[Rule] = (),
        attended: bool = True,
        max_steps: int | None = None,
        notices: Sequence[str] = (),
        clock: Clock | None = None,
        make_model: Callable[[str], Model] | None = None,
        disk: Disk | None = None,
        keys: Keys | None = None,
        sandboxed: bool = False,
        more: Sequence[Path] = (),
    ) -> None:
        self.path, self.folders = path.resolve(), folders
        self.environ, self._rules, self._attended = environ, tuple(rules), attended
        self.more = tuple(more)
        self._max_steps, self._clock = max_steps, clock or SystemClock()
        self._make_model = make_model
        self._keys = keys or (Keys(folders.config) if folders else None)
        self.trust = Trust(TrustFile(folders.data) if folders else None, self._clock.now_ms)
        self.settings, ignored = with_project(settings, self.path, self.trust)
        waiting = () if attended else self.trust.look(self.path).waiting
        notices = (*notices, *ignored, *((told_of(len(waiting)),) if waiting else ()))
        self.book = self._book(self.path)
        self.notices = (*notices, *(self._keys.trouble() if self._keys else ()), *self.book.notice())
        self._store = Sessions(folders.data, folders.state, disk) if folders else None
        self.archive = Archive(self._store, self._clock.now_ms)
        draft = self._store.draft(self.path) if self._store and attended else MemoryShelf()
        self.writing = Writing(
            Unsent(draft, True, self._clock, self._tell), folders, disk or Disk(), self.path, environ, self._clock
        )
        self.choosing = Choosing(lambda: self.settings, environ, self._keys, self._models)
        private = (folders.data, folders.config, folders.state) if folders else ()
        self.confinement = Confinement(environ, private, self.more, folders=TemporaryFolders()) if sandboxed else None
        self._open: list[tuple[Session, Models]] = []
        """Each session with its models; those that were closed are let go when another is opened."""
        self._permits: dict[str, SessionPermits] = {}
        self._skills: dict[Path, Skills] = {}
        self._warm = False

    # --- opening -----------------------------------------------------------------------------------------------------
    async def new(self, *, saved: bool = True, mode: Mode | None = None, model: str | None = None) -> Session:
        """A new conversation; nothing is on disk before its first message. Raises nothing: without a model `send` will say so."""
        name = known_models.choose(model, self.settings, self.environ, self._attended, kept_in(self._keys))
        begun = mode or self.settings.permission_mode
        if saved and self._store is not None:
            opened = self._store.new(self._clock.now_ms(), self.path if self._attended else None)
        else:
            opened = Opened(new_sid(self._clock.now_ms()), MemoryLog(), MemoryBlobs(), MemoryShelf())
        notices = [Noticed("warning", "settings", sentence) for sentence in self.notices]
        transcript = Transcript(opened.log, opened.blobs, now_ms=self._clock.now_ms)
        config_folder, skills = self.folders and self.folders.config, self.skills(self.path)
        told = await Surroundings(self.path, config_folder, self._clock, skills=skills).instructions()
        return self._session(opened, transcript, name, begun, notices, instructions=told)

    async def open(self, wanted: str, *, mode: Mode | None = None, model: str | None = None) -> Session:
        """An earlier one, by id, its beginning, or title; what a crash left open is closed. Raises NotFound, StorageFailed."""
        store = self._needed_store()
        return await self._reopen(store, await aside(lambda: store.find(wanted, self.path)), mode, model)

    async def open_newest(self, *, mode: Mode | None = None, model: str | None = None) -> Session | None:
        """The newest session of this workspace, or None. Raises StorageFailed."""
        if (store := self._store) is None:
            return None
        sid = await aside(lambda: store.newest(self.path))
        return None if sid is None else await self._reopen(store, sid, mode, model)

    async def fork(self, session: Session, at: Seq | None = None) -> Session:
        """A new session with everything up to node `at` (default: all) that stands there, what could not be saved included.

        Raises NotFound, ReadOnly, StorageFailed.
        """
        store, transcript = self._needed_store(), session.transcript
        await transcript.flushed()
        last, head = (transcript.last_seq, transcript.head) if at is None else (at, at)
        node = transcript.record(head)
        if node is None or not node.is_node:
            raise NotFound(f"there is no message {head} to fork at" if at else "there is nothing to fork: nothing has been said")
        unsaved = [record for record in transcript.unsaved_records() if record.seq <= last]
        begun = self._restored_mode(transcript.facts.mode, None)

        now_ms, upto, records = self._clock.now_ms(), last - len(unsaved), transcript.records()[:last]
        first: Callable[[str], list[Entry]] = lambda sid: copied(
            sid, self.path, ForkPoint(session.sid, last), head, begun, records, now_ms
        )
        sid = await aside(lambda: store.fork(session.sid, upto, now_ms, first, unsaved))
        opened = await aside(lambda: store.open(sid))
        copy = Transcript(opened.log, opened.blobs, opened.records, now_ms=self._clock.now_ms)
        return self._session(opened, copy, copy.facts.model, begun, [])

    async def _reopen(self, store: Sessions, sid: str, mode: Mode | None, model: str | None) -> Session:
        await self.archive.settled()
        opened = await aside(lambda: store.open(sid))
        transcript = Transcript(opened.log, opened.blobs, opened.records, now_ms=self._clock.now_ms)
        facts = transcript.facts
        where = Path(facts.cwd) if facts.cwd else self.path
        if not where.is_dir():
            opened.read_only = (
                opened.read_only or f"this session's folder {where} no longer exists; it can be read or forked here"
            )
        chosen, begun = facts.model, self._restored_mode(facts.mode, mode)
        if opened.read_only is None:
            entries = recovery(transcript, opened.draft, opened.torn, opened.damaged)
            if entries:
                await transcript.append(*entries)
            transcript.clear_draft()
            if opened.jobs is not None:
                await put_away(opened.jobs, transcript)
            chosen = await self._restore_model(transcript, model)
            if begun != facts.mode:
                await transcript.append(ModeSet(begun))
        return self._session(opened, transcript, chosen, begun, [], where)

    async def _restore_model(self, transcript: Transcript, wanted: str | None) -> str:
        """The session's model, another the user names, or the default with a notice where its own cannot be asked any more."""
        name = transcript.facts.model
        kept = kept_in(self._keys)
        if wanted is None and known_models.usable(name, self.environ, kept):
            return name
        chosen = wanted or known_models.choose(None, self.settings, self.environ, self._attended, kept)
        if chosen and chosen != name:
            news = [ModelSet(chosen)]
            if wanted is None:
                sentence = f"{name} is no longer available here; {chosen} answers instead. /model changes it."
                await transcript.append(*news, Noticed("warning", "model", sentence))
            else:
                await transcript.append(*news)
        return chosen

    def _restored_mode(self, stored: Mode, flag: Mode | None) -> Mode:
        """A flag's mode; else plan if it was that, never one looser than the configured default."""
        return flag or ("plan" if stored == "plan" else self.settings.permission_mode)

    # --- the wiring --------------------------------------------------------------------------------------------------
    def _session(
        self,
        opened: Opened,
        transcript: Transcript,
        model: str,
        mode: Mode,
        notices: Sequence[Noticed],
        where: Path | None = None,
        instructions: tuple[ContextAdded, ...] = (),
    ) -> Session:
        path = where or self.path
        blobs = AskedBlobs(opened.blobs.get)
        models = self._models(blobs.get, lambda: session.tell_context())
        config_folder = self.folders.config if self.folders else None
        skills = self.skills(path)
        trusted, out = lambda: self.trust.trusted(path), lambda: session.context.chosen.out
        surroundings = Surroundings(path, config_folder, self._clock, trusted, self.more, skills, out)
        book = self.book if path == self.path else self._book(path)
        permits = self._permits[opened.sid] = SessionPermits(
            lambda: session.mode, book, self._attended, self._confined, lambda: skills.looked.lent
        )
        limits = Limits(
            self._max_steps or self.settings.limits.steps,
            *self.settings.compact.limits,
            longest_wait_seconds=None if self._attended else LONGEST_WAIT_SECONDS,
            titles=self._attended,
        )

        jobs = Jobs(self._clock.now_ms, opened.jobs, lambda: next_number(transcript.records()))
        outward = Outward(permits.domains, self.environ)
        timeout = self.settings.tools.shell_timeout_seconds
        tools = standard_tools(timeout, self.confinement, jobs, lambda: look(transcript), outward)
        projection, known = Projection(), Known()

        async def news(branch: Sequence[Record], first: bool) -> Sequence[ContextAdded | Noticed]:
            if session.mode == "auto" and self.confinement is not None:
                await self.confinement.probe()  # what is free depends on it
            return await surroundings.news(branch, first, session.mode)

        def reviewing() -> Model:
            return models.named(self.settings.review.model or session.model)

        reviewer = Reviewer(reviewing, self._attended)

        def agent(asking: Session) -> Agent:
            own = models.named(asking.model)
            summariser = models.named(self.settings.compact.model) if self.settings.compact.model else own
            effort = asking.transcript.facts.effort
            return Agent(
                own, summariser, tools, permits, limits, news, path, self._clock, effort, projection, known, blobs.missed,
                reviewer,
            )  # fmt: skip

        beginning = Beginning(
            opened.sid, path, __version__, model, mode, SYSTEM_PROMPT, tools.schemas, "", tuple(notices), instructions
        )  # fmt: skip
        shelf: Shelf = opened.shelf
        session = Session(beginning, transcript, shelf, self._clock, agent, opened.read_only, jobs, skills, opened.jobs)
        self._open = [pair for pair in self._open if pair[0].state.state != "closed" or pair[1].learning]
        self._open.append((session, models))
        self._permits = {held.sid: self._permits[held.sid] for held, _ in self._open}
        if self._warm:
            models.warm(session.model)
        return session

    def _confined(self) -> bool:
        """Whether commands run within walls that hold."""
        known = self.confinement.known if self.confinement else None
        return known is not None and known.tier == "full"

    def facts_of(self, session: Session, model: str) -> ModelFacts:
        """What is known of a model that an open session asks, or asked."""
        return next(models for known, models in self._open if known is session).named(model).facts

    def permits(self, session: Session) -> SessionPermits:
        """Who may do what in an open session."""
        return self._permits[session.sid]

    def skills(self, path: Path) -> Skills:
        """Those there are for a folder; what was read of them once is known to all who ask."""
        if path not in self._skills:
            self._skills[path] = Skills(path, self._home, self.folders, lambda: self.trust.trusted(path))
        return self._skills[path]

    @property
    def _home(self) -> Path | None:
        home = self.environ.get("HOME", "")
        return Path(home).resolve() if home.startswith("/") else None

    def _book(self, path: Path) -> RuleBook:
        """The rules that hold in a folder."""
        folders = self.folders
        private = (folders.data, folders.config, folders.state) if folders else ()
        ground = Ground(path, self.more, tuple(folder.resolve() for folder in private), self._home)
        return RuleBook(ground, folders and folders.config / FILE_NAME, self._rules, lambda: self.trust.trusted(path))

    def _models(self, read_blob: ReadBlob, learned: Callable[[], None], settings: Settings | None = None) -> Models:
        return Models(settings or self.settings, self.environ, read_blob, learned, self._make_model, self._keys)

    def _needed_store(self) -> Sessions:
        if self._store is None:
            raise CommandRefused("nothing can be saved here, so there are no sessions: set HOME or FLOWCHAT_HOME to a folder")
        return self._store

    # --- beside the sessions -----------------------------------------------------------------------------------------
    async def keep_setting(self, key: str, value: object) -> str | None:
        """Set it in config.toml, as `store.settings_file.save_setting`, and for the sessions that are opened from now on.

        What is set of a model counts in open ones, too. Gives what there is to say of it. Raises UsageError, StorageFailed,
        CommandRefused.
        """
        from flowchat.store.setting import with_setting
        from flowchat.store.settings_file import save_setting

        folders = self.folders
        if folders is None:
            raise CommandRefused(
                "nothing can be saved here, so this lasts until you leave: set HOME or FLOWCHAT_HOME to a folder"
            )
        said = await aside(lambda: save_setting(folders.settings_file, key, value))
        self.settings = with_setting(self.settings, key, value)
        for _, models in self._open:
            models.use(self.settings)
        return said

    async def trust_folder(self, look: Look) -> tuple[str, ...]:
        """Trust a folder and approve what waits in it, as it was when it was looked at; its settings count from now on, in
        open sessions as far as they are about models' sizes and addresses. Gives what there is to say. Raises StorageFailed.
        """
        await aside(lambda: self.trust.add(look))
        if look.folder == self.path:
            self.settings, ignored = await aside(lambda: with_project(self.settings, self.path, self.trust))
            for _, models in self._open:
                models.use(self.settings)
            return ignored
        return ()

    async def examine(self, asks: bool = False) -> "Report":
        """What `flowchat doctor` tells; with a test call of the model where it `asks`."""
        from flowchat.runtime.doctor import examine

        return await examine(self, self.environ, asks)

    @property
    def sandbox(self) -> Sandbox | None:
        """How strong the walls around commands are; None where that is not known yet, or there are to be none."""
        return self.confinement.known if self.confinement is not None else None

    def cards(self, everywhere: bool = False) -> list[SessionCard]:
        """The sessions of this workspace, or all, newest first. Blocks for a few microseconds a session."""
        return [] if self._store is None else self._store.cards(None if everywhere else self.path)

    def greeting(self, model: str) -> "Greeting":
        """As `greeting.greet`."""
        from flowchat.runtime.greeting import greet

        return greet(self, model)

    def files(self) -> list[str]:
        """Paths below the workspace for @completion, ignored ones left out. Blocks: call it in a thread."""
        return list(islice(Walk(self.path).files(), COMPLETED_FILES_LIMIT))

    def _tell(self, toast: Toast) -> None:
        for session, _ in self._open:
            session.tell(toast)

    def warm(self) -> None:
        """Begin to load what the sessions' models need, in a thread, and to try the sandbox. Call it after the first paint."""
        self._warm = True
        if self.confinement is not None:
            self.confinement.tidy(self.path)
        for session, models in self._open:
            models.warm(session.model)

    async def close(self) -> None:
        """Close what is open: an error while one thing is closed keeps no other from it."""
        closing = [self.archive.settled(), self.writing.put_away(), *(thing.close() for pair in self._open for thing in pair)]
        results = await asyncio.gather(*closing, return_exceptions=True)
        if self.confinement is not None:
            await self.confinement.close()
        if self._store is not None:
            self._store.close()
        await known_models.close()
        for result in results:
            if isinstance(result, Exception):
                raise result
