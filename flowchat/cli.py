"""The command line: its words become one command, and the one front end which that asks for is started."""

import os
import sys
from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, NoReturn, TextIO, TypeAlias, cast, get_args

from flowchat import __version__
from flowchat.errors import FlowchatError, NotFound, StorageFailed, UsageError

if TYPE_CHECKING:
    from flowchat.config import Folders
    from flowchat.runtime.session import Session
    from flowchat.runtime.workspace import Workspace
    from flowchat.serve.stream import OutputFormat
    from flowchat.transcript.entries import Mode

STDOUT, STDERR, CLOSED = 1, 2, -1
PICK = ""
"""The value of `-r` without one: the user picks in the resume screen."""


class Headless(NamedTuple):
    """What `-p` adds: how to print, after how many steps to stop (None: the setting), which calls are allowed."""

    output_format: "OutputFormat" = "text"
    max_steps: int | None = None
    rules: tuple[str, ...] = ()


class Chat(NamedTuple):
    """A conversation in `folder`: a new one, the newest (`newest`), or the one named by `resume`. None: not said."""

    folder: Path
    prompt: str = ""
    newest: bool = False
    resume: str | None = None
    saved: bool = True
    model: str | None = None
    mode: "Mode | None" = None
    headless: Headless | None = None


class Sessions(NamedTuple):
    """`flowchat sessions list`, `show ID`, `path ID`."""

    action: Literal["list", "show", "path"]
    wanted: str = ""
    as_json: bool = False


class Version(NamedTuple):
    pass


Command: TypeAlias = Chat | Sessions | Version


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
    except KeyboardInterrupt:
        return 130


# --- command -> front end --------------------------------------------------------------------------------------------
def _do(command: Command) -> int:
    match command:
        case Version():
            print(f"flowchat {__version__}")
            return 0
        case Sessions():
            return _list_sessions(command)
        case Chat():
            return _show_screen(command) if command.headless is None else _print_answer(command, command.headless)


def _show_screen(chat: Chat) -> int:
    _check_terminal()
    workspace = _workspace(chat)
    from flowchat.ui.app import Start, run_app

    start = Start(
        prompt=chat.prompt,
        newest=chat.newest,
        resume=chat.resume,
        saved=chat.saved,
        mode=chat.mode,
        model=chat.model,
        ascii="utf" not in sys.stdout.encoding.lower(),
        log=workspace.folders.log_file if workspace.folders else None,
    )
    return run_app(workspace, start=start)


def _check_terminal() -> None:
    """Raise UsageError where no screen can be shown; a stream is None where its descriptor was closed."""
    streams = cast("tuple[TextIO | None, ...]", (sys.stdin, sys.stdout, sys.stderr))
    if not all(stream is not None and stream.isatty() for stream in streams):
        raise UsageError("stdin, stdout or stderr is no terminal: use `flowchat -p` for an answer without the screen")
    term = os.environ.get("TERM", "")
    if term in ("", "dumb"):
        raise UsageError(
            f"TERM is {term or 'not set'}, which shows no screen: set it, or use `flowchat -p` for an answer without one"
        )


def _print_answer(chat: Chat, headless: Headless) -> int:
    import asyncio
    import gc

    from flowchat.serve.headless import read_prompt, refuse

    workspace = _workspace(chat)
    gc.freeze()
    gc.enable()
    prompt = read_prompt(chat.prompt, _piped_stdin())
    try:
        return asyncio.run(_answer(workspace, chat, headless.output_format, prompt))
    except FlowchatError as error:
        refuse(error, headless.output_format, STDOUT)
        raise


async def _answer(workspace: "Workspace", chat: Chat, output_format: "OutputFormat", prompt: str) -> int:
    import asyncio

    from flowchat.serve.headless import LAST_WORDS_SECONDS, answer
    from flowchat.serve.pipe import Outlet

    aside = Outlet(STDERR if cast("TextIO | None", sys.stderr) is not None else CLOSED)
    code = 0
    try:
        session = await _session(workspace, chat)
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
        raise NotFound(f"there is no session of {workspace.path} to go on with: leave -c out to begin one")
    return session


