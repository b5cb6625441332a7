"""What the user set and where the user's files lie: settings from config.toml, the four folders, the redacted log file."""

import logging
import os
import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeAlias, TypeVar, cast, get_args

import msgspec
from msgspec import Meta, Struct

from flowchat.errors import StorageFailed
from flowchat.toml import KeyPath, parse_table, place_in
from flowchat.transcript.entries import Mode

LOG_LIMIT_BYTES = 1024 * 1024
"""The log file's size at which it becomes flowchat.log.1, in the place of an older one."""
SECRET_LEAST_CHARS = 8
"""A variable's value shorter than this is not looked for in the log: it would black out ordinary words."""
FILE_LIMIT_BYTES = 256 * 1024
"""A longer file is not one of settings."""
SHOWN_VALUE_CHARS = 60
"""How much of a value a notice repeats."""

Percent: TypeAlias = Annotated[int, Meta(ge=1, le=100)]
Count: TypeAlias = Annotated[int, Meta(ge=1)]
MaybeCount: TypeAlias = Count | None
Texts: TypeAlias = tuple[str, ...]
Seconds: TypeAlias = Annotated[float, Meta(gt=0)]


# --- settings --------------------------------------------------------------------------------------------------------
class Compact(Struct, frozen=True):
    """When the conversation is folded, in percent of the usable window (100: never), and by which model ("": the session's).

    `preview`: what /compact would write is shown first. `soft` and `hard` count instead of the percentages where they are set:
    over 100 they are tokens.
    """

    soft_percent: Percent = 70
    hard_percent: Percent = 90
    model: str = ""
    preview: bool = True
    soft: MaybeCount = None
    hard: MaybeCount = None

    @property
    def limits(self) -> tuple[int, int]:
        """After a run, and before a request: up to 100 percent of the usable window (100: never), above that tokens."""
        return self.soft or self.soft_percent, self.hard or self.hard_percent


class Review(Struct, frozen=True):
    """Which model looks at calls in mode auto ("": the session's)."""

    model: str = ""


class Limits(Struct, frozen=True):
    """Where a run ends on its own: its steps, and the seconds without a byte from the model."""

    steps: Count = 200
    idle_seconds: Seconds = 90.0


class ToolSettings(Struct, frozen=True):
    shell_timeout_seconds: Seconds = 120.0


class SkillSettings(Struct, frozen=True):
    """Skills that are switched off, each as `scope:folder`."""

    off: Texts = ()


class ModelSettings(Struct, frozen=True):
    """What the user knows better of one model: sizes in tokens, and the address of its server."""

    window: MaybeCount = None
    max_output: MaybeCount = None
    api_base: str | None = None


class Settings(Struct, frozen=True):
    """Everything that can be set, with its default. `model` "" is: whatever is found."""

    model: str = ""
    permission_mode: Mode = "default"
    theme: str = "neutral"
    copy_on_select: bool = False
    compact: Compact = Compact()
    review: Review = Review()
    limits: Limits = Limits()
    tools: ToolSettings = ToolSettings()
    skills: SkillSettings = SkillSettings()
    models: dict[str, ModelSettings] = {}


MODE_ALIASES: dict[str, Mode] = {"acceptEdits": "accept-edits", "bypassPermissions": "bypass", "yolo": "bypass"}
"""What other tools call the permission modes."""


def read_settings(file: Path | None) -> tuple[Settings, tuple[str, ...]]:
    """The settings of a config.toml, and a sentence for each thing in it that does not count.

    A missing file is all defaults. What cannot be understood stays at its default: a bad file never keeps flowchat from starting.
    """
    try:
        text = "" if file is None else text_of(file)
        table = parse_table(text)
    except FileNotFoundError:
        return Settings(), ()
    except ValueError as error:
        return Settings(), (f"{file} is not valid TOML ({error}); using defaults for every setting until it is fixed",)
    except OSError as error:
        return Settings(), (f"{file} cannot be read ({error.strerror}); using defaults for every setting",)
    notices: list[_Notice] = []
    settings = _fit(Settings, table, (), notices)
    return settings, tuple(f"{file}{place_in(text, path)}: {sentence}" for path, sentence in notices)


def read_table(file: Path) -> dict[str, Any]:
    """What a config.toml says, as it stands. Raises OSError, and ValueError where it is not TOML."""
    return parse_table(text_of(file))


