"""Paths and files that are not what they seem: nothing outside is written, nothing odd is opened."""

import asyncio
import ctypes
import os
import stat
from pathlib import Path

import pytest

from flowchat.tools.tool import BadArguments, NotDone, Refused, ToolError

from .conftest import Bench


@pytest.mark.parametrize(
    ("make", "path", "said"),
    [
        (None, "/proc/self/environ", "part of /proc"),
        (None, "/dev/zero", "part of /dev"),
        (None, "/dev/stdin", "not a file but part of "),
        (lambda at: (at / "env").symlink_to("/proc/self/environ"), "env", "part of /proc"),
        (lambda at: os.mkfifo(at / "pipe"), "pipe", "is a pipe, not a file"),
        (lambda at: (at / "folder").mkdir(), "folder", "is a folder, not a file"),
        (lambda at: _sparse(at / "sparse", 10_000_000_000), "sparse", "10,000,000,000 bytes"),
        (lambda at: (at / "bits").write_bytes(bytes(range(256))), "bits", "bits is not a text file: use shell (file, xxd)"),
        (lambda at: (at / "wide").write_text("hi", "utf-16"), "wide", "wide is UTF-16, not UTF-8: use shell (iconv -f UTF-16"),
        (lambda at: (at / "loop").symlink_to("loop"), "loop", "is a broken link"),
        (None, "missing", "does not exist"),
        (None, "missing/file", "does not exist"),
    ],
)
async def test_what_is_no_text_file_is_a_sentence_within_a_second(bench: Bench, make: object, path: str, said: str) -> None:
    if callable(make):
        make(bench.workspace)
    async with asyncio.timeout(1):
        with pytest.raises(NotDone) as refused:
            await bench.call("read_file", path=path)
    assert said in str(refused.value)


@pytest.mark.parametrize("path", ["", "a\0b.txt", "x" * 256, "d/" * 2500 + "x"])
@pytest.mark.parametrize("tool", ["read_file", "write_file", "list_dir"])
async def test_what_no_file_can_be_called_is_refused_before_anything_else(bench: Bench, tool: str, path: str) -> None:
    args = {"path": path, "content": "x"} if tool == "write_file" else {"path": path}
    with pytest.raises(BadArguments):
        await bench.call(tool, **args)


@pytest.mark.parametrize("path", ["\x1b[2Jname.txt", "a\nb", "right\u202eleft.txt", "zero\u200bwidth"])
async def test_a_name_nobody_can_read_is_not_written(bench: Bench, path: str) -> None:
    with pytest.raises(Refused):
        await bench.call("write_file", path=path, content="x")
    assert os.listdir(bench.workspace) == []


@pytest.mark.parametrize(
    "path",
    [
        *(".git/hooks/pre-commit", ".git/config", ".GIT/config", "sub/.git/config", ".flowchat/config.toml", ".envrc"),
        *(".mcp.json", ".vscode/tasks.json", "~/.bashrc", "../out/x", "/etc/x", "away/x", ".bashrc"),
    ],
)
def test_writing_outside_or_to_a_protected_path_is_asked_even_where_edits_are_free(bench: Bench, path: str) -> None:
    (bench.workspace / "away").symlink_to(bench.workspace.parent)
    verdicts = [bench.judged("write_file", mode, path=path, content="x").decision for mode in ("default", "accept-edits", "plan")]
    assert verdicts == ["ask", "ask", "deny"]


async def test_a_folder_swapped_for_a_link_after_the_judgement_is_not_followed(bench: Bench) -> None:
    out = bench.workspace.parent / "out"
    out.mkdir()
    bench.file("swap/inside", "x")
    tool, args = bench.parsed("write_file", {"path": "swap/new.txt", "content": "x"})
    judged = tool.reach(args, bench.workspace)
    (bench.workspace / "swap").rename(bench.workspace / "was")
    (bench.workspace / "swap").symlink_to(out)
    with pytest.raises(Refused):
        await tool.run(args, bench.desk(judged))
    assert os.listdir(out) == []


