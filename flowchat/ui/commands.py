"""ONE table of slash commands: what they are called, what they take, and what they ask for."""

from difflib import get_close_matches

from msgspec import Struct


class Command(Struct, frozen=True):
    """One row; what it does is the row of its name in command_acts.py.

    `argument` is a hint in the form people know, `[optional]`; empty: it takes none. `words`: all it takes. `one_word`: no
    spaces in it. `once`: it is not begun again while it is carried out. `brief`: the keys typed after it wait for it.
    """

    name: str
    help: str
    argument: str = ""
    aliases: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    one_word: bool = False
    once: bool = False
    brief: bool = True


COMMANDS: tuple[Command, ...] = (
    Command("help", "Keys and commands"),
    Command("new", "Start a new session; this one is kept", aliases=("clear",), once=True),
    Command("resume", "Resume an earlier session", "[id or title]", ("sessions", "continue"), once=True),
    Command("rename", "Give this session a title", "TITLE", ("title", "name")),
    Command("model", "Choose the model; with a name, for this session from the next run on", "[name]", one_word=True),
    Command(
        "compact",
        "Fold the conversation into a summary, shown first; /compact undo, redo",
        "[instructions]",
        ("summarize", "compress"),
        once=True,
        brief=False,
    ),
    Command("handoff", "Start a new session from a summary of this one", "[instructions]", once=True, brief=False),
    Command("edit", "Edit an earlier message; the last is -1", "[n]", one_word=True),
    Command("context", "What the next request holds, item by item; raw shows its full text", "[raw]", words=("raw",)),
    Command("retry", "Try again after a failure or an interrupt", once=True),
    Command("copy", "Copy an answer as written; the last is 1", "[n]"),
    Command("export", "Write this session to a markdown file", "[file]", once=True, brief=False),
    Command("mouse", "Leave the mouse to the terminal, or take it back", "[on or off]", words=("on", "off")),
    Command("editor", "Write a message in your editor ($VISUAL, $EDITOR)"),
    Command("queue", "Edit, reorder or drop queued messages"),
    Command("todo", "Unfold the todo list above the composer, or fold it again"),
    Command("jobs", "Programs that run in the background: look at one, or end it"),
    Command("fork", "Continue in a copy; this session stays as it is", once=True),
    Command("theme", "Choose the colours", "[name]", one_word=True),
    Command("cost", "Tokens and cost of this session, by day, run and step"),
    Command("cache", "What came from the provider's cache, and why not more"),
    Command("trust", "What in this folder waits for your trust; trust it, or no longer", once=True),
    Command("status", "Session, model, context, files and versions on one page"),
    Command("doctor", "Check this installation; the page can go into a bug report"),
    Command("permissions", "Which calls run, ask or are denied: read, write and take out rules", aliases=("allowed-tools",)),
    Command("skills", "Instructions for certain tasks: read them, turn one on or off"),
    Command("skill", "Send a message with a skill, as $NAME in it does; also /skill:NAME", "NAME [words]"),
    Command("keys", "Every key, where it comes from, and what a key you press does"),
    Command("quit", "Leave; the session can be resumed", aliases=("exit", "q")),
)
_BY_NAME = {name: command for command in COMMANDS for name in (command.name, *command.aliases)}
_SKILL = "skill:"
_BARE_QUITS = ("q", ":q")


class Typed(Struct, frozen=True):
    """A command as it was written, `argument` without the spaces around it."""

    command: Command
    argument: str = ""


class UnknownCommand(Struct, frozen=True):
    """Something that looks like a command and is none; `sentence` says so, and what comes near."""

    sentence: str


def named(name: str) -> Command:
    return _BY_NAME[name]


def read_command(text: str) -> Typed | UnknownCommand | None:
    """What a submitted text commands; None: it is a message.

    `/word` alone is always meant as a command; with more after it only a known name, or one a slip away from it, is:
    `/usr/bin is missing` and `/tmp holds it` are messages.
    """
    if text.strip() in _BARE_QUITS:
        return Typed(_BY_NAME["quit"])
    if not text.startswith("/") or text[1:2].isspace():
        return None
    word, *rest = text[1:].split(maxsplit=1) or [""]
    if word.startswith(_SKILL):
        word, rest = "skill", [" ".join((word.removeprefix(_SKILL), *rest))]
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
        return UnknownCommand(f"/{command.name} takes no argument.")
    if argument and command.words and argument not in command.words:
        return UnknownCommand(f"/{command.name} takes no argument, or {' or '.join(command.words)}.")
    if command.one_word and len(argument.split()) > 1:
        return UnknownCommand(f"/{command.name} takes one word, not several.")
    return Typed(command, argument)
