"""Whether a failure is the sandbox's doing."""

from pathlib import Path

import pytest

from flowchat.tools.guard import Guard
from flowchat.tools.tool import Walled
from flowchat.tools.walled import passed_over, walled

WORK = Path("/project")
GUARD = Guard(
    pinned=(WORK / ".git",),
    read_only=(WORK / ".git/config", WORK / ".git/hooks"),
    masked=((WORK / ".vscode", None), (WORK / ".envrc", None)),
)
HIDDEN = (Path("/persons/ann/.ssh"),)
NETWORK = Walled("network", "the network is off in the sandbox")
OUTSIDE = Walled("outside", "outside the workspace nothing can be written")
KEYS = Walled("outside", "it needs your keys, which are hidden from it")
SSH = Walled("outside", "it needs the network and your keys, which are hidden from it")
HIDES = Walled("outside", "it reads what is hidden from it")
REFUSED = Walled("outside", "it does what the sandbox does not permit")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("curl: (6) Could not resolve host: example.org", NETWORK),
        ("connect: Network is unreachable", NETWORK),
        ("npm error code EAI_AGAIN", NETWORK),
        ("socket.gaierror: [Errno -3] Temporary failure in name resolution", NETWORK),
        ("dial tcp: lookup proxy.golang.org: no such host", NETWORK),
        ("OSError: [Errno 101] Network is unreachable", NETWORK),
        ("ssh: Could not resolve hostname github.com: Temporary failure in name resolution", SSH),
        ("ssh: connect to host github.com port 22: Network is unreachable\nfatal: Could not read from remote repository.", SSH),
        ("error: Couldn't load public key /persons/ann/.ssh/id.pub: No such file or directory?", KEYS),
        ("git@github.com: Permission denied (publickey).", KEYS),
        ("error: gpg failed to sign the data", KEYS),
        ("touch: cannot touch '/etc/x': Read-only file system", OUTSIDE),
        ("OSError: [Errno 30] Read-only file system: '/usr/x'", OUTSIDE),
        ("sh: .git/hooks/pre-commit: Read-only file system", Walled("outside", "/project/.git/hooks is protected")),
        (
            "error: could not write config file .git/config: Device or resource busy",
            Walled("outside", "/project/.git/config is protected"),
        ),
        ("mv: cannot move '.git' to 'x': Device or resource busy", Walled("outside", "/project/.git is protected")),
        ("mkdir: cannot create directory '.vscode': File exists", Walled("outside", "/project/.vscode is protected")),
        ("bash: .envrc: Is a directory", Walled("outside", "/project/.envrc is protected")),
        ("cat: /persons/ann/.ssh/id: Permission denied", HIDES),
        ("cat: /persons/ann/.ssh/id: No such file or directory", HIDES),
        ("ls: cannot access '/persons/ann/.ssh': No such file or directory", HIDES),
        ("cat: /persons/ann/.ssh-old: No such file or directory", None),
        (
            "Cannot connect to the Docker daemon at unix:///x",
            Walled("outside", "it talks to another program (Cannot connect to the Docker daemon)"),
        ),
        ("PermissionError: [Errno 1] Operation not permitted", REFUSED),
        ("bwrap: Can't mount proc: Operation not permitted", Walled("outside", "the sandbox could not be set up")),
        ("warning: unable to access '/project/.gitmodules': Is a directory\nfatal: Need to specify how to reconcile", None),
        ("FAILED test_a.py::test_b - assert 1 == 2", None),
        ("cat: secret: Permission denied", None),
        ("mkdir: cannot create directory 'src': File exists", None),
        ("", None),
    ],
)
def test_a_failure_is_told_apart_by_what_it_printed(said: str, why: Walled | None) -> None:
    assert walled("full", 1, f"{said}\nbuilding failed\n", GUARD, HIDDEN, network=False) == why


def test_what_git_could_not_write_is_said_though_it_went_on() -> None:
    said = "error: unable to create file .vscode/s.json: Read-only file system\nSwitched to branch 'other'\n"
    assert passed_over(said * 2, GUARD) == (
        "/project/.vscode is protected: git left files of it as they were and went on; have them restored outside the sandbox"
        " before anything is committed"
    )
    assert passed_over("error: unable to create file src/a: Read-only file system\n.vscode\n", GUARD) == ""


@pytest.mark.parametrize("status", [0, None])
def test_what_did_not_fail_was_not_kept_from_anything(status: int | None) -> None:
    assert walled("full", status, "Network is unreachable", GUARD, HIDDEN, network=False) is None


@pytest.mark.parametrize("status", [-31, 159])
def test_a_program_that_the_filter_ended_is_told_of(status: int) -> None:
    assert walled("full", status, "", Guard(), (), network=False) == Walled(
        "outside", "it is made for another processor, whose calls the sandbox does not know"
    )


def test_with_the_network_on_a_host_that_is_not_there_is_no_wall() -> None:
    assert walled("full", 1, "Could not resolve host: nowhere", GUARD, HIDDEN, network=True) is None


def test_in_the_partial_one_any_denial_may_be_its_doing() -> None:
    assert walled("partial", 1, "touch: /x: Permission denied", Guard(), (), network=False) is not None


def test_only_the_end_of_a_flood_is_read() -> None:
    assert walled("full", 1, "Network is unreachable\n" + "x" * 100_000, GUARD, HIDDEN, network=False) is None