async def test_a_folder_swapped_again_and_again_while_files_are_written_never_lets_one_out(bench: Bench) -> None:
    out = bench.workspace.parent / "out"
    out.mkdir()
    swap, link = bench.workspace / "swap", bench.workspace / "link"
    swap.mkdir()
    link.symlink_to(out)
    tool = bench.tools.find("write_file")
    assert tool is not None
    outcomes = 0
    for number in range(200):
        args = {"path": f"swap/{number}", "content": "x"}
        reach = tool.reach(args, bench.workspace)
        if not reach.paths[0].is_relative_to(bench.workspace):
            _exchange(swap, link)
            continue
        writing = asyncio.create_task(tool.run(args, bench.desk(reach)))
        await asyncio.wait({writing}, timeout=number % 7 / 5000)
        _exchange(swap, link)
        await asyncio.wait({writing})
        assert writing.exception() is None or isinstance(writing.exception(), ToolError)
        outcomes += 1
    assert outcomes > 50
    assert os.listdir(out) == []


async def test_a_file_with_other_names_is_not_changed(bench: Bench) -> None:
    victim = bench.workspace.parent / "victim"
    victim.write_text("mine")
    os.link(victim, bench.workspace / "h")
    await bench.call("read_file", path="h")
    with pytest.raises(Refused, match="2 names"):
        await bench.call("edit_file", path="h", old="mine", new="yours")
    assert victim.read_text() == "mine"


async def test_a_read_only_file_is_not_replaced(bench: Bench) -> None:
    file = bench.file("a")
    file.chmod(0o444)
    await bench.call("read_file", path="a")
    with pytest.raises(Refused, match=r"read-only \(mode 0444\)"):
        await bench.call("edit_file", path="a", old="two", new="2")
    assert (file.read_text(), os.listdir(bench.workspace)) == ("one\ntwo\nthree\n", ["a"])


async def test_mode_owner_and_attributes_stay(bench: Bench) -> None:
    file = bench.file("run.sh", "#!/bin/sh\necho one\n")
    file.chmod(0o755)
    if os.getuid() == 0:
        os.chown(file, 1234, 2345)
    try:
        os.setxattr(file, "user.note", b"kept")
    except OSError:
        pass
    before = [file.stat().st_mode, file.stat().st_uid, file.stat().st_gid, os.listxattr(file)]
    await bench.call("read_file", path="run.sh")
    await bench.call("edit_file", path="run.sh", old="one", new="two")
    assert file.read_text() == "#!/bin/sh\necho two\n"
    assert [file.stat().st_mode, file.stat().st_uid, file.stat().st_gid, os.listxattr(file)] == before


async def test_a_new_file_has_the_mode_any_program_would_give_it(bench: Bench) -> None:
    (bench.workspace / "plain").touch()
    await bench.call("write_file", path="deep/er/new", content="x")
    new, plain = bench.workspace / "deep/er/new", bench.workspace / "plain"
    assert (new.read_text(), stat.S_IMODE(new.stat().st_mode)) == ("x", stat.S_IMODE(plain.stat().st_mode))


async def test_a_link_to_a_file_stays_a_link_and_its_target_is_changed(bench: Bench) -> None:
    file = bench.file("real")
    (bench.workspace / "link").symlink_to("real")
    await bench.call("read_file", path="link")
    await bench.call("edit_file", path="link", old="two", new="2")
    assert ((bench.workspace / "link").is_symlink(), file.read_text()) == (True, "one\n2\nthree\n")


async def test_a_write_that_fails_leaves_nothing_behind(bench: Bench) -> None:
    (bench.workspace / "taken").mkdir()
    bench.file("file")
    for path in ("taken", "file/below"):
        with pytest.raises(ToolError):
            await bench.call("write_file", path=path, content="x")
    assert sorted(path.name for path in bench.workspace.rglob("*")) == ["file", "taken"]


def _sparse(path: Path, size: int) -> None:
    with open(path, "wb") as file:
        file.truncate(size)


def _exchange(swap: Path, link: Path) -> None:
    """One for the other at once, as an attacker would: renameat2(2) with RENAME_EXCHANGE."""
    at_fdcwd, exchange = -100, 2
    assert ctypes.CDLL(None).renameat2(at_fdcwd, bytes(swap), at_fdcwd, bytes(link), exchange) == 0
