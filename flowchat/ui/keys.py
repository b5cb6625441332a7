"""The key map: which keys ask for which act, where; and the escape delay, set before textual is imported."""

import os

from msgspec import Struct

ESCAPE_SECONDS = 0.025
"""Until a lone escape byte is the Escape key."""
os.environ["ESCDELAY"] = str(int(ESCAPE_SECONDS * 1000))  # textual reads both once, when it is imported
os.environ["TEXTUAL_FPS"] = "120"  # a key struck just after a streamed frame waits for the next: 17 ms at textual's own 60

ESCAPE_TWICE_SECONDS = 0.5
"""Two Escapes within this open the message picker."""
LEAVE_TWICE_SECONDS = 2.0
"""Two Ctrl+C within this leave."""


class Key(Struct, frozen=True):
    """`keys` in textual's names, the first is the one hints show; `help` empty: not worth a line in the help."""

    act: str
    keys: tuple[str, ...]
    help: str = ""


CHAT: tuple[Key, ...] = (
    Key("submit", ("enter",), "Send, or queue during a run. On an empty line: send the first queued message"),
    Key("newline", ("ctrl+j", "shift+enter", "alt+enter"), "New line; also \\ and Enter"),
    Key("escape", ("escape",), "Stop the run. Twice, on an empty line: edit an earlier message"),
    Key("cancel", ("ctrl+c",), "Clear the text, or stop the run; twice when idle: leave"),
    Key("take_back", ("ctrl+u",), "On an empty line: take back the message that got no answer"),
    Key("leave", ("ctrl+d",), "On an empty line: leave"),
    Key("suspend", ("ctrl+z",), "Suspend to the shell; fg comes back"),
    Key("cycle_mode", ("shift+tab",), "Permission mode: default, accept-edits, plan, auto (in a full sandbox)"),
    Key("queue", ("alt+up",), "Edit the queue"),
    Key("fold", ("ctrl+o",), "Fold or unfold calls and thoughts"),
    Key("todo", ("ctrl+t",), "Unfold the todo list, or fold it again"),
    Key("find", ("f3", "alt+slash"), "Find in the conversation"),
    Key("page_up", ("pageup", "ctrl+pageup"), "Scroll the conversation up"),
    Key("page_down", ("pagedown", "ctrl+pagedown"), "Scroll the conversation down"),
    Key("end", ("ctrl+end",), "Follow the end again"),
    Key("blocks", ("ctrl+up",), "Move into the conversation; Esc or typing comes back"),
    Key("mouse", ("alt+m",), "Leave the mouse to the terminal, or take it back"),
    Key("history", ("ctrl+r",), "Search what you wrote in all sessions"),
    Key("editor", ("ctrl+g",), "Write on in your editor ($VISUAL, $EDITOR)"),
    Key("redraw", ("ctrl+l",), "Redraw"),
    Key("model", ("f2",), "Choose the model; enter an API key"),
    Key("trust", ("f4",), "What in this folder waits for your trust"),
    Key("save", ("ctrl+s", "alt+s"), "While editing a message: save it in place"),
    Key("menu", ("f1", "ctrl+p", "alt+x"), "All commands and actions with their keys; again: the help"),
    Key("help", (), "Every key and command on one page"),
)

COMPOSER: tuple[Key, ...] = (
    Key("delete_left", ("backspace", "ctrl+h", "shift+backspace")),
    Key("delete_right", ("delete",)),
    Key("kill_word_left", ("ctrl+w", "alt+backspace", "ctrl+backspace"), "Delete the previous word"),
    Key("kill_word_right", ("alt+d", "ctrl+delete"), "Delete the next word"),
    Key("kill_to_line_end", ("ctrl+k",), "Delete to the end of the line"),
    Key("kill_to_line_start", ("ctrl+u",), "Delete to the start of the line"),
    Key("yank", ("ctrl+y",), "Paste what was deleted"),
    Key("yank_earlier", ("alt+y",), "Right after that: what was deleted before"),
    Key("transpose", ("alt+t",), "Swap the two characters around the caret"),
    Key("open_paste", ("ctrl+o",), "At a folded paste: open it"),
    Key("undo", ("ctrl+underscore", "ctrl+slash", "alt+z"), "Undo"),
    Key("redo", ("alt+shift+z", "ctrl+shift+underscore"), "Redo"),
    Key("move_left", ("left", "ctrl+b")),
    Key("move_right", ("right", "ctrl+f")),
    Key("move_word_left", ("ctrl+left", "alt+left", "alt+b"), "Previous word"),
    Key("move_word_right", ("ctrl+right", "alt+right", "alt+f"), "Next word"),
    Key("move_line_start", ("home", "ctrl+a")),
    Key("move_line_end", ("end", "ctrl+e")),
    Key("move_start", ("ctrl+home", "alt+less_than_sign")),
    Key("move_end", ("alt+greater_than_sign",)),
    Key("up", ("up",), "On the first line: earlier messages"),
    Key("down", ("down", "ctrl+n"), "On the last line: later messages"),
    Key("complete", ("tab",), "Accept the completion"),
)