def text_of(file: Path) -> str:
    """A settings file's text; never waits. Raises OSError, also for what is not a file or too long, and UnicodeDecodeError."""
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(0, "it is not a file")
        with open(descriptor, "rb", closefd=False) as opened:
            content = opened.read(FILE_LIMIT_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(content) > FILE_LIMIT_BYTES:
        raise OSError(0, f"it is longer than {FILE_LIMIT_BYTES // 1024} KiB")
    return content.decode("utf-8-sig")


SomeSettings = TypeVar("SomeSettings", bound=Struct)
_Notice: TypeAlias = tuple[KeyPath, str]


def _fit(kind: type[SomeSettings], table: Mapping[str, Any], path: KeyPath, notices: list[_Notice]) -> SomeSettings:
    """A `kind` of those keys of `table` that fit it; the others are noticed and left at their defaults."""
    known = {field.name: field for field in msgspec.structs.fields(kind)}
    fitting: dict[str, object] = {}
    for key, value in table.items():
        at = (*path, key)
        if key not in known:
            notices.append((at, f"{_dotted(at)} is not a setting and is ignored; known settings: {', '.join(known)}"))
        elif key == "models" and isinstance(value, dict):
            models = cast(dict[str, Any], value)
            fitting[key] = {name: _fit_table(ModelSettings, models[name], (*at, name), notices) for name in models}
        elif isinstance(known[key].type, type) and issubclass(known[key].type, Struct):
            fitting[key] = _fit_table(known[key].type, value, at, notices)
        else:
            _fit_value(at, value, known[key], fitting, notices)
    return kind(**fitting)


def _fit_table(kind: type[SomeSettings], value: object, path: KeyPath, notices: list[_Notice]) -> SomeSettings:
    if isinstance(value, dict):
        return _fit(kind, cast(dict[str, Any], value), path, notices)
    sentence = f"{_dotted(path)} = {shown(value)} is not allowed: it must be a table of settings; its defaults are used"
    notices.append((path, sentence))
    return kind()


def _fit_value(
    path: KeyPath, value: object, field: msgspec.structs.FieldInfo, fitting: dict[str, object], notices: list[_Notice]
) -> None:
    if field.type is Mode and isinstance(value, str):
        value = MODE_ALIASES.get(value, value)
    try:
        fitting[path[-1]] = msgspec.convert(value, field.type)
    except msgspec.ValidationError:
        allowed = ALLOWED.get(field.type, "a text")
        sentence = f"{_dotted(path)} = {shown(value)} is not allowed: it must be {allowed}; the default is used"
        notices.append((path, sentence))


ALLOWED: dict[object, str] = {
    bool: "true or false",
    Mode: f"one of {', '.join(get_args(Mode))}",
    Percent: "a whole number from 1 to 100",
    Count: "a whole number from 1",
    MaybeCount: "a whole number from 1",
    Seconds: "a number of seconds over 0",
    Texts: "a list of texts",
    dict[str, ModelSettings]: "a table of models",
}
"""What each kind of setting takes, as a sentence says it; a kind that is not in it is a text."""


def _key(name: str) -> str:
    """A key as TOML writes it."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]{1,60}", name) else shown(name)


def _dotted(path: KeyPath) -> str:
    return ".".join(map(_key, path))


def shown(value: object) -> str:
    """A value as a sentence repeats it."""
    try:
        text = repr(value)
    except ValueError:  # a number of thousands of digits
        text = "a very long number"
    return text if len(text) <= SHOWN_VALUE_CHARS else text[:SHOWN_VALUE_CHARS] + "..."


# --- folders ---------------------------------------------------------------------------------------------------------
class Folders(Struct, frozen=True):
    """Where the user's files are: sessions in `data`, settings in `config`, `cache` is disposable, `state` has log and drafts."""

    data: Path
    config: Path
    cache: Path
    state: Path

    @property
    def settings_file(self) -> Path:
        return self.config / "config.toml"

    @property
    def themes(self) -> Path:
        return self.config / "themes"

    @property
    def log_file(self) -> Path:
        return self.state / "log" / "flowchat.log"


def open_folders(environ: Mapping[str, str]) -> Folders:
    """The user's folders, each there, writable and 0700: those under FLOWCHAT_HOME if it is set, else the platform's.

    Raises StorageFailed when HOME is not set or one of them cannot be made or written.
    """
    if home := environ.get("FLOWCHAT_HOME"):
        root = _home(home)
        folders = Folders(*(root / name for name in ("data", "config", "cache", "state")))
    elif not environ.get("HOME"):
        raise StorageFailed("HOME is not set, so nothing can be saved; set HOME or FLOWCHAT_HOME")
    else:
        from platformdirs import PlatformDirs

        dirs = PlatformDirs("flowchat", appauthor=False)
        folders = Folders(dirs.user_data_path, dirs.user_config_path, dirs.user_cache_path, dirs.user_state_path)
    for folder in (folders.data, folders.config, folders.cache, folders.state):
        make_private(folder)
    return folders


def _home(value: str) -> Path:
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError as error:
        raise StorageFailed(f"FLOWCHAT_HOME is {value!r}, and there is no such user: set it to a folder") from error


def make_private(folder: Path) -> None:
    """Make the folder and what is missing above it, 0700 whatever the umask. Raises StorageFailed unless it can be written."""
    try:
        for missing in [path for path in (*reversed(folder.parents), folder) if not path.exists()]:
            missing.mkdir(mode=0o700, exist_ok=True)
            missing.chmod(0o700)
        if folder.stat().st_mode & 0o077:
            folder.chmod(0o700)
    except OSError as error:
        raise StorageFailed(f"{folder} cannot be created ({error.strerror}); set FLOWCHAT_HOME to a writable folder") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StorageFailed(f"{folder} cannot be written; set FLOWCHAT_HOME to a writable folder")


# --- the log file ----------------------------------------------------------------------------------------------------
def start_log(file: Path | None, environ: Mapping[str, str]) -> None:
    """Send what is logged, from info on and with secrets redacted, to a file; None: nowhere. Nothing reaches the screen.

    Raises StorageFailed when its folder cannot be written.
    """
    root = logging.getLogger()
    root.handlers[:] = [logging.NullHandler()]
    if file is None:
        return
    make_private(file.parent)
    handler = _LogFile(file)
    handler.setFormatter(_Redacting(redactor(environ)))
    logging.raiseExceptions = False
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)


