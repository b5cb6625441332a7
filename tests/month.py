"""A month of work in one session: hundreds of runs with tools, facts said in passing, a model whose window is small and real."""

import json
import re
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import msgspec

from flowchat.config import Settings
from flowchat.model.model import (
    AssistantMessage,
    CallPiece,
    ContextOverflow,
    Message,
    ModelFacts,
    ModelPiece,
    Reply,
    Request,
    TextPiece,
    ToolMessage,
    UserMessage,
)
from flowchat.runtime.session import Session
from flowchat.runtime.workspace import Workspace
from flowchat.transcript.entries import Call, Noticed, RunEnded, Text, Usage
from tests.desk import HandClock
from tests.staging import folders_at, project_folder

WINDOW = 32_000
BYTES_A_TOKEN = 3.3
"""A tokenizer that is worse than the estimate: who trusts bytes / 4 runs over."""
FACT_EVERY = 10
FILE_BYTES = 6_000
NOTES = (
    "A line of the notes that says little.\nWhat is done with the locker, which do you look for?\n"
    "Some line that is of no use to us.\nThe key to it does not have a number.\n"
)
"""Over and over in the file that is read: all the words of a question, but not together."""
SUMMARY = "## Done\nWork.\n## Active\nMore.\n## Decisions\nNone.\n## User directives\nNone.\n## Current work\nGoing on.\n"
_LOCKER = re.compile(r"locker (\d+)\?")
QUERIES = (
    "what is the key of locker {}",
    "which key does locker {} have?",
    "locker {} key",
    "Do you remember the keys? I look for that of locker {}.",
)
"""How it asks recall, by turns: in no words that were said, and with words that stand in every file it has read."""
_encoder = msgspec.json.Encoder()


def locker(number: int) -> str:
    """What the user says of a locker, and only once."""
    return f"the key of locker {number} is K-{number * 7919 % 100_003:05}"


class MonthModel:
    """Reads a file in each run, and in some two at once; asked for a locker's key it calls recall, if it does not see it.

    Refuses what passes its window, and counts how often it had to.
    """

    def __init__(self, window: int = WINDOW) -> None:
        self.facts = ModelFacts("scripted", "scripted", window, "config", max_output=2_000)
        self.room = window
        self.overflows, self.requests, self.summaries, self.longest = 0, 0, 0, 0
        self.last: Request | None = None

    async def stream(self, request: Request) -> AsyncGenerator[ModelPiece, None]:
        sent = tokens_of(request)
        if sent > self.room:
            self.overflows += 1
            raise ContextOverflow(f"the request has {sent:,} tokens, the window {self.room:,}")
        self.longest = max(self.longest, sent)
        text, calls = self._answer(request)
        for piece in (TextPiece(text), *(CallPiece(index, name, args) for index, (name, args) in enumerate(calls))):
            yield piece
        parts = (*((Text(text),) if text else ()), *(Call(f"c{index}", *call) for index, call in enumerate(calls)))
        yield Reply(parts, "calls" if calls else "stop", Usage(input=sent, output=round(len(text) / BYTES_A_TOKEN) + 8))

    def _answer(self, request: Request) -> tuple[str, Sequence[tuple[str, str]]]:
        last = request.messages[-1]
        match request.purpose:
            case "compact" if any(tool.name == "write_summary" for tool in request.tools) and not isinstance(last, ToolMessage):
                self.summaries += 1
                return "", [("write_summary", json.dumps({"text": SUMMARY}))]
            case "compact":
                self.summaries += not request.tools
                return "done" if request.tools else SUMMARY, ()
            case "run":
                self.requests += 1
                self.last = request
                return self._step(request, last)
            case _:
                return "A month of work", ()

    def _step(self, request: Request, last: Message) -> tuple[str, Sequence[tuple[str, str]]]:
        if isinstance(last, ToolMessage):
            return f"Answer to {len(last.text)} characters. " + "It is as it should be. " * 20, ()
        said = last.pieces[-1].text if isinstance(last, UserMessage) else ""
        if found := _LOCKER.search(said):
            query = QUERIES[int(found[1]) % len(QUERIES)].format(found[1])
            return "", [("recall", json.dumps({"query": query}))]
        both = len(request.messages) % 3 == 0
        return "I look.", [("read_file", '{"path":"notes.txt"}'), *([("list_dir", "{}")] if both else [])]


def tokens_of(request: Request) -> int:
    """As the provider counts them."""
    return round(len(_encoder.encode((request.system, request.tools, request.messages))) / BYTES_A_TOKEN)


class Month:
    """The session. `runs` so far, `facts` the numbers of the lockers that were told."""

    def __init__(self, tmp_path: Path, model: MonthModel | None = None) -> None:
        self.model = model or MonthModel()
        folder = project_folder(tmp_path)
        (folder / "notes.txt").write_text(NOTES * (FILE_BYTES // len(NOTES)))
        self._workspace = Workspace(
            folder, Settings(), folders_at(tmp_path), environ={}, clock=HandClock(), make_model=lambda _: self.model
        )
        self.runs, self.facts = 0, list[int]()
        self._session: Session | None = None

    @property
    def session(self) -> Session:
        assert self._session is not None
        return self._session

    async def begin(self) -> None:
        self._session = await self._workspace.new(model="scripted")

    async def resume(self) -> None:
        """Open it again, in another process as it were."""
        self._session = await self._workspace.open_newest(model="scripted")

    async def work(self, runs: int) -> None:
        """So many runs more, each with tools; in every tenth the user says a fact beside what is to be done."""
        for _ in range(runs):
            self.runs += 1
            said = f"Look at the notes for the {self.runs}th time and tell me what you think of it."
            if self.runs % FACT_EVERY == 0:
                self.facts.append(self.runs // FACT_EVERY)
                said += f" By the way, {locker(self.facts[-1])}."
            await self._say(said)

    async def knows(self, number: int) -> bool:
        """Whether the model, asked for a locker, has its key in its next request, or after it has called recall."""
        await self._say(f"What is the key of locker {number}?")
        assert self.model.last is not None
        return any(locker(number) in text_of_message(message) for message in self.model.last.messages)

    @property
    def told(self) -> list[str]:
        """What the user was told: notices that are more than information, and runs that did not end as they should."""
        entries = [record.entry for record in self.session.transcript.records()]
        bad = [entry.text for entry in entries if isinstance(entry, Noticed) and entry.level != "info"]
        return bad + [str(entry) for entry in entries if isinstance(entry, RunEnded) and entry.outcome != "completed"]

    async def close(self) -> None:
        await self._workspace.close()

    async def _say(self, text: str) -> None:
        await self.session.send(text)
        await self.session.idle()


def text_of_message(message: Message) -> str:
    match message:
        case UserMessage(pieces=pieces):
            return "\n".join(piece.text for piece in pieces)
        case ToolMessage(text=text) | AssistantMessage(text=text):
            return text
