"""Whether a failure is the sandbox's doing."""

from pathlib import Path

import pytest

from flowchat.tools.guard import Guard
from flowchat.tools.tool import Walled
from flowchat.tools.walled import FILES_LIMIT, passed_over, walled

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
CACHE = Walled("outside", "npm finds an empty cache of its own in the sandbox, not the user's")
HIDES = Walled("outside", "it reads what is hidden from it")
REFUSED = Walled("outside", "it does what the sandbox does not permit")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("curl: (6) Could not resolve host: example.org", NETWORK),
        ("connect: Network is unreachable", NETWORK),
        ("npm error code EAI_AGAIN", NETWORK),
        ("npm error code ENOTCACHED", CACHE),
        ("npm ERR! code ENOTCACHED", CACHE),
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


def test_what_the_proxy_turned_away_is_named_with_its_rule() -> None:
    said = "curl: (56) CONNECT tunnel failed, response 403"
    more = Walled(
        "network", "a.org, b.org are off in the sandbox; web_fetch(domain:a.org), web_fetch(domain:b.org) would allow it for good"
    )
    assert walled("full", 56, said, GUARD, HIDDEN, False, ["a.org", "b.org"]) == more
    assert walled("full", 1, "FAILED test_a.py", GUARD, HIDDEN, False, ["a.org"]) is None
    assert walled("full", 56, said, GUARD, HIDDEN, False) is None


TOLD = (
    "protected files left as they were: git could not change {} and went on. Before anything is committed run `{}` alone: it"
    " fails here, and the user is asked to let it run outside the sandbox"
)
FILE = "/project/.vscode/s.json"


@pytest.mark.parametrize(
    ("said", "command"),
    [
        ("error: unable to create file .vscode/s.json: Read-only file system", "git -C /project restore -- .vscode/s.json"),
        ("error: unable to unlink old '.vscode/s.json': Read-only file system", "git -C /project restore -- .vscode/s.json"),
        ("warning: unable to unlink '.vscode/s.json': Read-only file system", f"rm -- {FILE}"),
        ("warning: unable to unlink '.vscode/s.json': Device or resource busy", f"rm -- {FILE}"),
    ],
)
def test_what_git_could_not_write_is_said_though_it_went_on_and_what_to_do(said: str, command: str) -> None:
    assert passed_over(f"{said}\nSwitched to branch 'other'\n" * 2, GUARD) == TOLD.format(FILE, command)


def test_one_command_mends_all_that_git_could_not_write_and_touches_nothing_else() -> None:
    work = Path("/my project")
    guard = Guard(read_only=(work / ".vscode", work / "lib/.envrc"), masked=((work / ".idea", None),))
    names = ("lib/.envrc", ".vscode/a b", ".idea/c/d")
    said = "".join(f"error: unable to unlink old '{name}': Read-only file system\n" for name in names)
    said += "warning: unable to unlink '.vscode/e': Read-only file system\n"
    files = "/my project/lib/.envrc, /my project/.vscode/a b, /my project/.idea/c/d, /my project/.vscode/e"
    restored = "git -C '/my project/lib' restore -- .envrc && git -C '/my project' restore -- '.vscode/a b' .idea/c/d"
    assert passed_over(said, guard) == TOLD.format(files, f"{restored} && rm -- '/my project/.vscode/e'")


def test_of_many_files_that_git_could_not_write_some_are_named_and_none_outside() -> None:
    said = "".join(f"error: unable to create file .vscode/{number}: Read-only file system\n" for number in range(25))
    told = passed_over(f"{said}warning: unable to unlink '.vscode/../../x': Read-only file system\n", GUARD)
    assert f"/project/.vscode/{FILES_LIMIT - 1} and {25 - FILES_LIMIT} more, which `git status` names, and went on" in told
    assert (f".vscode/{FILES_LIMIT}" in told, ".." in told) == (False, False)


def test_what_git_could_not_write_elsewhere_is_not_of_the_guards_doing() -> None:
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
