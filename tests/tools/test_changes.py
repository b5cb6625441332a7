"""write_file and edit_file: exact, seen before, whole or not at all."""

import asyncio
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowchat.tools.differences import DIFF_LIMIT_CHARS, difference
from flowchat.tools.edit_file import edited
from flowchat.tools.tool import BadArguments, Outcome, Refused, ToolError
from flowchat.transcript.entries import BlobRef, FileTouched
from flowchat.transcript.events import Preview

from .conftest import Bench


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


async def test_an_edit_changes_the_one_place_and_tells_all_of_it(bench: Bench) -> None:
    file = bench.file("a.txt")
    await bench.call("read_file", path="a.txt")
    before = file.read_bytes()
    outcome = await bench.call("edit_file", path="a.txt", old="two", new="2\n2½")
    after = "one\n2\n2½\nthree\n".encode()
    assert file.read_bytes() == after
    assert outcome == Outcome(
        "+2 -1",
        "changed a.txt (+2 -1)",
        diff="--- a.txt\n+++ a.txt\n@@ -1,3 +1,4 @@\n one\n-two\n+2\n+2½\n three\n",
        files=(FileTouched(str(file), sha256(after), "write", BlobRef(sha256(before), 14, "application/octet-stream")),),
    )
    assert bench.blobs[sha256(before)] == before


async def test_a_new_file_is_written_with_its_folders(bench: Bench) -> None:
    outcome = await bench.call("write_file", path="src/new.py", content="x = 1")
    assert (bench.workspace / "src/new.py").read_text() == "x = 1"
    assert outcome == Outcome(
        "+1 -0",
        "created src/new.py (+1 -0)",
        diff="--- /dev/null\n+++ src/new.py\n@@ -0,0 +1 @@\n+x = 1\n\\ No newline at end of file\n",
        files=(FileTouched(str(bench.workspace / "src/new.py"), sha256(b"x = 1"), "write"),),
    )


@pytest.mark.parametrize(("tool", "rest"), [("edit_file", {"old": "two", "new": "2"}), ("write_file", {"content": "new"})])
async def test_a_file_unread_or_changed_since_is_not_changed(bench: Bench, tool: str, rest: dict[str, object]) -> None:
    file = bench.file("a.txt")
    with pytest.raises(Refused, match="was not read in this conversation"):
        await bench.call(tool, path="a.txt", **rest)
    await bench.call("read_file", path="a.txt")
    file.write_text("one\ntwo\n3\n")
    with pytest.raises(Refused, match="changed since it was read"):
        await bench.call(tool, path="a.txt", **rest)
    assert file.read_text() == "one\ntwo\n3\n"
    await bench.call("read_file", path="a.txt")
    await bench.call(tool, path="a.txt", **rest)
    await bench.call("edit_file", path="a.txt", old="2" if tool == "edit_file" else "new", new="again")


@pytest.mark.parametrize(
    ("content", "old", "new", "everywhere", "after"),
    [
        (b"a b a", b"b", b"c", False, b"a c a"),
        (b"a b a", b"a", b"c", True, b"c b c"),
        (b"a\r\nb\r\nc\r\n", b"a\nb", b"x\ny\nz", False, b"x\r\ny\r\nz\r\nc\r\n"),
        (b"a\r\nb\r\n", b"b", b"x\ny", False, b"a\r\nx\r\ny\r\n"),
        (b"a\r\nb\n", b"b\n", b"x\n", False, b"a\r\nx\n"),
        (b"\xef\xbb\xbfa\nb", b"a", b"x", False, b"\xef\xbb\xbfx\nb"),
        (b"\xe9t\xe9 one", b"one", b"two", False, b"\xe9t\xe9 two"),
        (b"tail", b"tail", b"", False, b""),
    ],
)
def test_an_edit_leaves_every_other_byte_alone(content: bytes, old: bytes, new: bytes, everywhere: bool, after: bytes) -> None:
    assert edited(content, old, new, everywhere) == after


@pytest.mark.parametrize(
    ("content", "old", "new", "error", "said"),
    [
        (b"a\nb a\n", b"a", b"c", Refused, "2 times (lines 1, 2)"),
        (b"aaa a\nb\na", b"a", b"c", Refused, "5 times (lines 1, 3)"),
        (b"aa\n", b"a", b"c", Refused, "2 times (line 1)"),
        (b"a\n" * 9, b"a", b"c", Refused, "9 times (lines 1, 2, 3, 4, 5, …)"),
        (b"def total(items):\n    pass\n", b"def total(item):", b"", Refused, "the closest line is 1: def total(items):"),
        (b"if x:\n    y()\n", b"if x:\n  y()", b"", Refused, "its first line matches line 1"),
        (b"abc\n", b"zzzzzzz", b"", Refused, "no line is similar"),
        (b"abc\n", b"", b"x", BadArguments, "old is empty"),
        (b"abc\n", b"abc", b"abc", BadArguments, "are the same"),
    ],
)
def test_an_edit_that_does_not_fit_says_what_to_do(
    content: bytes, old: bytes, new: bytes, error: type[ToolError], said: str
) -> None:
    with pytest.raises(error) as refused:
        edited(content, old, new, False)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("was", "content", "after"),
    [
        (b"a\r\nb\r\n", "x\ny\n", b"x\r\ny\r\n"),
        (b"a\r\nb\r\n", "x\r\ny\n", b"x\r\ny\r\n"),
        (b"a\r\nb\n", "x\ny\n", b"x\ny\n"),
        (b"a\nb\n", "x\r\n", b"x\r\n"),
        (b"\xef\xbb\xbfa\n", "x\n", b"\xef\xbb\xbfx\n"),
        (b"\xef\xbb\xbfa\n", "\ufeffx\n", b"\xef\xbb\xbfx\n"),
    ],
)
async def test_a_file_replaced_keeps_what_reading_does_not_show(bench: Bench, was: bytes, content: str, after: bytes) -> None:
    file = bench.file("a.txt", was)
    await bench.call("read_file", path="a.txt")
    await bench.call("write_file", path="a.txt", content=content)
    assert file.read_bytes() == after


