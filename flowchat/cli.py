"""The front door: starts the front end a command asks for, and turns its end into an exit code."""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from flowchat.arguments import (
    Chat,
    Command,
    Config,
    Doctor,
    Given,
    Headless,
    Models,
    Page,
    Policy,
    Sessions,
    Trash,
    Trusting,
    here,
    parse,
)
from flowchat.errors import FlowchatError, NotFound, StorageFailed, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable
    from typing import TypeVar

    from flowchat.config import Folders
    from flowchat.runtime.session import Session
    from flowchat.runtime.trust import Trust
    from flowchat.runtime.workspace import Workspace
    from flowchat.serve.stream import OutputFormat
    from flowchat.store import sessions as store_sessions
    from flowchat.tools.rules import Rule

    Gave = TypeVar("Gave")

STDIN, STDOUT, STDERR = 0, 1, 2


def main(words: Sequence[str]) -> int:
    """Do what the words say and give the exit code: 0, 1 an error, 2 a usage error, 53 the step limit, 128 + n signal n."""
    if os.name != "posix":
        return _complain("flowchat runs on Linux and macOS; on Windows use it inside WSL", 2)
    try:
        return _do(parse(words))
    except UsageError as error:
        return _complain(str(error), 2)
    except FlowchatError as error:
        return _complain(str(error), 1)


def _do(command: Command) -> int:
    match command:
        case Page(text=text):
            return _print(text)
        case Sessions():
            return _tell_of_sessions(command)
        case Trash():
            return _use_trash(command)
        case Models():
            return _list_models(command)
        case Config():
            return _configure(command)
        case Doctor():
            return _examine(command)
        case Trusting():
            return _use_trust(command)
        case Policy():
            return _tell_of_rules(command)
        case Chat():
            return _show_screen(command) if command.headless is None else _print_answer(command, command.headless)


def _show_screen(chat: Chat) -> int:
    _check_terminal()
    workspace = _workspace(chat)
    from flowchat.ui.app import Start, run_app
    from flowchat.ui.colours import terminal_colours
    from flowchat.ui.terminal import shows_ascii_alone

    start = Start(
        prompt=chat.prompt,
        newest=chat.newest,
        resume=chat.resume,
        saved=chat.saved,
        mode=chat.mode,
        model=chat.model,
        ascii=shows_ascii_alone(os.environ, sys.stdout.encoding),
        colours=terminal_colours(os.environ),
        log=workspace.folders.log_file if workspace.folders else None,
    )
    return run_app(workspace, start=start)


def _check_terminal() -> None:
    """Raise UsageError where no screen can be shown."""
    if not all(map(os.isatty, (STDIN, STDOUT, STDERR))):
        raise UsageError("stdin, stdout and stderr must all be terminals: use `flowchat -p` for an answer without the screen")
    term = os.environ.get("TERM", "")
    if term in ("", "dumb"):
        raise UsageError(
            f"TERM is {term or 'not set'}, which cannot show the screen: set it, or use `flowchat -p` for an answer without one"
        )


def _print_answer(chat: Chat, headless: Headless) -> int:
    import asyncio
    import gc

    from flowchat.serve.headless import read_prompt, refuse

    workspace = _workspace(chat)
    gc.freeze()
    gc.enable()
    prompt = read_prompt(chat.prompt, None if os.isatty(STDIN) else STDIN)
    try:
        return asyncio.run(_answer(workspace, chat, headless.output_format, prompt))
    except FlowchatError as error:
        refuse(error, headless.output_format, STDOUT)
        raise


async def _answer(workspace: "Workspace", chat: Chat, output_format: "OutputFormat", prompt: str) -> int:
    import asyncio

    from flowchat.serve.headless import LAST_WORDS_SECONDS, answer
    from flowchat.serve.pipe import Outlet

    aside = Outlet(STDERR)
    code = 0
    try:
        session = await _session(workspace, chat)
        if session.transcript.head:  # a new session begins with them
            for sentence in workspace.notices:
                aside.write(_said(sentence))
        workspace.warm()
        code = await answer(session, prompt, output_format, STDOUT, lambda sentence: aside.write(_said(sentence)))
        return code
    finally:
        await workspace.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_SECONDS if code > 128 else None):
                await aside.written()


