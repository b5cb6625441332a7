"""A desk to test at: real sessions on a scripted model in a temporary workspace, with a clock that moves only when told."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from flowchat.agent.agent import Agent, Limits
from flowchat.agent.clock import Timer
from flowchat.agent.projection import Projection
from flowchat.agent.reading import Known
from flowchat.agent.review import Reviewer
from flowchat.errors import NoModel
from flowchat.model.scripted import ScriptedModel, Step
from flowchat.runtime.background import next_number
from flowchat.runtime.beginning import Beginning
from flowchat.runtime.permits import SessionPermits
from flowchat.runtime.project import Surroundings
from flowchat.runtime.rulebook import RuleBook
from flowchat.runtime.session import Session
from flowchat.runtime.skills import Skills
from flowchat.store.memory import MemoryBlobs, MemoryLog
from flowchat.tools.jobs import Jobs
from flowchat.tools.registry import standard_tools
from flowchat.tools.rules import Ground
from flowchat.transcript.entries import ContextAdded, Entry, Mode, Noticed, Record, UserSaid
from flowchat.transcript.events import Event, Heard
from flowchat.transcript.transcript import Transcript
from tests.growing import texts

_E = TypeVar("_E")


class HandClock:
    """Time stands still until `pass_seconds`; timers act in order."""

    def __init__(self, start_ms: int = 1_790_000_000_000) -> None:
        self._start_ms, self._now = start_ms, 0.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._news = asyncio.Event()

    def now_ms(self) -> int:
        return self._start_ms + round(self._now * 1000)

    def seconds(self) -> float:
        return self._now

    def call_later(self, seconds: float, act: Callable[[], None]) -> Timer:
        self._count += 1
        due = (self._now + seconds, self._count, act)
        self._due.append(due)
        self._news.set()
        return _Cancel(self._due, due)

    @property
    def waiting(self) -> list[float]:
        """In how many seconds each timer is due."""
        return sorted(when - self._now for when, _, _ in self._due)

    async def pass_seconds(self, seconds: float) -> None:
        """Let time pass, waking whoever is due, each with the loop's time to go on."""
        await self.rest()
        until = self._now + seconds
        while self._due and min(self._due)[0] <= until:
            due = min(self._due)
            self._due.remove(due)
            self._now = max(self._now, due[0])
            due[2]()
            await settle()
        self._now = until
        await settle()

    async def hurry(self, goal: Awaitable[object]) -> None:
        """Let as much time pass as it takes for `goal` to be reached."""
        reached = asyncio.ensure_future(goal)
        async with asyncio.timeout(20):
            while not reached.done():
                await self.rest()
                if reached.done():
                    break
                if self._due:
                    await self.pass_seconds(max(0.0, min(self._due)[0] - self._now))
                    continue
                self._news.clear()
                news = asyncio.ensure_future(self._news.wait())
                await asyncio.wait({reached, news}, return_when=asyncio.FIRST_COMPLETED)
                news.cancel()
        await reached

    async def rest(self) -> None:
        """What time waits for before it passes: nothing."""


class _Cancel:
    def __init__(self, due: list[tuple[float, int, Callable[[], None]]], mine: tuple[float, int, Callable[[], None]]) -> None:
        self._due, self._mine = due, mine

    def cancel(self) -> None:
        if self._mine in self._due:
            self._due.remove(self._mine)


async def settle() -> None:
    """Let everything that is ready run."""
    for _ in range(20):
        await asyncio.sleep(0)


class Ear:
    """Hears a session; `heard` in order."""

    def __init__(self, watch: Callable[[Callable[[Heard], None]], Callable[[], None]]) -> None:
        self.heard: list[Heard] = []
        self._news = asyncio.Event()
        watch(self._hear)

    def _hear(self, heard: Heard) -> None:
        self.heard.append(heard)
        self._news.set()

    @property
    def events(self) -> list[Event]:
        return [heard.event for heard in self.heard]

    def entries(self, *kinds: type[Any]) -> list[Any]:
        """The entries and deltas of these kinds, as heard."""
        things = [event.entry if isinstance(event, Record) else event for event in self.events]
        return [thing for thing in things if isinstance(thing, kinds)]

    async def until(self, wanted: Callable[[Event | Entry], bool] | type, seconds: float = 10.0) -> Any:
        """The first event (or entry) heard that is of a kind, or fulfils a condition, from the beginning on."""
        fits = (lambda thing: isinstance(thing, wanted)) if isinstance(wanted, type) else wanted
        async with asyncio.timeout(seconds):
            seen = 0
            while True:
                while seen < len(self.heard):
                    event = self.heard[seen].event
                    seen += 1
                    thing = event.entry if isinstance(event, Record) else event
                    if fits(thing):
                        return thing
                self._news.clear()
                await self._news.wait()


