"""The command line, parsed into one command."""

from argparse import RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from flowchat import __version__
from flowchat.argument_parser import Parser
from flowchat.argument_values import (
    HERE,
    existing_folder,
    export_format,
    file_name,
    further_folder,
    model_name,
    output_format,
    permission_mode,
    step_count,
)
from flowchat.argument_values import here as here
from flowchat.errors import UsageError

if TYPE_CHECKING:
    from flowchat.serve.stream import OutputFormat
    from flowchat.transcript.entries import Mode

STDOUT = "-"
"""What a file is called that is none, as other programs have it."""
PICK = ""
"""The value of `-r` without one: the user picks in the resume screen."""


class Headless(NamedTuple):
    """What `-p` adds: how to print, after how many steps to stop (None: the setting)."""

    output_format: "OutputFormat" = "text"
    max_steps: int | None = None


class Given(NamedTuple):
    """Rules as written that hold besides those of the files, and folders that count as in the workspace."""

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    more: tuple[Path, ...] = ()


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
    given: Given = Given()


class Sessions(NamedTuple):
    """`flowchat sessions list`, `show ID`, `path ID`, `delete ID`, `export ID`; `output` empty: stdout."""

    action: Literal["list", "show", "path", "delete", "export"]
    wanted: str = ""
    as_json: bool = False
    sizes: bool = False
    output: str = ""
    force: bool = False
    everything: bool = False


class Trash(NamedTuple):
    """`flowchat trash list`, `restore ID`, `empty`; `sure`: nothing is asked."""

    action: Literal["list", "restore", "empty"]
    wanted: str = ""
    as_json: bool = False
    sure: bool = False


class Models(NamedTuple):
    """`flowchat models [PROVIDER]`: what could answer here, or what is known of a provider's models."""

    provider: str = ""
    as_json: bool = False


class Config(NamedTuple):
    """`flowchat config path`, `show`, `set KEY VALUE`, `set-key PROVIDER`, `forget-key PROVIDER`; `what` is KEY or PROVIDER."""

    action: Literal["path", "show", "set", "set-key", "forget-key"]
    what: str = ""
    value: str = ""
    as_json: bool = False


class Doctor(NamedTuple):
    """`flowchat doctor`; with `asks` the model is called once."""

    asks: bool = False
    as_json: bool = False


class Trusting(NamedTuple):
    """`flowchat trust`, `trust list`, `trust add [DIR]`, `trust remove [DIR]`; `folder` may be gone; `sure`: nothing is asked."""

    action: Literal["show", "list", "add", "remove"]
    folder: Path
    as_json: bool = False
    sure: bool = False


class Policy(NamedTuple):
    """`flowchat policy list`, `explain COMMAND`, `explain TOOL PATH`; `tool` empty: `subject` is a command."""

    action: Literal["list", "explain"]
    subject: str = ""
    tool: str = ""
    mode: "Mode | None" = None
    as_json: bool = False
    folder: Path | None = None
    given: Given = Given()


class Page(NamedTuple):
    """Something to read, as `--version` and `--help` ask for; it ends with a newline."""

    text: str


Command: TypeAlias = Chat | Sessions | Trash | Models | Config | Doctor | Trusting | Policy | Page