async def _session(workspace: "Workspace", chat: Chat) -> "Session":
    if chat.resume is not None:
        return await workspace.open(chat.resume, mode=chat.mode, model=chat.model)
    if not chat.newest:
        return await workspace.new(saved=chat.saved, mode=chat.mode, model=chat.model)
    session = await workspace.open_newest(mode=chat.mode, model=chat.model)
    if session is None:
        raise NotFound(f"there is no session in {workspace.path} to continue: leave out -c to start one")
    return session


def _workspace(chat: Chat) -> "Workspace":
    """The workspace of a command, with the settings and folders of the user. Raises UsageError for a rule that is none."""
    from flowchat.config import read_settings, start_log
    from flowchat.runtime.workspace import Workspace

    headless = chat.headless or Headless()
    rules = _rules(chat.given)
    folders, notices = _folders_or_none()
    settings, more = read_settings(folders.settings_file if folders else None)
    start_log(folders.log_file if folders else None, os.environ)
    return Workspace(
        chat.folder,
        settings,
        folders,
        rules=rules,
        attended=chat.headless is None,
        max_steps=headless.max_steps,
        notices=(*notices, *more),
        sandboxed=True,
        more=chat.given.more,
    )


def _rules(given: Given) -> "list[Rule]":
    """The rules of the command line. Raises UsageError for one that is none."""
    from flowchat.tools.rules import Effect, parse_rule

    effects: tuple[tuple[Effect, tuple[str, ...]], ...] = (("allow", given.allow), ("deny", given.deny))
    rules: list[Rule] = []
    for effect, texts in effects:
        try:
            rules += [parse_rule(text, effect) for text in texts]
        except UsageError as error:
            raise UsageError(f"--{effect} {error}") from None
    return rules


def _tell_of_rules(command: Policy) -> int:
    from flowchat.serve import explaining

    folder = command.folder or here()

    async def tell(workspace: "Workspace") -> list[str]:
        if command.action == "list":
            return explaining.list_rules(workspace.book, command.as_json)
        mode = command.mode or workspace.settings.permission_mode
        walls = await workspace.confinement.probe() if mode == "auto" and workspace.confinement else None
        holds = walls is not None and walls.tier == "full"
        lent = workspace.skills(workspace.path).look().lent
        return list(explaining.explain(workspace.book, mode, command.tool, command.subject, command.as_json, holds, lent))

    return _write(_run(tell, Chat(folder, given=command.given)))


def _folders_or_none() -> "tuple[Folders | None, tuple[str, ...]]":
    from flowchat.config import make_private, open_folders

    try:
        folders = open_folders(os.environ)
        make_private(folders.log_file.parent)
    except StorageFailed as error:
        return None, (f"{error}; until then this conversation is kept in memory only",)
    return folders, ()


def _tell_of_sessions(command: Sessions) -> int:
    from flowchat.serve import exporting, listing

    store = _store()
    match command.action:
        case "list":
            lines = listing.list_sizes(store, command.as_json) if command.sizes else listing.list_sessions(store, command.as_json)
        case "show":
            lines = listing.show_session(store, command.wanted, command.as_json)
        case "path":
            lines = listing.session_path(store, command.wanted, command.as_json)
        case "delete":
            lines = listing.delete_session(store, command.wanted, command.as_json)
        case "export":
            pieces = exporting.exported(store, command.wanted, command.as_json, command.everything)
            if not command.output:
                return _write(pieces)
            lines = exporting.export_to(command.output, pieces, command.force)
    return _write(lines)


def _use_trash(command: Trash) -> int:
    from flowchat.serve import trashing

    store = _store()
    match command.action:
        case "list":
            lines = trashing.list_trash(store, command.as_json)
        case "restore":
            lines = trashing.restore_session(store, command.wanted, command.as_json)
        case "empty":
            lines = trashing.empty_trash(store, command.as_json, command.sure, STDIN, STDERR)
    return _write(lines)


