"""Who hears what: merging, order and numbers; and what of it is drafted."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from flowchat.runtime.drafting import DRAFT_SECONDS, Drafting
from flowchat.runtime.hearing import FLUSH_SECONDS, OUTPUT_LIMIT_CHARS, Hearing
from flowchat.store.memory import MemoryBlobs, MemoryLog
from flowchat.transcript.draft import CallFragment, DraftLine, DraftOutput, decode_draft
from flowchat.transcript.entries import AssistantSaid, Record, Text
from flowchat.transcript.events import (
    AttemptWithdrawn,
    CallDelta,
    Event,
    Heard,
    OutputDelta,
    StateDelta,
    TextDelta,
    ThinkingDelta,
)
from flowchat.transcript.transcript import Transcript
from tests.desk import HandClock


def word(text: str, attempt: int = 1) -> TextDelta:
    return TextDelta(1, 1, attempt, text)


def hearing() -> tuple[Hearing, HandClock, list[Heard]]:
    clock = HandClock()
    hearing = Hearing(clock)
    heard: list[Heard] = []
    hearing.watch(heard.append)
    return hearing, clock, heard


def said() -> Record:
    return Record(9, 0, 8, "assistant_said", AssistantSaid(1, 1, 1, "m", (Text("ab"),), "stop"))


async def test_words_that_come_together_are_heard_together() -> None:
    ear, clock, heard = hearing()
    ear.emit(word("a"))
    await clock.pass_seconds(0)
    for text in "bcd":
        ear.emit(word(text))
    await clock.pass_seconds(FLUSH_SECONDS)
    assert [one.event for one in heard] == [word("a"), word("bcd")]
    assert [one.i for one in heard] == [1, 2]


async def test_what_is_held_back_is_heard_before_an_entry() -> None:
    ear, _, heard = hearing()
    record = said()
    ear.emit(word("a"))
    ear.publish(record)
    assert [one.event for one in heard] == [word("a"), record]


async def test_other_news_is_heard_at_once_and_in_its_place() -> None:
    ear, _, heard = hearing()
    ear.emit(word("a"))
    ear.emit(StateDelta("idle"))
    assert [one.event for one in heard] == [word("a"), StateDelta("idle")]


async def test_thinking_and_text_keep_their_order() -> None:
    ear, clock, heard = hearing()
    thought = ThinkingDelta(1, 1, 1, "hm")
    for delta in (thought, word("a"), word("b"), thought):
        ear.emit(delta)
    await clock.pass_seconds(1)
    assert [one.event for one in heard] == [thought, word("ab"), thought]


async def test_outputs_of_two_calls_are_merged_each_for_itself() -> None:
    ear, clock, heard = hearing()
    for number in range(3):
        ear.emit(OutputDelta("1.0", f"a{number}"))
        ear.emit(OutputDelta("1.1", f"b{number}"))
    await clock.pass_seconds(1)
    assert [one.event for one in heard] == [OutputDelta("1.0", "a0a1a2"), OutputDelta("1.1", "b0b1b2")]


async def test_a_flood_is_heard_by_its_end() -> None:
    ear, clock, heard = hearing()
    ear.emit(OutputDelta("1.0", "x" * OUTPUT_LIMIT_CHARS + "end"))
    await clock.pass_seconds(1)
    assert len(heard[0].event.text) == OUTPUT_LIMIT_CHARS
    assert heard[0].event.text.endswith("end")


async def test_a_watchers_bug_is_its_own() -> None:
    ear, _, heard = hearing()

    def broken(one: Heard) -> None:
        raise RuntimeError("no")

    ear.watch(broken)
    ear.emit(StateDelta("idle"))
    ear.emit(StateDelta("closed"))
    assert [one.event.state for one in heard] == ["idle", "closed"]


async def test_who_stops_hears_no_more() -> None:
    ear, _, _ = hearing()
    heard: list[Heard] = []
    stop = ear.watch(heard.append)
    stop()
    ear.emit(StateDelta("idle"))
    assert heard == []


@given(st.lists(st.sampled_from(["text", "thinking", "call", "output", "state"]), max_size=40))
def test_nothing_is_lost_or_reordered_whatever_comes(kinds: list[str]) -> None:
    import asyncio

    async def play() -> None:
        ear, clock, heard = hearing()
        given_words: dict[str, str] = {}
        makers: dict[str, Callable[[str], Event]] = {
            "text": word,
            "thinking": lambda text: ThinkingDelta(1, 1, 1, text),
            "call": lambda text: CallDelta(1, 1, 1, 0, "t", text),
            "output": lambda text: OutputDelta("1.0", text),
            "state": lambda _: StateDelta("idle"),
        }
        for number, kind in enumerate(kinds):
            ear.emit(makers[kind](f"{number},"))
            given_words[kind] = given_words.get(kind, "") + f"{number},"
            if number % 7 == 0:
                await clock.pass_seconds(0.01)
        ear.flush()
        got: dict[str, str] = {}
        for one in heard:
            event = one.event
            text = event.args if isinstance(event, CallDelta) else getattr(event, "text", "")
            kind = type(event).__struct_config__.tag
            got[str(kind)] = got.get(str(kind), "") + text
        for kind in ("text", "thinking", "call", "output"):
            assert got.get(kind, "") == given_words.get(kind, "")
        assert [one.i for one in heard] == list(range(1, len(heard) + 1))

    asyncio.run(play())


# --- the draft -------------------------------------------------------------------------------------------------------
class DraftLog(MemoryLog):
    """Keeps what is drafted; counts the writes."""

    def __init__(self) -> None:
        self.drafts: list[bytes] = []

    def draft(self, lines: bytes) -> None:
        self.drafts.append(lines)


async def test_the_draft_is_written_at_most_every_250_ms_and_holds_the_last_word() -> None:
    clock, log = HandClock(), DraftLog()
    drafting = Drafting(Transcript(log, MemoryBlobs()), clock)
    words = []
    for number in range(300):
        words.append(f"w{number} ")
        drafting.take(word(words[-1]))
        await clock.pass_seconds(0.01)
    await clock.pass_seconds(DRAFT_SECONDS)
    assert 12 <= len(log.drafts) <= 13
    lines = decode_draft(b"".join(log.drafts))
    assert "".join(line.text for line in lines if isinstance(line, DraftLine)) == "".join(words)


async def test_what_became_an_entry_is_drafted_no_more() -> None:
    clock, log = HandClock(), DraftLog()
    drafting = Drafting(Transcript(log, MemoryBlobs()), clock)
    drafting.take(word("ab"))
    drafting.settle(said())
    await clock.pass_seconds(1)
    assert log.drafts == []


async def test_a_withdrawn_attempt_is_drafted_no_more() -> None:
    clock, log = HandClock(), DraftLog()
    drafting = Drafting(Transcript(log, MemoryBlobs()), clock)
    drafting.take(word("wrong"))
    drafting.take(AttemptWithdrawn(1, 1, 1, "busy"))
    drafting.take(word("right", 2))
    await clock.pass_seconds(1)
    assert decode_draft(b"".join(log.drafts)) == [DraftLine(1, 1, 2, text="right")]


async def test_calls_thinking_and_output_are_drafted_too() -> None:
    clock, log = HandClock(), DraftLog()
    drafting = Drafting(Transcript(log, MemoryBlobs()), clock)
    drafting.take(ThinkingDelta(1, 1, 1, "hm"))
    drafting.take(CallDelta(1, 1, 1, 0, "shell", '{"comm'))
    drafting.take(CallDelta(1, 1, 1, 0, "", 'and": 1}'))
    drafting.take(OutputDelta("9.0", "line 1\n"))
    await clock.pass_seconds(1)
    assert decode_draft(b"".join(log.drafts)) == [
        DraftLine(1, 1, 1, thinking="hm"),
        DraftLine(1, 1, 1, fragment=CallFragment(0, "shell", '{"command": 1}')),
        DraftOutput("9.0", "line 1\n"),
    ]


async def test_a_torn_last_line_of_a_draft_is_left_out() -> None:
    whole = b'{"run":1,"step":1,"attempt":1,"text":"ab"}\n'
    assert decode_draft(whole + b'{"run":1,"st') == [DraftLine(1, 1, 1, text="ab")]