async def test_an_edit_that_would_make_a_file_without_bounds_is_refused_before_it_is_made(bench: Bench) -> None:
    file = bench.file("a.txt", "x" * 1_000_000)
    await bench.call("read_file", path="a.txt")
    with pytest.raises(BadArguments, match=r"the file would have 1,000,000,000,000 bytes; one that is changed may have 16 MiB"):
        await bench.call("edit_file", path="a.txt", old="x", new="y" * 1_000_000, all=True)
    assert file.read_text() == "x" * 1_000_000


@pytest.mark.parametrize(("tool", "rest"), [("edit_file", {"old": "two", "new": "2"}), ("write_file", {"content": "new"})])
async def test_a_path_that_names_a_folder_is_not_written_as_a_file(bench: Bench, tool: str, rest: dict[str, object]) -> None:
    with pytest.raises(BadArguments, match="'new/' names a folder: name a file"):
        await bench.call(tool, path="new/", **rest)
    assert list(bench.workspace.iterdir()) == []


@given(st.binary(max_size=60), st.binary(min_size=1, max_size=8), st.binary(max_size=8), st.binary(max_size=60))
def test_an_edit_puts_new_for_old_or_refuses(before: bytes, old: bytes, new: bytes, after: bytes) -> None:
    content = before + old + after
    try:
        result = edited(content, old, new, False)
    except ToolError:
        assert content.count(old) != 1 or old.replace(b"\r", b"") == new.replace(b"\r", b"") or b"\n" in old
        return
    assert result.replace(b"\r", b"") == (before + new + after).replace(b"\r", b"")


_lines = st.lists(st.sampled_from(["a", "b", "c", "", "é"]), max_size=12).map("\n".join)


@given(_lines, _lines)
def test_a_difference_leads_from_one_text_to_the_other(before: str, after: str) -> None:
    found = difference(before, after, "f")
    assert _patched(before, found.diff) == after
    assert (found.diff == "") == (before == after)


def test_a_difference_is_bounded_however_much_changed() -> None:
    found = difference("".join(f"{n}\n" for n in range(50_000)), "".join(f"{-n}\n" for n in range(50_000)), "f")
    assert (found.added, found.removed) == (49_999, 49_999)
    assert len(found.diff) <= DIFF_LIMIT_CHARS + 100
    assert found.diff.endswith("more lines of the diff are not shown]\n")


def test_the_preview_shows_what_would_change_and_changes_nothing(bench: Bench) -> None:
    assert bench.preview("write_file", path="a", content="x\n") == Preview(
        "Create a?", (("lines", "+1 -0"),), "--- /dev/null\n+++ a\n@@ -0,0 +1 @@\n+x\n", "diff"
    )
    assert list(bench.workspace.iterdir()) == []


async def test_a_write_cancelled_at_any_moment_is_done_and_told_or_not_done(bench: Bench) -> None:
    file = bench.file("a.txt", "0\n")
    await bench.call("read_file", path="a.txt")
    done = 0
    for number in range(1, 60):
        before = file.read_text()
        task = asyncio.create_task(bench.call("write_file", path="a.txt", content=f"{number}\n"))
        await asyncio.wait({task}, timeout=number / 20_000)
        task.cancel()
        await asyncio.wait({task})
        told = not task.cancelled()
        assert file.read_text() == (f"{number}\n" if told else before)
        done += told
    assert done > 0
    assert [path.name for path in bench.workspace.iterdir()] == ["a.txt"]


def _patched(before: str, diff: str) -> str:
    """The text after a unified diff of whole context, applied by hand."""
    lines = before.split("\n")
    out: list[str] = []
    at = 0
    body = diff.split("\n")[2:-1] if diff else []
    pending_newline = True
    for index, line in enumerate(body):
        if line.startswith("@@"):
            start, _, length = line.split(" ")[1][1:].partition(",")
            first = int(start) - (0 if length == "0" else 1)
            out += lines[at:first]
            at = first
        elif line.startswith("-"):
            at += 1
        elif line.startswith("+"):
            out.append(line[1:])
            pending_newline = not (index + 1 < len(body) and body[index + 1].startswith("\\"))
        elif line.startswith(" "):
            out.append(line[1:])
            at += 1
            pending_newline = not (index + 1 < len(body) and body[index + 1].startswith("\\"))
    rest = lines[at:]
    if not body:
        return before
    if rest and rest != [""]:
        return "\n".join([*out, *rest])
    return "\n".join(out) + ("\n" if pending_newline and out else "")