def _piped_stdin() -> int | None:
    stdin = cast("TextIO | None", sys.stdin)
    return None if stdin is None or stdin.isatty() else stdin.fileno()


def _workspace(chat: Chat) -> "Workspace":
    """The workspace of a command, with the settings and folders of the user. Raises UsageError for a rule that is none."""
    from flowchat.config import read_settings, start_log
    from flowchat.runtime.workspace import Workspace
    from flowchat.tools.policy import parse_rule

    headless = chat.headless or Headless()
    rules = [parse_rule(rule) for rule in headless.rules]
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
    )


def _folders_or_none() -> "tuple[Folders | None, tuple[str, ...]]":
    from flowchat.config import make_private, open_folders

    try:
        folders = open_folders(os.environ)
        make_private(folders.log_file.parent)
    except StorageFailed as error:
        return None, (f"{error}; until then this conversation is kept in memory only",)
    return folders, ()


def _list_sessions(command: Sessions) -> int:
    from flowchat.config import open_folders
    from flowchat.serve import listing
    from flowchat.serve.pipe import Pipe
    from flowchat.store import sessions

    folders = open_folders(os.environ)
    store = sessions.Sessions(folders.data, folders.state)
    match command.action:
        case "list":
            lines = listing.list_sessions(store, command.as_json)
        case "show":
            lines = listing.show_session(store, command.wanted, command.as_json)
        case "path":
            lines = listing.session_path(store, command.wanted, command.as_json)
    pipe = Pipe(STDOUT)
    for line in lines:
        pipe.write(line)
    return 0


def _complain(sentence: str, code: int) -> int:
    _say(sentence)
    return code


def _say(sentence: str) -> None:
    with suppress(OSError, AttributeError):
        print(_said(sentence), end="", file=sys.stderr, flush=True)


def _said(sentence: str) -> str:
    from flowchat.transcript.clean import clean

    return f"flowchat: {clean(sentence)}\n"


# --- words -> command ------------------------------------------------------------------------------------------------
def parse(words: Sequence[str]) -> Command:
    """The command these words are. Raises UsageError; `--help` prints and raises SystemExit(0)."""
    words = [_readable(word) for word in words]
    if words[:1] == ["sessions"]:
        return _parse_sessions(words[1:])
    if words[:1] == ["run"]:
        words[0] = "--print"
    end = words.index("--") if "--" in words else len(words)
    said = vars(_chat_parser().parse_intermixed_args(words[:end]))
    if said["version"]:
        return Version()
    _check_together(said)
    headless = None
    if said["print"]:
        headless = Headless(said["output_format"] or "text", said["max_steps"], tuple(said["allow"]))
    return Chat(
        folder=said["cwd"] or _folder("."),
        prompt=" ".join([*said["prompt"], *words[end + 1 :]]),
        newest=said["continue"],
        resume=said["resume"],
        saved=not said["no_session"],
        model=said["model"],
        mode=said["permission_mode"] or ("bypass" if said["yolo"] else None),
        headless=headless,
    )


def _check_together(said: dict[str, object]) -> None:
    """Refuse flags that contradict each other or would go unheard."""
    if said["continue"] and said["resume"] is not None:
        raise UsageError("-c and -r each name a session: use one of them")
    if said["no_session"] and (said["continue"] or said["resume"] is not None):
        raise UsageError("--no-session keeps nothing, so there is nothing to continue with -c or -r: leave one of them out")
    if said["yolo"] and said["permission_mode"] not in (None, "bypass"):
        raise UsageError(f"--yolo is --permission-mode bypass, not {said['permission_mode']}: use one of them")
    if not said["print"]:
        for flag in ("output_format", "max_steps", "allow"):
            if said[flag]:
                raise UsageError(f"--{flag.replace('_', '-')} goes with -p: add it, or leave the flag out")
    elif said["resume"] == PICK:
        raise UsageError("-r with -p needs the id or the title of a session: `flowchat sessions list` shows them")


