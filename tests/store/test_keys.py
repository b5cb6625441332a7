"""Where the keys lie that the user gave to flowchat, and that they come out nowhere else."""

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from errno import ENOSPC
from pathlib import Path

import pytest

from flowchat.errors import StorageFailed, UsageError
from flowchat.store.keys import KEY_LIMIT_CHARS, SERVICE, Keys
from tests.store.disks import FaultyDisk, failing_at

KEY = "sk-1234567890abcdef"


class Ring:
    """A keyring in memory; `broken` is what it raises, `forgetful` keeps nothing."""

    def __init__(self, forgetful: bool = False) -> None:
        self.kept: dict[tuple[str, str], str] = {}
        self.broken: Exception | None = None
        self.forgetful = forgetful

    def get_password(self, service: str, username: str) -> str | None:
        self._check()
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._check()
        if not self.forgetful:
            self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        self._check()
        del self.kept[service, username]

    def _check(self) -> None:
        if self.broken:
            raise self.broken


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config" / "keys.json"


def keys_at(file: Path, ring: Ring | None = None) -> Keys:
    return Keys(file.parent, lambda: ring)


def test_without_a_keyring_a_key_is_in_a_file_for_the_user_alone(file: Path) -> None:
    keys = keys_at(file)
    assert (keys.providers(), keys.key_of("openai"), keys.trouble()) == ({}, None, ())
    assert keys.keep("openai", f" {KEY}\n") == str(file)
    assert (keys_at(file).providers(), keys_at(file).key_of("openai")) == ({"openai": str(file)}, KEY)
    assert (stat.S_IMODE(file.stat().st_mode), stat.S_IMODE(file.parent.stat().st_mode)) == (0o600, 0o700)


def test_with_a_keyring_the_file_says_only_that_it_is_there(file: Path) -> None:
    ring = Ring()
    assert keys_at(file, ring).keep("openai", KEY) == "the system keyring"
    assert ring.kept == {(SERVICE, "openai"): KEY}
    assert json.loads(file.read_text()) == {"openai": {"in": "keyring"}}
    again = keys_at(file, ring)
    assert (again.providers(), again.key_of("openai")) == ({"openai": "the system keyring"}, KEY)


@pytest.mark.parametrize("ring", [Ring(forgetful=True), None], ids=["keeps nothing", "raises"])
def test_a_keyring_that_keeps_nothing_gives_way_to_the_file(file: Path, ring: Ring | None) -> None:
    if ring is None:
        ring = Ring()
        ring.broken = RuntimeError("locked")
    assert keys_at(file, ring).keep("openai", KEY) == str(file)
    assert keys_at(file, ring).key_of("openai") == KEY


@pytest.mark.parametrize("where", ["file", "keyring"])
def test_a_key_is_let_go_and_another_stays(file: Path, where: str) -> None:
    ring = Ring() if where == "keyring" else None
    keys = keys_at(file, ring)
    keys.keep("openai", KEY)
    keys.keep("xai", "xai-key")
    assert (keys.forget("openai"), keys.forget("openai")) == (True, False)
    assert (list(keys.providers()), keys.key_of("openai"), keys.key_of("xai")) == (["xai"], None, "xai-key")
    assert KEY not in file.read_text()
    assert ring is None or ring.kept == {(SERVICE, "xai"): "xai-key"}


def test_a_keyring_that_is_locked_or_has_lost_the_key_says_what_to_do(file: Path) -> None:
    ring = Ring()
    keys = keys_at(file, ring)
    keys.keep("openai", KEY)
    ring.broken = RuntimeError(f"locked, and here is {KEY}")
    with pytest.raises(StorageFailed) as locked:
        keys.key_of("openai")
    assert str(locked.value) == (
        "the key for openai is in the system keyring, which does not give it (RuntimeError):"
        " unlock it, or enter the key again with `flowchat config set-key openai`"
    )
    with pytest.raises(StorageFailed, match="does not let go"):
        keys.forget("openai")
    ring.broken = None
    ring.kept.clear()
    with pytest.raises(StorageFailed, match="no longer in the system keyring"):
        keys.key_of("openai")
    with pytest.raises(StorageFailed, match="no longer in the system keyring"):
        keys_at(file).key_of("openai")


@pytest.mark.parametrize("text", ["", " \n", "two words", "kéy", "a\x1bb", "x" * (KEY_LIMIT_CHARS + 1)])
def test_what_cannot_be_a_key_is_refused_and_not_repeated(file: Path, text: str) -> None:
    with pytest.raises(UsageError) as refused:
        keys_at(file).keep("openai", text)
    assert str(refused.value).endswith("no key was kept for openai")
    assert not text.strip() or text not in str(refused.value)
    assert not file.exists()


@pytest.mark.parametrize("content", [b"no JSON", b'{"openai": 7}', b"\xff"])
def test_a_file_that_is_something_else_has_no_keys_and_is_not_overwritten(file: Path, content: bytes) -> None:
    file.parent.mkdir()
    file.write_bytes(content)
    keys = keys_at(file)
    assert keys.providers() == {}
    [trouble] = keys.trouble()
    assert "remove it" in trouble
    for act in (lambda: keys.key_of("openai"), lambda: keys.keep("openai", KEY)):
        with pytest.raises(StorageFailed, match="remove it"):
            act()
    assert file.read_bytes() == content


@pytest.mark.parametrize("call", ["open", "write", "fsync", "replace"])
def test_a_disk_that_takes_nothing_keeps_the_keys_there_are(file: Path, call: str) -> None:
    keys_at(file).keep("xai", "xai-key")
    full = FaultyDisk(failing_at(1, ENOSPC, call, lasting=True))
    with pytest.raises(StorageFailed) as refused:
        Keys(file.parent, lambda: None, full).keep("openai", KEY)
    assert ("make room there" in str(refused.value), KEY in str(refused.value)) == (True, False)
    assert (keys_at(file).providers(), [path.name for path in file.parent.iterdir()]) == ({"xai": str(file)}, ["keys.json"])


def test_a_file_that_others_may_read_is_made_private_again(file: Path) -> None:
    keys_at(file).keep("openai", KEY)
    file.chmod(0o644)
    assert keys_at(file).key_of("openai") == KEY
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_keys_that_are_kept_at_once_are_all_kept(file: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: keys_at(file).keep(f"p{number}", f"{KEY}{number}"), range(24)))
    assert [keys_at(file).key_of(f"p{number}") for number in range(24)] == [f"{KEY}{number}" for number in range(24)]


def test_what_was_kept_while_the_keyring_had_the_user_think_stays(file: Path) -> None:
    class Slow(Ring):
        def set_password(self, service: str, username: str, password: str) -> None:
            keys_at(file).keep("xai", KEY)
            super().set_password(service, username, password)

    keys_at(file, Slow()).keep("openai", KEY)
    assert keys_at(file).providers() == {"xai": str(file), "openai": "the system keyring"}