def _trust(folders: "Folders") -> "Trust":
    import time

    from flowchat.runtime.trust import Trust
    from flowchat.store.trusted import TrustFile

    return Trust(TrustFile(folders.data), lambda: time.time_ns() // 1_000_000)


def _use_trust(command: Trusting) -> int:
    from flowchat.config import open_folders
    from flowchat.serve import trusting

    trust = _trust(open_folders(os.environ))
    return _write(trusting.carry_out(trust, command.action, command.folder, command.as_json, command.sure, STDIN, STDERR))


def _store() -> "store_sessions.Sessions":
    from flowchat.config import open_folders
    from flowchat.store import sessions

    folders = open_folders(os.environ)
    return sessions.Sessions(folders.data, folders.state)


def _list_models(command: Models) -> int:
    from flowchat.config import redactor
    from flowchat.serve import looking

    if command.provider:
        return _write(_run(lambda _: looking.list_table(command.provider, command.as_json)))
    return _write(_run(lambda workspace: looking.list_models(workspace, command.as_json, redactor(os.environ))))


def _examine(command: Doctor) -> int:
    from flowchat.serve import looking

    report = _run(lambda workspace: workspace.examine(command.asks))
    return _write(looking.show_report(report, command.as_json)) or (0 if report.sound else 1)


def _run(act: "Callable[[Workspace], Coroutine[None, None, Gave]]", chat: Chat | None = None) -> "Gave":
    """What `act` gives in the workspace of a chat, or of the folder the shell stands in."""
    import asyncio

    async def run() -> "Gave":
        workspace = _workspace(chat or Chat(here()))
        try:
            return await act(workspace)
        finally:
            await workspace.close()

    return asyncio.run(run())


def _configure(command: Config) -> int:
    from flowchat.config import open_folders
    from flowchat.runtime.project_settings import effective_in
    from flowchat.serve import looking
    from flowchat.store import settings_file
    from flowchat.transcript.clean import clean

    folders = open_folders(os.environ)
    match command.action:
        case "path":
            return _write(looking.settings_path(folders, command.as_json))
        case "show":
            found, notices = effective_in(here(), _trust(folders), folders.settings_file, os.environ)
            for sentence in notices:
                _complain(sentence, 0)
            return _write(looking.show_settings(found, command.as_json))
        case "set":
            said = settings_file.save_setting(folders.settings_file, command.what, command.value)
            if said:
                _complain(said, 0)
            if command.what == "model" and os.environ.get("FLOWCHAT_MODEL", "").strip():
                _complain("FLOWCHAT_MODEL is set, too, and is used first", 0)
            return _print(f"{clean(command.what)} is set in {clean(str(folders.settings_file))}\n")
        case "set-key" | "forget-key":
            return _keep_key(command, folders)


def _keep_key(command: Config, folders: "Folders") -> int:
    """Keep a key that is read from stdin, or let go of one; no key is ever an argument."""
    from flowchat.model import discover
    from flowchat.serve import looking
    from flowchat.store.keys import Keys
    from flowchat.transcript.clean import clean

    provider, keys = command.what, Keys(folders.config)
    discover.check_provider(provider)
    if command.action == "forget-key":
        if not keys.forget(provider):
            raise NotFound(f"no key is kept for {provider}; `flowchat doctor` shows which are")
        return _print(f"The key for {provider} is no longer kept.\n")
    place = keys.keep(provider, looking.read_key(provider, STDIN))
    variable = discover.key_set(provider, os.environ)
    beside = f" {variable} is set, too, and is used first." if variable else ""
    return _print(f"The key for {provider} is kept in {clean(place)}.{beside}\n")


def _write(lines: "Iterable[str]") -> int:
    from flowchat.serve.pipe import Pipe

    pipe = Pipe(STDOUT)
    for line in lines:
        pipe.write(line)
    return 0 if pipe.failure is None else _complain_of_stdout(pipe.failure)


def _print(text: str) -> int:
    try:
        os.write(STDOUT, text.encode("utf-8", "replace"))
    except BrokenPipeError:
        pass
    except OSError as error:
        return _complain_of_stdout(error)
    return 0


def _complain_of_stdout(error: OSError) -> int:
    return _complain(f"stdout cannot be written: {error.strerror}", 1)


def _complain(sentence: str, code: int) -> int:
    with suppress(OSError):
        os.write(STDERR, _said(sentence).encode("utf-8", "replace"))
    return code


def _said(sentence: str) -> str:
    from flowchat.transcript.clean import clean

    return f"flowchat: {clean(sentence)}\n"
