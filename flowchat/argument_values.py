"""The values of flags, each checked as it is read: a sentence says what is wrong with one and what would do."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

from flowchat.errors import UsageError

if TYPE_CHECKING:
    from flowchat.serve.stream import OutputFormat
    from flowchat.transcript.entries import Mode

HERE = "."


def model_name(value: str) -> str:
    if not value.strip():
        raise UsageError("-m is empty: name a model, as in `-m openai/gpt-5`, or leave it out")
    return value


def here() -> Path:
    """The folder the shell stands in. Raises UsageError where it is gone."""
    return existing_folder(HERE)


def further_folder(value: str) -> Path:
    return existing_folder(value, "--add-dir")


def existing_folder(value: str, flag: str = "-C") -> Path:
    try:
        folder = Path(value).expanduser().resolve(strict=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: no such user, or links in a circle
        if value == HERE:
            raise UsageError("the current folder no longer exists: change to another one, or name one with -C") from error
        raise UsageError(f"{flag} {value!r} does not exist") from error
    if not folder.is_dir():
        raise UsageError(f"{flag} {value!r} is not a folder")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise UsageError(f"{str(folder)!r} cannot be read: change its permissions, or name another folder with {flag}")
    return folder


def permission_mode(value: str) -> "Mode":
    from flowchat.config import MODE_ALIASES
    from flowchat.transcript.entries import Mode

    mode = MODE_ALIASES.get(value, value)
    if mode not in get_args(Mode):
        raise UsageError(f"{value!r} is not a permission mode: use default, accept-edits, plan, auto or bypass")
    return cast(Mode, mode)


def output_format(value: str) -> "OutputFormat":
    from flowchat.serve.stream import OutputFormat

    if value not in get_args(OutputFormat):
        raise UsageError(f"{value!r} is not an output format: use text, json or stream-json")
    return cast(OutputFormat, value)


def export_format(value: str) -> str:
    if value not in ("markdown", "json"):
        raise UsageError(f"{value!r} is not an export format: use markdown or json")
    return value


def file_name(value: str) -> str:
    if not value.strip():
        raise UsageError("-o is empty: name a file, or leave it out for stdout")
    return value


def step_count(value: str) -> int:
    if not (value.isascii() and value.isdecimal() and len(value) <= 9 and int(value) > 0):
        shown = value if len(value) <= 20 else f"{value[:20]}..."
        raise UsageError(f"{shown!r} is not a valid step count: use a whole number from 1 to 999,999,999")
    return int(value)
