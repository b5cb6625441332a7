"""read_file, list_dir, glob and grep: windows and lists that say how much there is."""

import os
import shutil

import pytest

from flowchat.tools.glob import Glob
from flowchat.tools.globs import compile_glob
from flowchat.tools.grep import Grep
from flowchat.tools.tool import INLINE_LIMIT_BYTES, BadArguments, NotDone, Outcome, Reach
from flowchat.transcript.entries import FileTouched

from .conftest import Bench

NOTHING = "[no matches; ignored files and credential files were skipped]"
RIPGREP = [pytest.param(name, id=name or "own") for name in ("rg", "") if not name or shutil.which(name)]


@pytest.mark.parametrize(
    ("content", "args", "summary", "text"),
    [
        ("one\ntwo\n", {}, "1-2 of 2", "1\tone\n2\ttwo"),
        ("one\ntwo", {}, "1-2 of 2", "1\tone\n2\ttwo"),
        ("one\r\ntwo\r\n", {}, "1-2 of 2", "1\tone\n2\ttwo"),
        ("\ufeffone\n", {}, "1-1 of 1", "1\tone"),
        ("\n\n", {}, "1-2 of 2", "1\t\n2\t"),
        ("", {}, "empty", "[the file is empty]"),
        (b"\xe9t\xe9\n", {}, "1-1 of 1", "1\t\ufffdt\ufffd"),
        ("a\nb\nc\nd\n", {"offset": 2, "limit": 2}, "2-3 of 4", "2\tb\n3\tc\n[lines 2-3 of 4; continue with offset 4]"),
        ("a\nb\nc\nd", {"offset": 4}, "4-4 of 4", "4\td"),
        ("x" * 5000 + "\nend\n", {}, "1-2 of 2", f"1\t{'x' * 2000} [3,000 more bytes in this line]\n2\tend"),
    ],
)
async def test_a_file_is_read_as_numbered_lines(
    bench: Bench, content: str | bytes, args: dict[str, object], summary: str, text: str
) -> None:
    file = bench.file("a", content)
    outcome = await bench.call("read_file", path="a", **args)
    touched = FileTouched(str(file), outcome.files[0].sha256, "read")
    assert outcome == Outcome(summary, text, files=(touched,))


async def test_a_long_file_is_read_window_by_window_without_a_gap(bench: Bench) -> None:
    lines = [f"line {number} {'x' * (number % 150)}" for number in range(1, 40_001)]
    bench.file("long", "\n".join(lines))
    offset, read = 1, []
    while len(read) < 2_000:
        outcome = await bench.call("read_file", path="long", offset=offset)
        assert len(outcome.content.encode()) <= INLINE_LIMIT_BYTES
        window = [line.partition("\t")[2] for line in outcome.content.splitlines()[:-1]]
        read += window
        assert outcome.summary == f"{offset}-{offset + len(window) - 1} of 40000"
        offset += len(window)
    assert read == lines[: len(read)]


async def test_a_line_longer_than_memory_should_hold_is_cut_where_it_is_read(bench: Bench) -> None:
    bench.file("wide", b"a\n" + b"x" * 20_000_000 + b"\nz\n")
    outcome = await bench.call("read_file", path="wide")
    assert outcome.content == f"1\ta\n2\t{'x' * 2000} [19,998,000 more bytes in this line]\n3\tz"


async def test_past_the_end_there_is_nothing_to_read(bench: Bench) -> None:
    bench.file("a", "one\ntwo\n")
    with pytest.raises(NotDone, match="has 2 lines: there is no line 3"):
        await bench.call("read_file", path="a", offset=3)
    with pytest.raises(BadArguments):
        await bench.call("read_file", path="a", offset=0)


async def test_what_was_cut_is_read_from_its_blob(bench: Bench) -> None:
    kept = await bench.keep(b"one\ntwo\n", "text/plain")
    assert await bench.call("read_file", path=f"blob:{kept.sha256}", offset=2) == Outcome("2-2 of 2", "2\ttwo")
    with pytest.raises(NotDone, match="is not kept"):
        await bench.call("read_file", path=f"blob:{'0' * 64}")


def tree(bench: Bench) -> None:
    bench.file(".gitignore", "*.log\nbuild/\n!keep.log\n")
    bench.file("sub/.gitignore", "secret.txt\n")
    bench.file(".git/config", "needle")
    names = (
        "a.py",
        "sub/b.py",
        "sub/deep/c.ts",
        "x.log",
        "keep.log",
        "build/out.py",
        "sub/secret.txt",
        ".github/ci.yml",
        "sub/d.md",
    )
    for name in names:
        bench.file(name, f"first\nneedle in {name}\nNeedle\nlast\n")
    (bench.workspace / "linked").symlink_to(bench.workspace.parent)


