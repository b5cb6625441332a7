"""The profile for macOS, as text."""

from pathlib import Path

from msgspec.structs import replace

from flowchat.tools.bubblewrap import View
from flowchat.tools.guard import Guard
from flowchat.tools.seatbelt import profile

WORK = Path("/persons/ann/project")
VIEW = View(
    WORK,
    (WORK,),
    Guard(
        pinned=(WORK / ".git",),
        read_only=(WORK / ".git/config", WORK / ".git/hooks"),
        masked=((WORK / ".envrc", None),),
        writable=(Path("/persons/ann/repository/.git"),),
    ),
    (Path("/persons/ann/.ssh"),),
    Path("/private/tmp/own"),
)


def rules(view: View) -> list[str]:
    return profile(view).splitlines()


def test_everything_is_denied_but_reading_and_writing_in_its_folders() -> None:
    said = rules(VIEW)
    assert said[:2] == ["(version 1)", "(deny default)"]
    assert [line for line in said if line.startswith("(allow file-write* (subpath")] == [
        '(allow file-write* (subpath "/private/tmp/own"))',
        '(allow file-write* (subpath "/persons/ann/project"))',
        '(allow file-write* (subpath "/persons/ann/repository/.git"))',
    ]


def test_what_is_protected_comes_after_what_is_allowed_and_so_do_the_folders_on_the_way() -> None:
    said = rules(VIEW)
    last_allowed = max(index for index, line in enumerate(said) if line.startswith("(allow file-write*"))
    for name in (".git/config", ".git/hooks", ".envrc", ".vscode", ".bashrc"):
        assert said.index(f'(deny file-write* (subpath "/persons/ann/project/{name}"))') > last_allowed
    for folder in (WORK, WORK / ".git", WORK / ".git/hooks"):
        assert said.index(f'(deny file-write-unlink (literal "{folder}"))') > last_allowed


def test_keys_cannot_be_read() -> None:
    assert '(deny file-read* file-write* (subpath "/persons/ann/.ssh"))' in rules(VIEW)


def test_the_network_is_off_and_on_without_sockets_that_have_a_path() -> None:
    on = replace(VIEW, network=True)
    assert (rules(VIEW)[-1], rules(on)[-2:]) == ("(deny network*)", ["(allow network*)", "(deny network* (remote unix-socket))"])


def test_a_name_cannot_end_its_own_rule() -> None:
    odd = replace(VIEW, writable=(Path('/persons/ann/a") (allow default) ("\\'),))
    assert '(allow file-write* (subpath "/persons/ann/a\\") (allow default) (\\"\\\\"))' in rules(odd)
