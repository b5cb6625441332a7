"""The API keys the user gave to flowchat: in the keyring of the operating system where there is one, else in a private file."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeAlias, cast

import msgspec

from flowchat.errors import StorageFailed, UsageError
from flowchat.store.disk import FILE_MODE, Disk, read_file, refused
from flowchat.store.lock import one_at_a_time

SERVICE = "flowchat"
"""The name under which the keyring has our keys; the user name is the provider."""
KEY_LIMIT_CHARS = 8_192
_FILE_LIMIT_BYTES = 1024 * 1024
_IN_KEYRING = {"in": "keyring"}
_Rows: TypeAlias = dict[str, dict[str, str]]


class Keyring(Protocol):
    """What we use of a backend of the package `keyring`; each may raise anything at all."""

    def get_password(self, service: str, username: str) -> str | None: ...

    def set_password(self, service: str, username: str, password: str) -> None: ...

    def delete_password(self, service: str, username: str) -> None: ...


def system_keyring() -> Keyring | None:
    """The keyring of this machine; None where the package is missing, or finds nothing that keeps secrets."""
    import importlib

    try:
        backend: Any = importlib.import_module("keyring").get_keyring()
        return backend if backend.priority >= 1 else None  # its stand-ins for "none" are at 0 and below
    except Exception:
        return None


class Keys:
    """Keys by provider. keys.json has a row for each: the key, or that it is in the keyring. Blocks, the keyring at will."""

    def __init__(self, folder: Path, keyring: Callable[[], Keyring | None] = system_keyring, disk: Disk | None = None) -> None:
        self._file, self._keyring, self._disk = folder / "keys.json", keyring, disk or Disk()

    def providers(self) -> dict[str, str]:
        """Whose keys are kept, and where, in the user's words; the keyring is not asked. A file that is unreadable has none."""
        try:
            return {name: self._place(row) for name, row in self._rows().items()}
        except StorageFailed:
            return {}

    def trouble(self) -> tuple[str, ...]:
        """A sentence where the file is there and its keys cannot be used."""
        try:
            self._rows()
        except StorageFailed as error:
            return (str(error),)
        return ()

    def key_of(self, provider: str) -> str | None:
        """The key of a provider, None where none is kept. Raises StorageFailed where it cannot be reached."""
        row = self._rows().get(provider)
        if row is None or row.get("in") != "keyring":
            return row.get("key") if row else None
        keyring = self._keyring()
        try:
            key = keyring.get_password(SERVICE, provider) if keyring else None
        except Exception as error:
            raise StorageFailed(
                f"the key for {provider} is in the system keyring, which does not give it ({type(error).__name__}):"
                f" unlock it, or enter the key again with `flowchat config set-key {provider}`"
            ) from error
        if key is None:
            raise StorageFailed(
                f"the key for {provider} is no longer in the system keyring:"
                f" enter it again with `flowchat config set-key {provider}`"
            )
        return key

    def keep(self, provider: str, key: str) -> str:
        """Keep a key and say where it is. Raises UsageError for a text that cannot be a key, StorageFailed."""
        key = key.strip()
        if not key or len(key) > KEY_LIMIT_CHARS or re.search(r"[^\x21-\x7e]", key):
            what = "nothing was entered" if not key else "what was entered is not a key: it is one word of printable ASCII"
            raise UsageError(f"{what}; no key was kept for {provider}")
        self._rows()  # a file that is something else keeps no key, and the keyring none that the file does not tell of
        row = _IN_KEYRING if self._put_in_keyring(provider, key) else {"key": key}
        self._change(lambda rows: {**rows, provider: row})
        return self._place(row)

    def forget(self, provider: str) -> bool:
        """Let go of a key; False where none was kept. Raises StorageFailed, and then it is still kept."""
        row = self._rows().get(provider)
        if row is None:
            return False
        if row.get("in") == "keyring" and (keyring := self._keyring()):
            try:
                if keyring.get_password(SERVICE, provider) is not None:
                    keyring.delete_password(SERVICE, provider)
            except Exception as error:
                raise StorageFailed(
                    f"the system keyring does not let go of the key for {provider} ({type(error).__name__}): unlock it"
                ) from error
        self._change(lambda rows: {name: kept for name, kept in rows.items() if name != provider})
        return True

    def _put_in_keyring(self, provider: str, key: str) -> bool:
        """Whether it is there now: what is put in is asked back, since some keyrings only seem to work."""
        keyring = self._keyring()
        if keyring is None:
            return False
        try:
            keyring.set_password(SERVICE, provider, key)
            return keyring.get_password(SERVICE, provider) == key
        except Exception:
            return False

    def _place(self, row: Mapping[str, str]) -> str:
        return "the system keyring" if row.get("in") == "keyring" else str(self._file)

    def _rows(self) -> _Rows:
        try:
            content = read_file(self._file, _FILE_LIMIT_BYTES)
            if self._file.stat().st_mode & 0o077:
                self._file.chmod(FILE_MODE)
            return msgspec.json.decode(content, type=_Rows) if content.strip() else {}
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise StorageFailed(f"{self._file} cannot be read ({error.strerror}), so no key in it is used") from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise StorageFailed(f"{self._file} is not what flowchat wrote, so no key in it is used; remove it") from error

    def _change(self, change: Callable[[_Rows], Mapping[str, Mapping[str, str]]]) -> None:
        """Write what this makes of the rows as they are by now: the keyring may have had the user think for minutes."""
        try:
            self._disk.ensure_folder(self._file.parent)
            with one_at_a_time(self._file.parent, self._disk):
                rows = cast(object, change(self._rows()))
                self._disk.write_file(self._file, msgspec.json.format(msgspec.json.encode(rows)))
        except OSError as error:
            raise StorageFailed(refused(self._file, error)) from error