def said(entries: list[object]) -> list[str]:
    return [entry.parts[0].text for entry in entries if isinstance(entry, UserSaid)]


def project_folder(tmp_path: Path) -> Path:
    """A small workspace."""
    folder = tmp_path / "work"
    folder.mkdir(exist_ok=True)
    (folder / "a.txt").write_text("alpha\nbeta\n")
    (folder / "b.txt").write_text("gamma\n")
    return folder.resolve()


class Desk:
    """Opens sessions. `folder` is their workspace; `clock` moves by hand; `store` is memory unless a test says otherwise."""

    def __init__(self, tmp_path: Path) -> None:
        self.folder = project_folder(tmp_path)
        self.clock = HandClock()
        self.shelf = PaperShelf()
        self.sessions: list[Session] = []

    def open(self, *script: Step, mode: Mode = "default", attended: bool = True, **given: Any) -> "Sitting":
        """A new session whose model plays `script`; keywords: others, facts, limits, rules, book, tools, jobs, log, blobs,
        missed, confined, skills."""
        model = ScriptedModel(*script, others=given.get("others"), facts=given.get("facts"))
        transcript = Transcript(given.get("log") or MemoryLog(), given.get("blobs") or MemoryBlobs(), now_ms=self.clock.now_ms)
        return self.seat(model, transcript, mode=mode, attended=attended, **given)

    def seat(
        self, model: ScriptedModel, transcript: Transcript, mode: Mode = "default", attended: bool = True, **given: Any
    ) -> "Sitting":
        numbered = lambda: next_number(transcript.records())
        jobs = Jobs(self.clock.now_ms, given.get("shelf_of_jobs"), numbered) if given.get("jobs") else None
        tools = given.get("tools") or standard_tools(jobs=jobs)
        skills = given.get("skills") or Skills(self.folder)
        surroundings = Surroundings(self.folder, None, self.clock, skills=skills, out=lambda: session.context.chosen.out)
        book = given.get("book") or RuleBook(Ground(self.folder), None, given.get("rules", ()))
        confined, lent = lambda: bool(given.get("confined")), lambda: skills.looked.lent
        permits = SessionPermits(lambda: session.mode, book, attended, confined, lent)
        reviewer = Reviewer(lambda: model, attended)

        projection, known = Projection(), Known()

        def agent(session: Session) -> Agent:
            if given.get("no_model"):
                raise NoModel("no model is set")

            async def news(branch: Sequence[Record], first: bool) -> Sequence[ContextAdded | Noticed]:
                return await surroundings.news(branch, first, session.mode)

            limits, missed = given.get("limits", Limits()), given.get("missed", tuple)
            return Agent(
                model, model, tools, permits, limits, news, self.folder, self.clock, None, projection, known, missed, reviewer
            )  # fmt: skip

        beginning = Beginning(
            "20260101-000000-test",
            self.folder,
            "0",
            model.facts.name,
            mode,
            given.get("system", "You are a test."),
            tools.schemas,
        )
        shelf = given.get("shelf") or self.shelf
        session = Session(beginning, transcript, shelf, self.clock, agent, given.get("read_only"), jobs, skills)
        self.sessions.append(session)
        return Sitting(session, model, Ear(session.watch))

    async def close(self) -> None:
        for session in self.sessions:
            await session.close()


class PaperShelf:
    """Composer text and the number of times meta was written."""

    def __init__(self) -> None:
        self.text, self.metas = "", 0

    def composer_text(self) -> str:
        return self.text

    async def keep_composer(self, text: str) -> None:
        self.text = text

    async def write_meta(self, transcript: Transcript) -> None:
        self.metas += 1


class Sitting(NamedTuple):
    """An open session, its model and an ear."""

    session: Session
    model: ScriptedModel
    ear: Ear

    def types(self) -> list[str]:
        """The types of the head's branch, in order."""
        return [record.type for record in self.session.transcript.branch()]

    def branch(self, *kinds: type[Any]) -> list[Any]:
        return [record.entry for record in self.session.transcript.branch() if isinstance(record.entry, kinds)]

    def requests(self) -> list[list[str]]:
        """The requests of runs, in short; context pieces left out."""
        return [without_context(texts(request.messages)) for request in self.model.asked()]


def without_context(lines: list[str]) -> list[str]:
    return [re.sub(r"\|?<context.*?</context>", "", line, flags=re.DOTALL) for line in lines]