PANE: tuple[Key, ...] = (
    Key("row_up", ("up",), "Scroll up"),
    Key("row_down", ("down",), "Scroll down"),
    Key("page_up", ("pageup", "ctrl+pageup"), "A page up"),
    Key("page_down", ("pagedown", "ctrl+pagedown"), "A page down"),
    Key("start", ("home",), "Start of the conversation"),
    Key("end", ("end", "ctrl+end"), "End of the conversation; follow it"),
    Key("next_block", ("j",), "Next block"),
    Key("previous_block", ("k",), "Previous block"),
    Key("next_message", ("right_square_bracket",), "Your next message"),
    Key("previous_message", ("left_square_bracket",), "Your previous message"),
    Key("fold", ("enter", "space", "o"), "Fold or unfold the chosen block"),
    Key("fold_all", ("ctrl+o",), "Fold or unfold calls and thoughts"),
    Key("next_error", ("e",), "Next error"),
    Key("previous_error", ("E",), "Previous error"),
    Key("find", ("slash", "ctrl+f"), "Find"),
    Key("next_match", ("n",), "Next match"),
    Key("previous_match", ("N",), "Previous match"),
    Key("undo", ("u",), "On the line of a compaction: have its messages read in full again"),
    Key("copy", ("y",), "Copy the chosen block as it was written"),
    Key("copy_code", ("c",), "Copy the code here or nearest above; again: the next of it"),
    Key("copy_answer", ("Y",), "Copy the last answer"),
)

FIND: tuple[Key, ...] = (
    Key("keep", ("enter",), "Stay at this match"),
    Key("next", ("down", "f3", "ctrl+n"), "Next match"),
    Key("previous", ("up", "shift+f3"), "Previous match"),
    Key("delete", ("backspace", "ctrl+h", "shift+backspace")),
    Key("delete_word", ("ctrl+w", "alt+backspace", "ctrl+backspace")),
    Key("delete_all", ("ctrl+u",)),
    Key("close", ("escape", "ctrl+c"), "Back to where you were"),
)

LIST: tuple[Key, ...] = (
    Key("up", ("up", "ctrl+p"), "Up"),
    Key("down", ("down", "ctrl+n"), "Down"),
    Key("page_up", ("pageup",), "A page up"),
    Key("page_down", ("pagedown",), "A page down"),
    Key("first", ("home",), "The first"),
    Key("last", ("end",), "The last"),
    Key("choose", ("enter",), "Choose"),
    Key("close", ("escape", "ctrl+c"), "Close"),
)

MENU: tuple[Key, ...] = (Key("write", ("tab",), "Write the command into the composer, to be completed there"),)

MODELS: tuple[Key, ...] = (
    Key("copy", ("y",), "On a line that installs a model: copy it"),
    Key("again", ("ctrl+r",), "Look again for model servers on this machine"),
    Key("key", ("alt+k",), "Enter an API key"),
    Key("keep", ("alt+s", "ctrl+s"), "Keep the model without a test call"),
)

SESSIONS: tuple[Key, ...] = (
    Key("everywhere", ("tab",), "This directory or all"),
    Key("rename", ("f2", "ctrl+r"), "Rename it"),
    Key("trash", ("delete", "ctrl+d"), "Move it to the trash"),
    Key("undo", ("alt+z", "ctrl+underscore"), "Put back what was trashed last"),
)

PERMISSIONS: tuple[Key, ...] = (
    Key("add", ("n", "insert"), "Write a rule"),
    Key("remove", ("d", "delete"), "Take it out of its file"),
    Key("effect", ("tab",), "While writing one: allow, ask or deny"),
    Key("place", ("shift+tab",), "While writing one: into another file"),
)

CONTEXT: tuple[Key, ...] = (
    Key("exclude", ("x", "delete"), "Leave the item out of requests and recall; a call goes with its answer"),
    Key("pin", ("p",), "Keep it through compactions"),
    Key("prune", ("u",), "Cut a call's output to one line"),
    Key("restore", ("r",), "Have it as it was"),
    Key("undo", ("z", "alt+z"), "Take the last change back"),
    Key("keys", ("question_mark", "f1"), "On a low screen: all of these keys"),
)

