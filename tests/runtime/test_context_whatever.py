"""Whatever is said, stopped, edited, set, folded and undone: what each request holds, and what the map says of it."""

import asyncio
import json
import os
import random
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from typing import get_args

import pytest

from flowchat.agent.items import Change
from flowchat.config import Compact, Settings
from flowchat.errors import FlowchatError
from flowchat.model.model import Message, ModelPiece, Request, TextPiece
from flowchat.runtime.session import Session
from flowchat.runtime.workspace import Workspace
from flowchat.transcript.entries import AttemptUsed, Compacted, CompactionUndone, Edited, HeadMoved, ItemsSet, Record, RunEnded
from flowchat.transcript.todo import answers, open_items
from tests.desk import HandClock
from tests.month import MonthModel, text_of_message
from tests.staging import folders_at, project_folder
from tests.validating import broken_rules

STEPS = 40
LIVES = int(os.environ.get("FLOWCHAT_LIVES", "12"))
"""`FLOWCHAT_LIVES=500`: as many."""
WINDOW = 12_000


class AttentiveModel(MonthModel):
    """Looks at each request it accepts; `gate`, once set, holds the next answer where it is, `reached` then."""

    def __init__(self) -> None:
        super().__init__(WINDOW)
        self.wrong: list[str] = []
        self.gate: asyncio.Event | None = None
        self.reached = asyncio.Event()
        self.lists = 0
        self.waiting: set[str] = set()
        """What the user said that no answer has followed: it must be in each request, word for word."""

    async def stream(self, request: Request) -> AsyncGenerator[ModelPiece, None]:
        async for piece in super().stream(request):
            if self.gate is not None and request.purpose == "run":
                gate, self.gate = self.gate, None
                yield TextPiece("It began. ")
                self.reached.set()
                await gate.wait()
            yield piece

    def _step(self, request: Request, last: Message) -> tuple[str, Sequence[tuple[str, str]]]:
        self.wrong += broken_rules(request.messages)
        seen = "\n".join(map(text_of_message, request.messages))
        self.wrong += [f"{words[:40]!r} is not in the request" for words in self.waiting if words not in seen]
        text, calls = super()._step(request, last)
        if calls:
            calls = [*calls, ("todo", json.dumps({"items": self._plan()}))]
        if not calls and self.gate is None:
            self.waiting.clear()
        return text, calls

    def _plan(self) -> list[dict[str, str]]:
        """The next list, in words of its own; every third has nothing open."""
        self.lists += 1
        left = "done" if self.lists % 3 == 0 else "pending"
        return [{"text": f"item {number} of list {self.lists}.", "status": status} for number, status in ((1, "done"), (2, left))]


