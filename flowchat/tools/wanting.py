"""Programs that wanted a terminal or an answer and got neither: how such an end is recognised, and what to say of it."""

import re

END_BYTES = 4096
"""Of the end of the output that is looked at: such programs say so last."""
_TERMINAL = (
    r"not a (?:terminal|tty)\b|not from a terminal|not to a terminal|failed tty get|no tty present|a terminal is required"
    r"|must be (?:run from|connected to) a terminal|(?:cannot|can't|could not|failed to) open '?/dev/tty|/dev/tty: No such device"
    r"|Error opening terminal|inappropriate ioctl for device|requires an? (?:interactive )?(?:tty|terminal)"
)
_PASSWORD = (
    r"a password is required|password for .*:|(?:^|\s)password: ?$|Authentication token manipulation error"
    r"|no password supplied|terminal prompts disabled|Permission denied \(.*(?:password|keyboard-interactive)"
    r"|Host key verification failed|can't read (?:the )?(?:user|pass)"
)
_INPUT = r"EOFError|EOF when reading|unexpected end of (?:input|file) from stdin|stdin is not interactive"
_TALKERS = r"(?:\S*/)?(?:python[\d.]*|ipython|node|irb|ghci|lua|R|bash|sh|zsh|psql|mysql|sqlite3|bc|dc|gdb)(?:\s+-i)?"
"""Programs that, without a word more, read what to do from their stdin, and end in silence where there is none."""

_PASSWORD_SAID = "asks for a password: no one can type one here; the user can run the command in a terminal of their own"
_TERMINAL_SAID = "wants a terminal: commands have none here; use options that need no screen and no keys"
_INPUT_SAID = "waits for input: a command has none here; pipe it in, or start the program with background and use job_input"


def wanted(command: str, status: int, output: str) -> str | None:
    """Why a program may have ended as it did, for the model and the person; None where nothing says so. Up to `:` it is short.

    Told by its exit status and its last words, not by looking at what it does: a program that says nothing is not recognised.
    """
    if status == 0:
        return _INPUT_SAID if not output.strip() and re.fullmatch(_TALKERS, command.strip()) else None
    for words, said in ((_PASSWORD, _PASSWORD_SAID), (_TERMINAL, _TERMINAL_SAID), (_INPUT, _INPUT_SAID)):
        if re.search(words, output[-END_BYTES:], re.IGNORECASE | re.MULTILINE):
            return said
    return None