MESSAGES: tuple[Key, ...] = (Key("branch", ("b",), "Go to the next branch at this message"),)

FOLD: tuple[Key, ...] = (
    Key("edit", ("e",), "Write on in the summary"),
    Key(
        "pin",
        ("p",),
        "Pin a line: it stays word for word in every later summary. Below: drop what is chosen, or keep it",
    ),
    Key("score", ("s",), "Ask what the summary still tells; then: the questions"),
)

JOBS: tuple[Key, ...] = (Key("end", ("k",), "End the chosen job"),)

SKILLS: tuple[Key, ...] = (
    Key("switch", ("space", "t"), "Turn the skill on or off"),
    Key("reload", ("r", "ctrl+r"), "Look again"),
)

QUEUE: tuple[Key, ...] = (
    Key("up", ("up",), "Up"),
    Key("down", ("down",), "Down"),
    Key("edit", ("enter", "e"), "Take it back into the composer"),
    Key("delete", ("d", "delete", "backspace"), "Drop it"),
    Key("move_up", ("shift+up", "K"), "Move it up"),
    Key("move_down", ("shift+down", "J"), "Move it down"),
    Key("promote", ("p",), "Send it now"),
    Key("hold", ("h",), "Hold the queue, or let it go on"),
    Key("close", ("escape", "ctrl+c", "alt+down"), "Back to the composer"),
)

TRUST: tuple[Key, ...] = (
    Key("trust", ("t",), "Trust the folder, and approve what is shown"),
    Key("forget", ("r",), "Trust it no longer"),
)

READING: tuple[Key, ...] = (Key("fork", ("f",), "Go on in a copy, when nothing is written"),)

APPROVAL: tuple[Key, ...] = (
    Key("once", ("y",), "Allow it this once"),
    Key("session", ("s",), "Allow it, and what the question names, for this session"),
    Key("always", ("a",), "Always allow it: shows the rule first, and where to keep it"),
    Key("local", ("p",), "After that: keep the rule for this project"),
    Key("user", ("u",), "After that: keep the rule for all projects"),
    Key("deny", ("n",), "Deny it"),
    Key("because", ("tab",), "Deny it and say why"),
    Key("stop", ("escape",), "Stop the run"),
    Key("up", ("up",), "Scroll"),
    Key("down", ("down",)),
    Key("first", ("home",)),
    Key("last", ("end",)),
)

CONTEXTS: dict[str, tuple[Key, ...]] = {
    "chat": CHAT,
    "composer": COMPOSER,
    "conversation": PANE,
    "find": FIND,
    "queue": QUEUE,
    "approval": APPROVAL,
    "reading": READING,
    "list": LIST,
    "menu": MENU,
    "models": MODELS,
    "sessions": SESSIONS,
    "messages": MESSAGES,
    "context": CONTEXT,
    "permissions": PERMISSIONS,
    "jobs": JOBS,
    "skills": SKILLS,
    "fold": FOLD,
    "trust": TRUST,
}
"""Where keys mean something. What a part of the chat has no use for goes on to the chat."""
PLACES: dict[str, str] = {
    "chat": "anywhere in the chat",
    "composer": "while writing",
    "conversation": "in the conversation",
    "find": "while searching",
    "queue": "in the queue",
    "approval": "when asked",
    "reading": "in a read-only session",
    "list": "in lists",
    "menu": "among the commands",
    "models": "among the models",
    "sessions": "among the sessions",
    "messages": "among earlier messages",
    "context": "in the context map",
    "permissions": "among the rules",
    "jobs": "among the jobs",
    "skills": "among the skills",
    "fold": "before a compaction",
    "trust": "at what waits for trust",
}
"""What each context is called in sentences."""
INSIDE_CHAT = ("composer", "conversation", "find", "queue", "approval")
WRITING = ("chat", "composer", "find", "menu", "sessions")
"""Where a letter is written: it cannot be bound there."""
RESERVED = ("escape", "ctrl+c")
"""Keys that cannot be bound or taken away: a way out always stays."""


class Twice:
    """Tells when the same thing is asked twice within so many seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._at = seconds, float("-inf")

    def again(self, at: float) -> bool:
        """Asked at a moment in seconds: whether this is the second time, which a third is then not."""
        is_again = at - self._at <= self._seconds
        self._at = float("-inf") if is_again else at
        return is_again