def parse(words: Sequence[str]) -> Command:
    """The command these words are. Raises UsageError."""
    words = [_readable(word) for word in words]
    if words[:1] == ["sessions"]:
        return _parse_sessions(words[1:])
    if words[:1] == ["trash"]:
        return _parse_trash(words[1:])
    if words[:1] == ["models"]:
        return _parse_models(words[1:])
    if words[:1] == ["config"]:
        return _parse_config(words[1:])
    if words[:1] == ["doctor"]:
        return _parse_doctor(words[1:])
    if words[:1] == ["trust"]:
        return _parse_trusting(words[1:])
    if words[:1] == ["policy"]:
        return _parse_policy(words[1:])
    if words[:1] == ["run"]:
        words[0] = "--print"
    end = words.index("--") if "--" in words else len(words)
    parser = _chat_parser()
    said = vars(parser.parse_intermixed_args(words[:end]))
    if said["help"]:
        return Page(parser.format_help())
    if said["version"]:
        return Page(f"flowchat {__version__}\n")
    _check_together(said)
    headless = None
    if said["print"]:
        headless = Headless(said["output_format"] or "text", said["max_steps"])
    return Chat(
        folder=said["cwd"] or here(),
        prompt=" ".join([*said["prompt"], *words[end + 1 :]]),
        newest=said["continue"],
        resume=said["resume"],
        saved=not said["no_session"],
        model=said["model"],
        mode=said["permission_mode"] or ("bypass" if said["yolo"] else None),
        headless=headless,
        given=Given(tuple(said["allow"]), tuple(said["deny"]), tuple(said["add_dir"])),
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
        for flag in ("output_format", "max_steps"):
            if said[flag]:
                raise UsageError(f"--{flag.replace('_', '-')} goes with -p: add it, or leave the flag out")
    elif said["resume"] == PICK:
        raise UsageError("-r with -p needs the id or the title of a session: `flowchat sessions list` shows them")


def _chat_parser() -> "Parser":
    parser = Parser(
        prog="flowchat",
        description="A terminal chat for developers. Without -p it opens the screen; with -p it prints one answer.",
        epilog="flowchat sessions list | show ID | path ID   [--json]      saved sessions\n"
        "flowchat sessions export ID | delete ID                to Markdown or JSON; to the trash\n"
        "flowchat trash list | restore ID | empty   [--json]    sessions that were deleted\n"
        "flowchat models [PROVIDER]   [--json]                  the models that could answer here, or those of a provider\n"
        "flowchat config path | show | set KEY VALUE   [--json] the settings\n"
        "flowchat config set-key | forget-key PROVIDER          an API key, read from stdin or a hidden prompt\n"
        "flowchat doctor [--probe] [--json]                     what is here and what is wrong, for a bug report\n"
        "flowchat trust [list | add DIR | remove DIR] [--json]  the folders whose settings and rules count\n"
        "flowchat policy list | explain COMMAND | explain TOOL PATH   [--json]   the rules; what decides, and why\n"
        "flowchat run [PROMPT]                                  the same as flowchat -p [PROMPT]\n\n"
        "Exit codes of -p: 0 completed, 1 error, 2 usage, 53 step limit, 130/143/129 signals.",
        formatter_class=RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("prompt", nargs="*", metavar="PROMPT", help="the first message")
    add("-m", "--model", type=model_name, metavar="MODEL",
        help="a litellm model name or demo; else FLOWCHAT_MODEL, then the setting")  # fmt: skip
    add("-c", "--continue", action="store_true", help="continue the newest session of this folder")
    add("-r", "--resume", nargs="?", const=PICK, metavar="ID|TITLE", help="resume that session; without a value, pick one")
    add("-C", "--cwd", type=existing_folder, metavar="DIR", help="work in DIR")
    add("--no-session", action="store_true", help="keep nothing on disk")
    add("--permission-mode", type=permission_mode, metavar="MODE", help="default, accept-edits, plan, auto or bypass")
    add("--yolo", action="store_true", help="--permission-mode bypass: asks only where a rule says ask")
    add("-p", "--print", action="store_true", help="print the answer and exit; what is not allowed is denied")
    add("--output-format", type=output_format, metavar="FORMAT", help="with -p: text (default), json or stream-json")
    add("--max-steps", "--max-turns", type=step_count, metavar="N", help="with -p: stop after N steps")
    _add_rules(parser)
    add("--version", action="store_true", help="print the version")
    return parser


def _add_rules(parser: "Parser") -> None:
    add = parser.add_argument
    add("--allow", action="append", default=[], metavar="RULE",
        help="repeatable: TOOL, TOOL(path glob), shell(exact command) or shell(program words:*)")  # fmt: skip
    add("--deny", action="append", default=[], metavar="RULE", help="repeatable: the same, never allowed")
    add("--add-dir", action="append", default=[], type=further_folder, metavar="DIR",
        help="repeatable: DIR counts as in the folder")  # fmt: skip


_SESSIONS = ("list", "show", "path", "delete", "export")


def _parse_sessions(words: list[str]) -> Sessions | Page:
    parser = Parser(prog="flowchat sessions", description="Saved sessions.")
    add = parser.add_argument
    add("action", nargs="?", metavar="|".join(_SESSIONS), help="list all; show one, print its folder, trash it, write it out")
    add("wanted", nargs="?", default="", metavar="ID", help="an id, the start of an id, or a title")
    add("--json", action="store_true", help="one JSON object a line; with export: --format json")
    add("--size", action="store_true", help="with list: the bytes of logs and blobs, the largest first")
    add("--format", type=export_format, metavar="FORMAT", help="with export: markdown (default) or json")
    add("-o", "--output", type=file_name, metavar="FILE", help="with export: write FILE, not stdout")
    add("--force", action="store_true", help="with -o: replace FILE where it is there")
    add("--all", action="store_true", help="with export: every branch, not only the one the session is on")
    said = parser.parse_intermixed_args(words)
    if said.help:
        return Page(parser.format_help())
    if said.action not in _SESSIONS:
        asked = "nothing" if said.action is None else repr(said.action)
        raise UsageError(f"`flowchat sessions` takes list, show ID, path ID, delete ID or export ID, not {asked}")
    if said.action == "list" and said.wanted:
        raise UsageError(f"`sessions list` takes no id, and {said.wanted!r} was given: use `sessions show {said.wanted}`")
    if said.action != "list" and not said.wanted:
        raise UsageError(f"`sessions {said.action}` needs the id of a session: `flowchat sessions list` shows them")
    for action, flags in (("list", ("size",)), ("export", ("format", "output", "force", "all"))):
        for flag in flags:
            if said.action != action and getattr(said, flag):
                raise UsageError(f"--{flag} goes with `sessions {action}`: leave it out")
    if said.force and not said.output:
        raise UsageError("--force goes with -o FILE: name the file to replace")
    if said.json and said.format == "markdown":
        raise UsageError("--json is --format json, not markdown: use one of them")
    as_json = said.json or said.format == "json"
    output = "" if said.output in (None, STDOUT) else said.output
    return Sessions(said.action, said.wanted, as_json, said.size, output, said.force, said.all)


_TRASH = ("list", "restore", "empty")


def _parse_trash(words: list[str]) -> Trash | Page:
    parser = Parser(prog="flowchat trash", description="Deleted sessions; they stay until the trash is emptied.")
    add = parser.add_argument
    add("action", nargs="?", metavar="|".join(_TRASH), help="list all, put one back, or delete all for good")
    add("wanted", nargs="?", default="", metavar="ID", help="with restore: an id, the start of an id, or a title")
    add("--json", action="store_true", help="one JSON object a line")
    add("--yes", action="store_true", help="with empty: do not ask")
    said = parser.parse_intermixed_args(words)
    if said.help:
        return Page(parser.format_help())
    if said.action not in _TRASH:
        asked = "nothing" if said.action is None else repr(said.action)
        raise UsageError(f"`flowchat trash` takes list, restore ID or empty, not {asked}")
    if said.action == "restore" and not said.wanted:
        raise UsageError("`trash restore` needs the id of a session: `flowchat trash list` shows them")
    if said.action != "restore" and said.wanted:
        raise UsageError(f"`trash {said.action}` takes no id, and {said.wanted!r} was given: leave it out")
    if said.yes and said.action != "empty":
        raise UsageError("--yes goes with `trash empty`: leave it out")
    return Trash(said.action, said.wanted, said.json, said.yes)


def _parse_models(words: list[str]) -> Models | Page:
    parser = Parser(prog="flowchat models", description="What could answer here: models on this machine, keys, the demo.")
    parser.add_argument("provider", nargs="?", default="", metavar="PROVIDER", help="the models litellm's table has of it")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    said = parser.parse_intermixed_args(words)
    return Page(parser.format_help()) if said.help else Models(said.provider, said.json)


_CONFIG = {"path": 0, "show": 0, "set": 2, "set-key": 1, "forget-key": 1}
"""What `flowchat config` is followed by, and how many words belong to it."""


def _parse_config(words: list[str]) -> Config | Page:
    parser = Parser(prog="flowchat config", description="The settings, and the API keys flowchat keeps.")
    parser.add_argument("action", nargs="?", metavar="path|show|set|set-key|forget-key",
        help="where the settings are, what counts, change one; keep an API key, let go of it")  # fmt: skip
    parser.add_argument("words", nargs="*", metavar="KEY VALUE | PROVIDER", help="such as `theme light`, or `openai`")
    parser.add_argument("--json", action="store_true", help="with path and show: one JSON object a line")
    said = parser.parse_intermixed_args(words)
    if said.help:
        return Page(parser.format_help())
    if said.action not in _CONFIG:
        asked = "nothing" if said.action is None else repr(said.action)
        raise UsageError(
            f"`flowchat config` is followed by path, show, set KEY VALUE, set-key PROVIDER or forget-key PROVIDER, not by {asked}"
        )
    if len(said.words) != _CONFIG[said.action]:
        takes = ("nothing more", "the name of a provider and nothing more", "a KEY and a VALUE")[_CONFIG[said.action]]
        raise UsageError(f"`flowchat config {said.action}` takes {takes}; `flowchat config --help` lists the options")
    if said.json and said.action not in ("path", "show"):
        raise UsageError(f"--json goes with `config path` and `config show`, not with `config {said.action}`: leave it out")
    return Config(said.action, *said.words, as_json=said.json)


def _parse_doctor(words: list[str]) -> Doctor | Page:
    parser = Parser(prog="flowchat doctor", description="What is here and what is wrong. No key is in it; 1 where something is.")
    parser.add_argument("--probe", action="store_true", help="call the model once")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    said = parser.parse_intermixed_args(words)
    return Page(parser.format_help()) if said.help else Doctor(said.probe, said.json)


_TRUSTING = ("list", "add", "remove")


def _parse_trusting(words: list[str]) -> Trusting | Page:
    parser = Parser(prog="flowchat trust", description="Whether this folder is trusted, and what in it waits for that.")
    add = parser.add_argument
    add("action", nargs="?", metavar="|".join(_TRUSTING), help="all trusted folders; trust one, trust one no longer")
    add("folder", nargs="?", default=HERE, metavar="DIR", help="with add and remove: a folder, else the current one")
    add("--json", action="store_true", help="one JSON object a line")
    add("--yes", action="store_true", help="with add: do not ask")
    said = parser.parse_intermixed_args(words)
    if said.help:
        return Page(parser.format_help())
    if said.action not in (None, *_TRUSTING):
        raise UsageError(f"`flowchat trust` takes list, add DIR or remove DIR, not {said.action!r}")
    if said.action in (None, "list") and said.folder != HERE:
        raise UsageError(f"`trust list` takes no folder, and {said.folder!r} was given: leave it out")
    if said.yes and said.action != "add":
        raise UsageError("--yes goes with `trust add`: leave it out")
    folder = Path(said.folder).expanduser() if said.action == "remove" and said.folder != HERE else existing_folder(said.folder)
    return Trusting(said.action or "show", folder, said.json, said.yes)


def _parse_policy(words: list[str]) -> Policy | Page:
    parser = Parser(prog="flowchat policy", description="The permission rules that hold here, and what they make of a call.")
    add = parser.add_argument
    add("action", nargs="?", metavar="list|explain", help="every rule with its file and line; what decides on a call, and why")
    add("words", nargs="*", metavar="COMMAND | TOOL PATH", help="with explain: one command in quotes, or a tool and a path")
    add("--permission-mode", type=permission_mode, metavar="MODE", help="as if in that mode")
    add("-C", "--cwd", type=existing_folder, metavar="DIR", help="as if in DIR")
    _add_rules(parser)
    add("--json", action="store_true", help="with list: one JSON object a line; with explain: one object")
    end = words.index("--") if "--" in words else len(words)
    said = parser.parse_intermixed_args(words[:end])
    if said.help:
        return Page(parser.format_help())
    given = Given(tuple(said.allow), tuple(said.deny), tuple(said.add_dir))
    about = [*said.words, *words[end + 1 :]]
    if said.action not in ("list", "explain"):
        asked = "nothing" if said.action is None else repr(said.action)
        raise UsageError(f"`flowchat policy` is followed by list, explain COMMAND or explain TOOL PATH, not by {asked}")
    if len(about) not in ((0,) if said.action == "list" else (1, 2)):
        takes = "nothing more" if said.action == "list" else "one command in quotes, or a tool and a path"
        raise UsageError(f"`flowchat policy {said.action}` takes {takes}")
    tool, subject = ("", "".join(about)) if len(about) < 2 else about
    return Policy(said.action, subject, tool, said.permission_mode, said.json, said.cwd, given)


def _readable(word: str) -> str:
    """An argument as Unicode: bytes that are none become U+FFFD."""
    return word.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