def redact_also(secret: str) -> None:
    """Black out this, too, in what is logged from now on."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, _Redacting):
            handler.formatter.secrets |= {secret}


def redactor(environ: Mapping[str, str]) -> Callable[[str], str]:
    """A function that blacks out in any text what has a key's shape, and the values of variables named *_KEY, *_TOKEN, ..."""
    values = {
        value
        for name, value in environ.items()
        if name.upper().endswith(_SECRET_NAMES) and len(value.strip()) >= SECRET_LEAST_CHARS
    }
    longest_first = [re.escape(value.strip()) for value in sorted(values, key=len, reverse=True)]
    pattern = re.compile("|".join([*longest_first, *_SECRET_SHAPES]), re.DOTALL)
    return lambda text: pattern.sub("[redacted]", text)


_SECRET_NAMES = ("KEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIALS")
_SECRET_SHAPES = (
    r"\b(?:sk|pk|rk|xai|key)-[A-Za-z0-9_-]{16,}",
    r"\b(?:gh[pousr]|github_pat|glpat|hf|gsk|npm|pypi)[_-][A-Za-z0-9_-]{16,}",
    r"\bAIza[A-Za-z0-9_-]{20,}",
    r"\bxox[abeprs]-[A-Za-z0-9-]{10,}",
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",
    r"(?i:(?<=bearer )|(?<=basic ))[A-Za-z0-9._~+/=-]{12,}",
    r"(?<=://)[^/\s:@]+:[^/\s:@]+(?=@)",
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----",
)


class _Redacting(logging.Formatter):
    def __init__(self, redact: Callable[[str], str]) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._redact = redact
        self.secrets: frozenset[str] = frozenset()

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        for secret in self.secrets:
            text = text.replace(secret, "[redacted]")
        return self._redact(text)


class _LogFile(logging.Handler):
    """Appends lines to one 0600 file; over LOG_LIMIT_BYTES it is put aside. Where it cannot be written the line is lost."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record).encode("utf-8", "backslashreplace") + b"\n"
            file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.fchmod(file, 0o600)
                os.write(file, line)
                full = os.fstat(file).st_size >= LOG_LIMIT_BYTES
            finally:
                os.close(file)
            if full:
                os.replace(self._path, self._path.with_name(self._path.name + ".1"))
        except OSError:
            pass
