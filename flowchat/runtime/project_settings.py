"""What the settings of a folder change: they may be stricter than the user's at once, and all else only once it is trusted."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

from flowchat.config import Settings, read_settings, shown
from flowchat.errors import UsageError
from flowchat.runtime.trust import PERSONAL, SETTINGS_FILE, Trust, digest_of, is_steering, project_settings
from flowchat.store.setting import fit_setting, with_setting
from flowchat.transcript.entries import Mode

if TYPE_CHECKING:
    from flowchat.store.settings_file import Effective

STRICTEST_FIRST: tuple[Mode, ...] = ("plan", "default", "accept-edits", "auto", "bypass")
assert set(STRICTEST_FIRST) == set(get_args(Mode))

NOTICES_LIMIT = 3
"""What a folder may have told of its mistakes, one by one."""


def with_project(settings: Settings, folder: Path, trust: Trust) -> tuple[Settings, tuple[str, ...]]:
    """The user's settings with those of a folder that count, and a sentence for each thing that never will. Blocks."""
    counting, notices = counting_in(settings, folder, trust)
    for key, value in counting.items():
        settings = with_setting(settings, key, value)
    return settings, (*notices, *_crossed(settings))


def counting_in(settings: Settings, folder: Path, trust: Trust) -> tuple[dict[str, object], tuple[str, ...]]:
    """The settings of a folder that count, by dotted name, and a sentence for each thing that never will. Blocks."""
    try:
        said = project_settings(folder)
    except (OSError, ValueError) as error:
        return {}, (str(error),)
    counting: dict[str, object] = {}
    notices: list[str] = []
    trusted, approved = bool(said) and trust.trusted(folder), trust.approved(folder) if said else frozenset[str]()
    for key, value in said.items():
        try:
            _, fitting = fit_setting(key, value)
        except UsageError as error:
            why = str(error).partition("; known settings")[0].removesuffix("; nothing was changed")
            notices.append(f"{SETTINGS_FILE}: {why}, so it is ignored")
            continue
        if key == "permission_mode":
            if _is_stricter(cast(Mode, fitting), settings.permission_mode):
                counting[key] = value
            elif fitting != settings.permission_mode:
                yours = f"a project can only be stricter than your own setting ({settings.permission_mode})"
                notices.append(f"{SETTINGS_FILE}: permission_mode = {shown(value)} is ignored: {yours}")
        elif key in PERSONAL:
            notices.append(f"{SETTINGS_FILE}: {key} is ignored: a project cannot set it")
        elif digest_of(folder, key, value) in approved if is_steering(key) else trusted:
            counting[key] = value
    more = len(notices) - NOTICES_LIMIT
    return counting, (
        *notices[:NOTICES_LIMIT],
        *((f"{SETTINGS_FILE}: {more:,} more things in it are ignored",) if more > 0 else ()),
    )


def effective_in(folder: Path, trust: Trust, file: Path, environ: Mapping[str, str]) -> "tuple[list[Effective], tuple[str, ...]]":
    """As `store.settings_file.effective`, with what the settings of a folder change."""
    from flowchat.store.settings_file import effective

    counting, ignored = counting_in(read_settings(file)[0], folder, trust)
    found, notices = effective(file, environ, counting)
    return found, (*notices, *ignored)


def told_of(waiting: int) -> str:
    """What waits for trust, where no screen says so."""
    things = "1 setting or rule" if waiting == 1 else f"{waiting:,} settings and rules"
    return f"{things} of this folder's .flowchat wait for your trust and are not used; `flowchat trust` shows them"


def _crossed(settings: Settings) -> tuple[str, ...]:
    """Limits the wrong way round. Percent cannot be held against tokens before a model is chosen."""
    soft, hard = settings.compact.limits
    if hard >= soft or soft == 100 or (soft > 100) != (hard > 100):
        return ()
    unit = "tokens" if soft > 100 else "%"
    limits = f"soft limit ({soft:,} {unit}) is over the hard one ({hard:,} {unit})"
    return (f"compact: the {limits}, so only the hard one counts; set compact.soft lower",)


def _is_stricter(mode: Mode, than: Mode) -> bool:
    return STRICTEST_FIRST.index(mode) < STRICTEST_FIRST.index(than)