def _chat_parser() -> "_Parser":
    parser = _Parser(
        prog="flowchat",
        description="A terminal chat for developers. Without -p it opens the screen; with -p it prints one answer.",
        epilog="flowchat sessions list | show ID | path ID   [--json]      the sessions that are kept\n"
        "flowchat run [PROMPT]                                  the same as flowchat -p [PROMPT]\n\n"
        "Exit codes of -p: 0 completed, 1 error, 2 usage, 53 step limit, 130/143/129 signals.",
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("prompt", nargs="*", metavar="PROMPT", help="the first message")
    add("-m", "--model", type=_words, metavar="MODEL", help="a litellm model name or demo; else FLOWCHAT_MODEL, then the setting")
    add("-c", "--continue", action="store_true", help="go on with the newest session of this folder")
    add("-r", "--resume", nargs="?", const=PICK, metavar="ID|TITLE", help="go on with that session; without a value, pick one")
    add("-C", "--cwd", type=_folder, metavar="DIR", help="work in DIR")
    add("--no-session", action="store_true", help="keep nothing on disk")
    add("--permission-mode", type=_mode, metavar="MODE", help="default, accept-edits, plan or bypass")
    add("--yolo", action="store_true", help="--permission-mode bypass: no call asks")
    add("-p", "--print", action="store_true", help="print the answer and leave; what is not allowed is denied")
    add("--output-format", type=_output_format, metavar="FORMAT", help="with -p: text (default), json or stream-json")
    add("--max-steps", "--max-turns", type=_steps, metavar="N", help="with -p: stop after N steps")
    add("--allow", action="append", default=[], type=_words, metavar="RULE",
        help="with -p, repeatable: a tool name, TOOL(path glob) or shell(exact command)")  # fmt: skip
    add("--version", action="store_true", help="print the version")
    return parser


def _parse_sessions(words: list[str]) -> Sessions:
    parser = _Parser(prog="flowchat sessions", description="Look at the sessions that are kept.", allow_abbrev=False)
    parser.add_argument("action", choices=("list", "show", "path"))
    parser.add_argument("wanted", nargs="?", default="", metavar="ID", help="an id, the start of one, or a title")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    said = parser.parse_intermixed_args(words)
    if said.action == "list" and said.wanted:
        raise UsageError(f"`sessions list` takes no id, and {said.wanted!r} was given: use `sessions show {said.wanted}`")
    if said.action != "list" and not said.wanted:
        raise UsageError(f"`sessions {said.action}` needs the id of a session: `flowchat sessions list` shows them")
    return Sessions(said.action, said.wanted, said.json)


class _Parser(ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; `{self.prog} --help` shows what there is, and a prompt that begins with - goes behind --")


def _readable(word: str) -> str:
    """An argument as Unicode: bytes that are none become U+FFFD."""
    return word.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _words(value: str) -> str:
    if not value.strip():
        raise ArgumentTypeError("it is empty")
    return value


def _folder(value: str) -> Path:
    folder = Path(value).expanduser()
    if not folder.is_dir():
        raise ArgumentTypeError(f"{value!r} is no folder: name one that exists")
    return folder.resolve()


def _mode(value: str) -> "Mode":
    from flowchat.config import MODE_ALIASES
    from flowchat.transcript.entries import Mode

    mode = MODE_ALIASES.get(value, value)
    if mode == "auto":
        raise ArgumentTypeError("'auto' comes with the sandbox: until then use default, accept-edits, plan or bypass")
    if mode not in get_args(Mode):
        raise ArgumentTypeError(f"{value!r} is no permission mode: use default, accept-edits, plan or bypass")
    return cast(Mode, mode)


def _output_format(value: str) -> "OutputFormat":
    from flowchat.serve.stream import OutputFormat

    if value not in get_args(OutputFormat):
        raise ArgumentTypeError(f"{value!r} is no output format: use text, json or stream-json")
    return cast(OutputFormat, value)


def _steps(value: str) -> int:
    if not (value.isascii() and value.isdecimal() and len(value) <= 9 and int(value) > 0):
        raise ArgumentTypeError(f"{value!r} is no number of steps: use a whole number from 1")
    return int(value)
