"""A conversation as markdown: nothing it contains changes how the rest of it reads."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from flowchat.store.memory import MemoryBlobs, MemoryLog
from flowchat.transcript.document import closed, markdown
from flowchat.transcript.entries import (
    AssistantSaid,
    Blob,
    BlobRef,
    Call,
    Compacted,
    Edited,
    Entry,
    HeadMoved,
    Node,
    Noticed,
    Record,
    RunEnded,
    SessionStarted,
    Text,
    Thinking,
    TitleSet,
    ToolAnswered,
    UserSaid,
    type_name,
)
from flowchat.transcript.transcript import Transcript

STARTED = SessionStarted("s1", "/w", "1", "demo", "default", "You are a test.", ())


def book(*entries: Entry) -> Transcript:
    records: list[Record] = []
    head = 0
    for seq, entry in enumerate((STARTED, *entries), 1):
        records.append(Record(seq, 0, head if isinstance(entry, Node) else None, type_name(entry), entry))
        head = seq if isinstance(entry, Node) else getattr(entry, "to", head)
    return Transcript(MemoryLog(), MemoryBlobs(), records)


def document(*entries: Entry, everything: bool = False) -> str:
    read = book(*entries)
    told = lambda ref: f"the text of {ref.sha256}"
    return "".join(markdown(read.records(), read.branch(), read.facts, told, everything))


def user(text: str) -> UserSaid:
    return UserSaid(text, (Text(text),))


def said(text: str, *calls: Call) -> AssistantSaid:
    return AssistantSaid(1, 1, 1, "demo", (*((Text(text),) if text else ()), *calls), "stop")


def without_times(text: str) -> str:
    return "\n".join(line.partition(", 1970")[0].partition(", 1969")[0] for line in text.split("\n"))


def test_a_reader_finds_title_messages_calls_and_what_went_wrong_in_order() -> None:
    text = document(
        TitleSet("Fix *rounding*", "user"),
        user("The total\nis off."),
        AssistantSaid(1, 1, 1, "demo", (Thinking("Hm."), Text("I look."), Call("a", "grep", '{"pattern": "<b>"}')), "calls"),
        ToolAnswered("4.0", "ok", "1 match", "```\na\n```\n", diff="-1\n+2"),
        said("It is *here*."),
        Noticed("info", "x", "A notice."),
        RunEnded(1, "failed", message="the key was refused"),
    )
    body = without_times(text).partition("- Model: demo\n")[2].partition("\n\n")[2]
    assert text.startswith("# Fix \\*rounding\\*\n\n- Session: s1\n- Folder: /w\n- Model: demo\n- From: ")
    assert body.split("\n") == [
        "## You", "", "> The total", "> is off.", "",
        "## demo", "",
        "<details>", "<summary>Thinking</summary>", "", "> Hm.", "", "</details>", "",
        "I look.", "",
        "<details>", '<summary>grep {"pattern": "&lt;b&gt;"} (ok, 1 match)</summary>', "",
        "```json", '{"pattern": "<b>"}', "```", "",
        "```diff", "-1", "+2", "```", "",
        "````", "```", "a", "```", "````", "", "</details>", "",
        "It is *here*.", "",
        "*A notice.*", "",
        "*The run was not completed (failed): the key was refused*", "", "",
    ]  # fmt: skip


def test_what_is_kept_beside_the_log_is_read_and_an_edit_stands_in_the_message_s_place() -> None:
    ref = BlobRef("abc", 3, "text/plain")
    text = document(
        UserSaid("a", (Blob(ref),)), ToolAnswered("2.0", "ok", "", "cut", ref), user("former"), Edited(4, (Text("new"),))
    )
    assert (text.count("the text of abc"), "cut" in text, "former" in text, "> new\n" in text) == (2, False, False, True)
    assert "(edited)" in text


def test_a_call_without_an_answer_and_a_compaction_are_told_too() -> None:
    text = document(user("a"), said("", Call("a", "shell", "{}")), Compacted(3, "The summary.", 9000, 800, "user", "summary"))
    assert "<summary>shell {} (no answer)</summary>" in text
    assert "<summary>Compacted: 9,000 to 800 tokens</summary>\n\n```\nThe summary.\n```" in text


def test_the_other_branches_are_left_out_unless_everything_is_asked_for() -> None:
    entries: Sequence[Entry] = (user("first"), said("one"), HeadMoved(1), user("second"), said("two"))
    assert [word in document(*entries) for word in ("first", "one", "second", "two")] == [False, False, True, True]
    whole = document(*entries, everything=True)
    assert [whole.count(f"> {word}\n") for word in ("first", "second")] == [1, 1]
    assert whole.index("two") < whole.index("# Another branch") < whole.index("first") < whole.index("one")


def test_what_a_message_opens_ends_with_it() -> None:
    assert closed("a\n```py\nx = 1") == "a\n```py\nx = 1\n```"
    assert closed("~~~~\n```\n~~~") == "~~~~\n```\n~~~\n~~~~"
    assert closed("see <!-- and <details>") == "see &lt;!-- and &lt;details>"
    assert closed("`<b>` ``a ` <i>`` <https://a.example/x> 1 < 2") == "`<b>` ``a ` <i>`` <https://a.example/x> 1 < 2"
    assert closed("```\n<b>\n```\n<b>") == "```\n<b>\n```\n&lt;b>"


def test_foreign_control_characters_do_not_get_into_the_document() -> None:
    text = document(user("a\x1b]0;x\x07"), said("b\x1b[2J"), ToolAnswered("9.0", "ok", "\x1b[2J", "c\x9b2J\u202e"))
    assert [character for character in text if character in "\x1b\x07\x9b\u202e"] == []


@given(st.text(st.sampled_from("`~ \nab<>/"), max_size=60))
def test_no_output_ends_its_own_fence(output: str) -> None:
    text = document(
        user("q"), said("", Call("a", "shell", "")), ToolAnswered("3.0", "ok", "", output), Noticed("info", "x", "After.")
    )
    lines = text.split("\n")
    fences = [line for line in lines if line.startswith("```") and not line.strip("`")]
    longest = max(fences, key=len, default="")
    if output:
        begin = lines.index(longest)
        end = lines.index(longest, begin + 1)
        assert "\n".join(lines[begin + 1 : end]).rstrip("\n") == output.rstrip("\n")
        assert lines[end + 1 : end + 3] == ["", "</details>"]
    assert text.endswith("*After.*\n\n")
