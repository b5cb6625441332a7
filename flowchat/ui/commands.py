"""ONE table of slash commands: what they are called, what they take, and what they ask for."""

from difflib import get_close_matches
from enum import Enum, auto

from msgspec import Struct


class Act(Enum):
    """What a command asks the chat screen to do."""

    HELP = auto()
    NEW = auto()
    RESUME = auto()
    RENAME = auto()
    MODEL = auto()
    COMPACT = auto()
    EDIT = auto()
    CONTEXT = auto()
    RETRY = auto()
    QUEUE = auto()
    FORK = auto()
    THEME = auto()
    QUIT = auto()


class Command(Struct, frozen=True):
    """One row: `argument` is a hint in the form people know, `[optional]`; empty: it takes none. `words`: all it takes."""

    act: Act
    name: str
    help: str
    argument: str = ""
    aliases: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


COMMANDS: tuple[Command, ...] = (
    Command(Act.HELP, "help", "Keys and commands"),
    Command(Act.NEW, "new", "Begin a new session; this one is kept", aliases=("clear",)),
    Command(Act.RESUME, "resume", "Go on with an earlier session", "[id or title]", ("sessions", "continue")),
    Command(Act.RENAME, "rename", "Give this session a title", "TITLE", ("title", "name")),
    Command(Act.MODEL, "model", "Show or change the model of the next run", "[name]"),
    Command(Act.COMPACT, "compact", "Fold the conversation into a summary", "[instructions]", ("summarize", "compress")),
    Command(Act.EDIT, "edit", "Edit an earlier message; the last is -1", "[n]"),
    Command(Act.CONTEXT, "context", "What the next request weighs; raw shows it whole", "[raw]", words=("raw",)),
    Command(Act.RETRY, "retry", "Ask again after a failure or an interrupt"),
    Command(Act.QUEUE, "queue", "Edit, reorder or drop waiting messages"),
    Command(Act.FORK, "fork", "Go on in a copy; this session stays as it is"),
    Command(Act.THEME, "theme", "Change the colours", "[dark or light]"),
    Command(Act.QUIT, "quit", "Leave; the session can be resumed", aliases=("exit", "q")),
)
_BY_NAME = {name: command for command in COMMANDS for name in (command.name, *command.aliases)}
_BARE_QUITS = ("q", ":q")


class Typed(Struct, frozen=True):
    """A command as it was written, `argument` without the spaces around it."""

    command: Command
    argument: str = ""


class UnknownCommand(Struct, frozen=True):
    """Something that looks like a command and is none; `sentence` says so, and what comes near."""

    sentence: str


def read_command(text: str) -> Typed | UnknownCommand | None:
    """What a submitted text commands; None: it is a message.

    `/word` alone is always meant as a command; with more behind it only a known name, or one a slip away from it, is:
    `/usr/bin is missing` and `/tmp holds it` are messages.
    """
    if text.strip() in _BARE_QUITS:
        return Typed(_BY_NAME["quit"])
    if not text.startswith("/") or text[1:2].isspace():
        return None
    word, *rest = text[1:].split(maxsplit=1) or [""]
    name, argument = word.lower(), "".join(rest).strip()
    if command := _BY_NAME.get(name):
        return _checked(command, argument)
    nearest = get_close_matches(name, _BY_NAME, 1, cutoff=0.75 if argument else 0.6)
    if not name.isalpha() or (argument and not nearest):
        return None
    hint = f"the nearest is /{nearest[0]}" if nearest else "/help lists them"
    return UnknownCommand(f"There is no command /{name}; {hint}.")


def _checked(command: Command, argument: str) -> Typed | UnknownCommand:
    """What would be thrown away unread, perhaps a message, is not taken."""
    if argument and not command.argument:
        return UnknownCommand(f"/{command.name} takes nothing behind it.")
    if argument and command.words and argument not in command.words:
        return UnknownCommand(f"/{command.name} takes nothing, or {' or '.join(command.words)}.")
    return Typed(command, argument)