class Life:
    """A session, and a hand that does anything by chance."""

    def __init__(self, session: Session, model: AttentiveModel, chance: random.Random) -> None:
        self.session, self.model, self.chance, self.said = session, model, chance, 0
        self.done: list[str] = []

    async def step(self) -> None:
        act: Callable[[], object] = self.chance.choices(
            (self.say, self.stop, self.steer, self.edit, self.set, self.unset, self.fold, self.retry),
            (8, 2, 2, 2, 5, 2, 4, 1),
        )[0]
        self.done.append(act.__name__)
        try:
            await act()
        except FlowchatError as error:
            self.done[-1] += f": {type(error).__name__}"
        await self.session.idle()

    def words(self) -> str:
        self.said += 1
        words = f"Message {self.said}: look at it. " + "More to read. " * self.chance.choice((0, 3, 60))
        return words.strip()

    async def say(self) -> None:
        words = self.words()
        self.model.waiting.add(words)
        await self.session.send(words)

    async def _held(self) -> asyncio.Event:
        self.model.gate, self.model.reached = asyncio.Event(), asyncio.Event()
        gate, reached = self.model.gate, asyncio.ensure_future(self.model.reached.wait())
        await self.say()
        idle = asyncio.ensure_future(self.session.idle())
        await asyncio.wait({reached, idle}, return_when=asyncio.FIRST_COMPLETED)
        reached.cancel()
        idle.cancel()
        self.model.gate = None
        return gate

    async def stop(self) -> None:
        await self._held()
        if self.session.state.state == "running":
            await self.session.interrupt()

    async def steer(self) -> None:
        gate = await self._held()
        words = self.words()
        if self.session.state.state == "running":
            await self.session.send(words, deliver="steer")
            self.model.waiting.add(words)
        gate.set()

    async def edit(self) -> None:
        messages = self.session.user_messages()
        if messages:
            words, action = self.words(), self.chance.choice(("save", "resend"))
            self.model.waiting.clear()
            if action == "resend":
                self.model.waiting.add(words)
            await self.session.edit(self.chance.choice(messages).seq, words, action)

    async def set(self) -> None:
        refs = [row.ref for row in self.session.context.rows() if row.ref is not None]
        if refs:
            some = self.chance.sample(refs, min(len(refs), self.chance.randint(1, 4)))
            await self.session.context.set(some, self.chance.choice(get_args(Change)))

    async def unset(self) -> None:
        await self.session.context.undo()

    async def fold(self) -> None:
        before = self.session.request_text()
        folding = self.session.folding
        await self.chance.choice((self.session.compact, folding.undo, folding.redo))()
        if self.session.transcript.records()[-1].type == "compacted" and self.chance.random() < 0.7:
            await folding.undo()
            assert self.session.request_text() == before
            if self.chance.random() < 0.5:
                await folding.redo()

    async def retry(self) -> None:
        await self.session.retry()

    def lists_missed(self) -> list[str]:
        """The items of the newest todo list that are open and not in the next request, unless the user left it out."""
        sent, out = self.session.request_text(), self.session.context.chosen.calls_out
        found = next((answer for answer in answers(self.session.transcript.branch())), None)
        if found is None or found.call in out:
            return []
        return [item.text for item in open_items(found.todo or ()) if item.text not in sent]


def compactions_without_a_request_between(records: Sequence[Record]) -> list[int]:
    """The lines of automatic compactions before which, since the last, no request was accepted and the user changed nothing."""
    found, accepted = list[int](), True
    for record in records:
        match record.entry:
            case AttemptUsed(purpose="run", error=None):
                accepted = True
            case Edited() | HeadMoved() | CompactionUndone() | ItemsSet():
                accepted = True
            case Compacted(trigger="soft" | "hard" | "overflow"):
                found += [] if accepted else [record.seq]
                accepted = False
            case _:
                pass
    return found


@pytest.mark.parametrize("seed", range(LIVES))
async def test_whatever_happens_requests_are_whole_and_the_map_tells_the_truth(tmp_path: Path, seed: int) -> None:
    model = await lived(tmp_path, Settings(), seed)
    assert model.overflows == 0


@pytest.mark.parametrize("seed", range(LIVES // 4))
async def test_so_they_are_where_nothing_is_compacted_by_itself(tmp_path: Path, seed: int) -> None:
    await lived(tmp_path, Settings(compact=Compact(soft_percent=100, hard_percent=100)), seed)


async def lived(tmp_path: Path, settings: Settings, seed: int) -> AttentiveModel:
    """The model of a session that went through STEPS by chance, each looked at."""
    model = AttentiveModel()
    folder = project_folder(tmp_path)
    (folder / "notes.txt").write_text("A line of the notes that says little.\n" * 60)
    workspace = Workspace(folder, settings, folders_at(tmp_path), environ={}, clock=HandClock(), make_model=lambda _: model)
    life = Life(await workspace.new(model="scripted"), model, random.Random(seed))
    for _ in range(STEPS):
        await life.step()
        assert model.wrong == [], life.done
        assert life.lists_missed() == [], life.done
        used = life.session.context.used
        assert used is not None
        assert sum(row.tokens for row in life.session.context.rows()) == used.tokens, life.done
    records = life.session.transcript.records()
    assert compactions_without_a_request_between(records) == []
    assert [record.entry for record in records if isinstance(record.entry, RunEnded) and record.entry.outcome == "failed"] == []
    await workspace.close()
    return model