@pytest.mark.parametrize("program", RIPGREP)
async def test_a_file_whose_name_is_two_lines_is_never_taken_for_another(bench: Bench, program: str) -> None:
    bench.file("one\ntwo", "needle\n")
    assert (await bench.run(Grep(program), {"pattern": "needle"}, Reach("read", (bench.workspace,)))).content == NOTHING


@pytest.mark.parametrize(
    ("args", "found"),
    [
        ({"pattern": "*.py"}, ["a.py", "sub/b.py"]),
        ({"pattern": "./*/*.py"}, ["sub/b.py"]),
        ({"pattern": "**/*.{py,ts}"}, ["a.py", "sub/b.py", "sub/deep/c.ts"]),
        ({"pattern": "sub/**"}, ["sub/.gitignore", "sub/b.py", "sub/d.md", "sub/deep/c.ts"]),
        ({"pattern": "*.ts", "path": "sub"}, ["sub/deep/c.ts"]),
        ({"pattern": "*.log"}, ["keep.log"]),
        ({"pattern": "*.yml"}, [".github/ci.yml"]),
        ({"pattern": "out.py", "path": "build"}, ["build/out.py"]),
        ({"pattern": "config"}, []),
    ],
)
async def test_files_are_found_by_pattern_in_a_fixed_order(bench: Bench, args: dict[str, object], found: list[str]) -> None:
    tree(bench)
    outcome = await bench.call("glob", **args)
    empty = "[no matches; ignored files and credential files were skipped]"
    assert outcome.content == ("\n".join(found) or empty)
    assert outcome.summary == {0: "no files", 1: "1 file"}.get(len(found), f"{len(found)} files")


@pytest.mark.parametrize("pattern", ["../*", "/etc/*", "~/x", "a" * 501, "*" * 11])
async def test_a_pattern_that_leaves_the_folder_or_never_ends_is_refused(bench: Bench, pattern: str) -> None:
    with pytest.raises(BadArguments):
        await bench.call("glob", pattern=pattern)


async def test_long_lists_say_how_much_more_there_is(bench: Bench) -> None:
    for number in range(250):
        bench.file(f"f{number:03}", "needle\n")
    listed = await bench.call("glob", pattern="f*")
    assert (listed.summary, listed.content.splitlines()[199:]) == ("250 files", ["f199", "[50 more]"])
    listed = await bench.call("list_dir")
    assert (listed.summary, listed.content.splitlines()[199:]) == ("250 entries", ["f199  7", "[50 more]"])
    found = await bench.call("grep", pattern="needle")
    assert (found.summary, found.content.splitlines()[-3:]) == ("250 matches", ["f199", "1:needle", "[50 more matches]"])


async def test_a_folder_is_listed_with_what_each_entry_is(bench: Bench) -> None:
    tree(bench)
    outcome = await bench.call("list_dir")
    assert outcome == Outcome(
        "6 entries",
        f".github/\n.gitignore  23\na.py  33\nkeep.log  37\nlinked -> {bench.workspace.parent}\nsub/\n[2 ignored by .gitignore]",
    )
    (bench.workspace / "none").mkdir()
    assert await bench.call("list_dir", path="none") == Outcome("no entries", "[the folder is empty]")
    with pytest.raises(NotDone, match="is not a folder"):
        await bench.call("list_dir", path="a.py")


@pytest.mark.parametrize("program", RIPGREP)
@pytest.mark.parametrize(
    ("args", "summary", "content"),
    [
        ({"pattern": "needle", "path": "sub"}, "3 matches", "sub/b.py\n2:needle in sub/b.py\nsub/d.md\n2:needle in sub/d.md\n"
         "sub/deep/c.ts\n2:needle in sub/deep/c.ts"),
        ({"pattern": "^need", "glob": "*.py"}, "2 matches", "a.py\n2:needle in a.py\nsub/b.py\n2:needle in sub/b.py"),
        ({"pattern": "NEEDLE$", "glob": "*.py", "ignore_case": True}, "2 matches", "a.py\n3:Needle\nsub/b.py\n3:Needle"),
        ({"pattern": "Needle", "path": "a.py", "context": 1}, "1 match", "a.py\n2-needle in a.py\n3:Needle\n4-last"),
        ({"pattern": "first|last", "path": "a.py", "context": 0}, "2 matches", "a.py\n1:first\n4:last"),
        ({"pattern": "-v", "path": "a.py"}, "no matches", NOTHING),
        ({"pattern": "needle in .git/config"}, "no matches", NOTHING),
        ({"pattern": "needle in (build|x.log|sub/secret)"}, "no matches", NOTHING),
    ],
)  # fmt: skip
async def test_lines_are_found_the_same_with_and_without_ripgrep(
    bench: Bench, program: str, args: dict[str, object], summary: str, content: str
) -> None:
    tree(bench)
    tool, given = Grep(program), bench.parsed("grep", args)[1]
    assert await bench.run(tool, given, tool.reach(given, bench.workspace)) == Outcome(summary, content)


