"""`flowchat models`, `flowchat config` and `flowchat doctor`: what there is to choose, what is set, and what is wrong."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from flowchat.config import Folders
from flowchat.errors import NotFound
from flowchat.model import discover
from flowchat.model.catalogue import TableRow
from flowchat.runtime.doctor import Report
from flowchat.runtime.workspace import Workspace
from flowchat.serve.stream import json_line
from flowchat.store.keys import KEY_LIMIT_CHARS
from flowchat.store.settings_file import Effective
from flowchat.transcript.clean import clean


async def list_models(workspace: Workspace, as_json: bool, redact: Callable[[str], str]) -> list[str]:
    """What answers on this machine and what the environment has keys for, the best first; addresses without their passwords."""
    found = await workspace.choosing.look_around()
    offers = workspace.choosing.offers(found)
    if as_json:
        local = {model.model: msgspec.to_builtins(model) for model in found}
        return [redact(json_line(local.get(offer.model, {}) | msgspec.to_builtins(offer))) for offer in offers]
    width = max(len(offer.model) for offer in offers)
    lines: list[str] = []
    for offer in offers:
        lines.append(f"{clean(offer.model or '-'):<{width}}  {clean(offer.sentence)}\n")
        lines += [f"{'':<{width}}  {clean(offer.advice)}\n"] if offer.advice else []
    return lines


async def list_table(provider: str, as_json: bool) -> list[str]:
    """What litellm's table knows of a provider's models. Raises NotFound where that is nothing, ModelError."""
    from flowchat.model.provider import table_of

    known = await table_of(provider)
    if not known:
        raise NotFound(
            f"litellm's table has no models of {provider!r} to talk to; try {', '.join(discover.PROVIDERS)} and others."
            " A model that is not in the table can still be used: -m PROVIDER/NAME"
        )
    if as_json:
        return [json_line({"model": name} | msgspec.to_builtins(row)) for name, row in known]
    width = max(len(name) for name, _ in known)
    return [f"{clean(name):<{width}}  {_facts(row)}\n" for name, row in known]


def _facts(row: TableRow) -> str:
    said = [f"window {row.window:,}" if row.window else "window not known"]
    said.append("calls tools" if row.calls_tools else "does not call tools")
    if row.input_price and row.output_price:
        said.append(f"${row.input_price * 1e6:.2f} in and ${row.output_price * 1e6:.2f} out a million tokens")
    return "; ".join(said)


def show_settings(found: list[Effective], as_json: bool) -> Iterator[str]:
    """A line for each setting: what counts, and where it comes from."""
    width = max(len(setting.key) for setting in found)
    values = [msgspec.json.encode(setting.value).decode() for setting in found]
    broad = min(40, max(map(len, values)))
    for setting, value in zip(found, values, strict=True):
        if as_json:
            yield json_line(msgspec.to_builtins(setting))
        else:
            yield f"{clean(setting.key):<{width}}  {clean(value):<{broad}}  {setting.variable or setting.origin}\n"


def settings_path(folders: Folders, as_json: bool) -> Iterator[str]:
    """Where the settings are, whether the file is there or not."""
    path = str(folders.settings_file)
    yield json_line({"path": path, "exists": Path(path).exists()}) if as_json else f"{clean(path)}\n"


def read_key(provider: str, stdin: int) -> str:
    """An API key from a prompt that does not show it, or the first line of stdin where that is not a terminal."""
    if not os.isatty(stdin):
        return _first_line(stdin).decode("utf-8", "replace")
    from getpass import getpass

    try:
        return getpass(f"Key for {provider} (not shown): ")
    except EOFError:
        return ""


def _first_line(stdin: int) -> bytes:
    """What comes up to a newline or the end, however many pieces a pipe gives it in; no more than is too long for a key."""
    line = b""
    while b"\n" not in line and len(line) <= KEY_LIMIT_CHARS and (piece := os.read(stdin, KEY_LIMIT_CHARS + 2)):
        line += piece
    return line.partition(b"\n")[0]


def show_report(report: Report, as_json: bool) -> Iterator[str]:
    if as_json:
        yield json_line(report.fields())
        return
    for line in report.lines():
        yield f"{clean(line)}\n"
