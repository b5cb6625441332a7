"""A conversation with everything in it that might change what was sent before, and how much the next request keeps of one."""

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeAlias

from flowchat.config import ModelSettings, Settings, open_folders
from flowchat.runtime.session import Session
from flowchat.runtime.workspace import Workspace
from flowchat.transcript.events import TextDelta
from tests.benchmarks.model_server import Json, ModelServer, serving

MODEL = "openai/bench"
HOLD_SECONDS = 60.0
"""A part takes two."""
READ = 'call read_file {"path": "README.md"}'
LIST = 'call list_dir {"path": "."}'
WRITE = 'call write_file {"path": "made.txt", "content": "made\\n"}'


class Talk:
    """One session and the model it is held with."""

    def __init__(self, session: Session, server: ModelServer, folder: Path) -> None:
        self.session, self.folder, self._server = session, folder, server

    async def say(self, *messages: str) -> None:
        """Each in its turn."""
        for message in messages:
            await self.session.send(message)
            await self.session.idle()

    async def say_meanwhile(self, message: str, *others: tuple[str, Any]) -> None:
        """Something said while the answer to a message is waited for, which then comes."""
        await self._begin_to_wait(message)
        for other, deliver in others:
            await self.session.send(other, deliver)
        self._server.release()
        await self.session.idle()

    async def interrupt_before_words(self, message: str) -> None:
        await self._begin_to_wait(message)
        await self.session.interrupt()

    async def retry(self) -> None:
        """What was interrupted before a word, to its end."""
        await self.session.retry()
        await self._server.until_waiting()
        self._server.release()
        await self.session.idle()

    async def interrupt_amid_words(self, message: str) -> None:
        begun = asyncio.Event()
        unwatch = self.session.watch(lambda heard: begun.set() if isinstance(heard.event, TextDelta) else None)
        await self.session.send(message)
        await begun.wait()
        unwatch()
        await self.session.interrupt()

    async def _begin_to_wait(self, message: str) -> None:
        await self.session.send(f"{message}\nwait")
        await self._server.until_waiting()


Part: TypeAlias = Callable[[Talk], Coroutine[Any, Any, None]]


async def first_part(talk: Talk) -> None:
    await talk.say("Hello.", READ, "Look at @notes.txt, please.", f"{READ}\n{LIST}")
    await talk.session.set_mode("accept-edits")
    await talk.say("Edits are free now.", WRITE)
    await talk.say_meanwhile(READ, ("Read it slowly.", "steer"))
    (talk.folder / "AGENTS.md").write_text("Answer in one sentence. Run nothing.\n")
    await talk.say("The instructions have changed.")
    await talk.interrupt_before_words("This one is stopped before a word of its answer.")
    await talk.say("Go on.")
    await talk.say_meanwhile("write 20 tokens, mark one", ("One more thing.", "steer"), ("And another.", "steer"))
    await talk.session.set_mode("plan")
    await talk.say(WRITE, "refuse", "After a failure.")
    await talk.say_meanwhile("Let it take its time.", ("Queued first.", "queue"), ("Queued next.", "queue"))


async def second_part(talk: Talk) -> None:
    await talk.say("Where were we?", "Both @README.md and @notes.txt, please.", "And @made.txt.")
    await talk.say_meanwhile(f"{READ}\n{LIST}", ("Steered between two answers.", "steer"))
    await talk.session.set_mode("default")
    (talk.folder / "AGENTS.md").unlink()
    await talk.say("Asked again before edits, and no instructions.", READ, LIST)
    await talk.interrupt_before_words("Stopped, then tried again.")
    await talk.retry()
    await talk.interrupt_amid_words("write 500 tokens at 50/s, mark cut")
    await talk.say(READ, "write 60 tokens, mark two", f"{LIST}\n{READ}\n{LIST}", "The last one.")


async def hold(part: Part, folder: Path) -> list[str]:
    """Hold one part as a program that was just started would, in a new session or the newest; gives the requests it made."""
    environ = {"FLOWCHAT_HOME": str(folder / "home")}
    settings = Settings(model=MODEL, models={MODEL: ModelSettings(window=1_000_000)})
    async with serving() as server:
        environ["OPENAI_API_BASE"] = server.base
        workspace = Workspace(_work_folder(folder), settings, open_folders(environ), environ)
        try:
            session = await workspace.open_newest() or await workspace.new()
            async with asyncio.timeout(HOLD_SECONDS):
                await part(Talk(session, server, workspace.path))
        finally:
            await workspace.close()
    return [canonical(body) for body in server.asked if body.get("tools")]


def _work_folder(folder: Path) -> Path:
    work = folder / "work"
    if not work.is_dir():
        work.mkdir(parents=True)
        for name, text in (("README.md", "# A sample\n"), ("notes.txt", "one\ntwo\n"), ("AGENTS.md", "Be brief.\n")):
            (work / name).write_text(text)
    return work


# --- the prefix ------------------------------------------------------------------------------------------------------
def canonical(body: Json) -> str:
    """Tools, system prompt and messages, one a line, without the marks that say where a cache may end."""
    return "\n".join(
        json.dumps(_unmarked(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        for value in (*body.get("tools", ()), *body["messages"])
    )


def kept(before: str, after: str) -> float:
    """The share of a request that the next one begins with."""
    same = next((at for at, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), min(len(before), len(after)))
    return same / len(before)


def _unmarked(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _unmarked(inner) for name, inner in value.items() if name != "cache_control"}
    return [_unmarked(inner) for inner in value] if isinstance(value, list) else value


if __name__ == "__main__":  # one part in a process of its own: FOLDER first|second, the requests one a line on stdout
    parts: dict[str, Part] = {"first": first_part, "second": second_part}
    for request in asyncio.run(hold(parts[sys.argv[2]], Path(sys.argv[1]))):
        print(json.dumps(request))