@pytest.mark.parametrize("program", RIPGREP)
async def test_a_pattern_that_is_none_is_said_back(bench: Bench, program: str) -> None:
    with pytest.raises(BadArguments, match=r"'\(' is not a valid pattern: "):
        await bench.run(Grep(program), {"pattern": "("}, Reach("read", (bench.workspace,), below=True))


@pytest.mark.parametrize("program", RIPGREP)
async def test_binary_files_and_pipes_are_not_searched(bench: Bench, program: str) -> None:
    bench.file("bits", b"\0needle\n")
    os.mkfifo(bench.workspace / "pipe")
    bench.file("text", "needle\n" + "x" * 3000 + "needle\n")
    outcome = await bench.run(Grep(program), {"pattern": "needle"}, Reach("read", (bench.workspace,), below=True))
    assert outcome.summary == "2 matches"
    assert outcome.content.startswith("text\n1:needle\n2:xxxx")
    assert max(map(len, outcome.content.splitlines())) <= 510


@pytest.mark.parametrize("program", RIPGREP)
async def test_where_keys_lie_is_searched_only_if_the_call_names_it_for_then_the_policy_asks(bench: Bench, program: str) -> None:
    names = [".npmrc", ".NetRC", ".pypirc", "sub/.git-credentials", ".ssh/id", "sub/.AWS/credentials", ".gnupg/x"]
    for name in (*names, "a.py"):
        bench.file(name, f"needle in {name}\n")

    async def found(**args: object) -> tuple[str, str]:
        given = bench.parsed("grep", args)[1]
        return bench.judged("grep", **args).decision, (
            await bench.run(Grep(program), given, Grep().reach(given, bench.workspace))
        ).content

    assert await found(pattern="needle") == ("allow", "a.py\n1:needle in a.py")
    assert await found(pattern="needle", path="sub") == ("allow", NOTHING)
    assert await found(pattern="needle", glob="**/.*rc") == ("allow", NOTHING)
    assert await found(pattern="needle", path=".npmrc") == ("ask", ".npmrc\n1:needle in .npmrc")
    assert await found(pattern="needle", path=".ssh") == ("ask", ".ssh/id\n1:needle in .ssh/id")
    assert (await bench.call("glob", pattern="**")).content == "a.py"


async def test_searching_stops_where_there_is_far_more_than_is_shown(bench: Bench) -> None:
    bench.file("many", "needle\n" * 400_000)
    outcome = await bench.call("grep", pattern="needle")
    assert outcome.summary.startswith("at least ")
    assert len(outcome.content.splitlines()) == 202


async def test_a_search_may_not_enter_what_is_no_folder_of_files(bench: Bench) -> None:
    for tool, args in ((Glob(), {"pattern": "*", "path": "/proc"}), (Grep(), {"pattern": "KEY", "path": "/proc/self"})):
        with pytest.raises(NotDone, match="not a file but part of "):
            await bench.run(tool, args, tool.reach(args, bench.workspace))


@pytest.mark.parametrize(
    ("pattern", "fits", "fits_not"),
    [
        ("**", ["a", "a/b"], []),
        ("src/**", ["src", "src/a", "src/a/b"], ["srcx", "a/src"]),
        ("**/b", ["b", "a/b", "a/x/b"], ["ab", "b/a"]),
        ("a/*", ["a/b"], ["a", "a/b/c"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["ab"]),
        ("?.p[yx]", ["a.py", "b.px"], ["aa.py", "/.py", "a.pz"]),
        ("[!a-c]x", ["dx"], ["ax", "/x"]),
        ("{a,b{c,d}}.x", ["a.x", "bc.x", "bd.x"], ["b.x"]),
        ("a{b", ["a{b"], ["ab"]),
        ("a,b", ["a,b"], ["a", "b"]),
        ("a.b(c)+[", ["a.b(c)+["], ["axb(c)+["]),
        ("x\ny", ["x\ny"], ["x"]),
        ("*a*b", ["aab", "xaxb", "abab"], ["ba", "a/b"]),
        ("a*b?*[cd]*e", ["abxce", "abbxxdxe", "axbbxcde"], ["abce", "abx/ce", "abxc"]),
        ("*/*a*/x", ["b/bab/x"], ["b/x", "a/x"]),
        ("{*a*,b*}c", ["ac", "xaxc", "bxc"], ["xc"]),
        ("*a*a*a*a*a*a*a*a*ab", [f"{'a' * 200}b"], ["a" * 250]),
    ],
)
def test_patterns_mean_what_they_do_elsewhere(pattern: str, fits: list[str], fits_not: list[str]) -> None:
    match = compile_glob(pattern).match
    assert [path for path in (*fits, *fits_not) if match(path)] == fits
