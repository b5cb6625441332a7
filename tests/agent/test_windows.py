"""How large a window turns out to be."""

from pathlib import Path

import pytest
from msgspec import structs

from flowchat.agent.windows import bounded
from flowchat.model.model import ContextOverflow, ModelFacts
from flowchat.model.scripted import fails, says
from flowchat.transcript.entries import AttemptUsed, Noticed, Record, RunEnded, Usage
from flowchat.transcript.facts import SessionFacts
from tests.desk import Desk
from tests.month import Month, MonthModel

ASSUMED = ModelFacts("m", "scripted", 32_768, "assumed", max_output=2_000)


def told(*attempts: AttemptUsed) -> SessionFacts:
    facts = SessionFacts()
    for seq, used in enumerate(attempts, 1):
        facts.take(Record(seq, 0, None, "attempt_used", used))
    return facts


def refusal(window: int, room: int) -> AttemptUsed:
    return AttemptUsed(1, 1, 1, "run", "m", window=window, error="context_overflow", room=room)


def test_a_window_is_no_larger_than_what_was_refused() -> None:
    assert bounded(ASSUMED, told()) == ASSUMED
    facts = told(refusal(32_768, 16_000))
    assert bounded(ASSUMED, facts) == structs.replace(ASSUMED, window=16_000, window_source="refused")
    assert bounded(ASSUMED, told(refusal(32_768, 16_000), refusal(16_000, 9_000))).window == 9_000
    assert bounded(structs.replace(ASSUMED, name="other"), facts).window == 32_768


def test_who_says_another_window_is_believed_again() -> None:
    set_since = structs.replace(ASSUMED, window=20_000, window_source="config")
    assert bounded(set_since, told(refusal(32_768, 16_000))) == set_since


def test_the_settings_have_the_last_word() -> None:
    same = structs.replace(ASSUMED, window_source="config")
    assert bounded(same, told(refusal(32_768, 16_000))) == same


async def test_a_refusal_of_what_the_settings_say_fits_is_told_and_teaches_nothing(desk: Desk) -> None:
    mine = structs.replace(ASSUMED, window_source="config")
    script = [says("a1"), fails(ContextOverflow("too long", 8_192)), says("a2")]
    sitting = desk.open(*script, others={"compact": [says("## Done\nread")], "title": []}, facts=mine)
    for text in ("u1", "u2"):
        await sitting.session.send(text)
        await sitting.session.idle()
    (notice,) = [entry.text for entry in sitting.branch(Noticed) if entry.source == "model"]
    assert notice == (
        "m refused a request as too long, though config.toml gives it a window of 32,768 tokens:"
        ' correct it there, [models."m"] window = 8192'
    )
    assert sitting.session.context.used is not None
    assert sitting.session.context.used.window == 32_768


@pytest.mark.parametrize(
    ("error", "heavy"),
    [
        (ContextOverflow("413 Request Entity Too Large", 0), "word " * 4_000),  # of bytes, by a proxy
        (ContextOverflow("too long", 700), "a1"),  # what it names is no room to work in, and our own weight is less than that
        (ContextOverflow("too long", 500_000), "a1"),
    ],
)
async def test_what_tells_nothing_of_tokens_teaches_nothing(desk: Desk, error: ContextOverflow, heavy: str) -> None:
    script = [says(heavy, usage=Usage(input=900, output=40)), fails(error), says("a2")]
    sitting = desk.open(*script, others={"compact": [says("## Done\nread")], "title": []}, facts=ASSUMED)
    for text in ("u1", "u2"):
        await sitting.session.send(text)
        await sitting.session.idle()
    assert [used.room for used in sitting.ear.entries(AttemptUsed) if used.error] == [0]


async def test_our_own_guess_of_a_first_request_teaches_nothing(desk: Desk) -> None:
    sitting = desk.open(fails(ContextOverflow("too long")), others={"title": []}, facts=ASSUMED)
    await sitting.session.send("aGVsbG8gd29ybGQ" * 4_000)
    await sitting.session.idle()
    assert [used.room for used in sitting.ear.entries(AttemptUsed)] == [0]


def test_a_longer_request_that_was_read_disproves_what_a_refusal_told() -> None:
    read = AttemptUsed(2, 1, 1, "run", "m", Usage(input=18_000), sent_bytes=60_000)
    assert bounded(ASSUMED, told(refusal(32_768, 16_000), read)) == ASSUMED
    assert bounded(ASSUMED, told(refusal(32_768, 19_000), read)).window == 19_000
    summarised = structs.replace(read, purpose="compact")
    assert bounded(ASSUMED, told(refusal(32_768, 16_000), summarised)) == ASSUMED


class _Smaller(MonthModel):
    """Has less room than is assumed of it."""

    def __init__(self) -> None:
        super().__init__(12_000)
        self.facts = structs.replace(self.facts, window=32_768, window_source="assumed")


async def test_a_window_smaller_than_assumed_costs_one_refusal_and_a_notice(tmp_path: Path) -> None:
    model = _Smaller()
    month = Month(tmp_path, model)
    await month.begin()
    await month.work(30)
    entries = [record.entry for record in month.session.transcript.records()]
    assert {entry.outcome for entry in entries if isinstance(entry, RunEnded)} == {"completed"}
    assert model.overflows == 1
    (notice,) = [entry for entry in entries if isinstance(entry, Noticed) and entry.level == "warning"]
    told_of = "scripted refused a request as too long: it has less room than the 32,768 tokens that are assumed, so this session"
    assert notice.text.startswith(told_of)
    assert '[models."scripted"] window = N' in notice.text
    used = month.session.context.used
    assert used is not None
    assert (used.window < 16_000, used.window_source) == (True, "refused")
    await month.close()
    again = Month(tmp_path, model)
    await again.resume()
    await again.work(3)
    assert model.overflows == 1
    await again.close()


async def test_what_was_refused_once_is_asked_again_for_there_may_be_more_room_by_now(desk: Desk) -> None:
    sitting = desk.open(fails(ContextOverflow("too long")), says("a1"), others={"title": []}, facts=ASSUMED)
    await sitting.session.send("word " * 4_000)
    await sitting.session.idle()
    assert [ended.code for ended in sitting.branch(RunEnded)] == ["context_overflow"]
    await sitting.session.retry()
    await sitting.session.idle()
    assert [ended.outcome for ended in sitting.branch(RunEnded)] == ["completed"]


async def test_a_server_that_names_its_room_is_taken_at_its_word(desk: Desk) -> None:
    heavy = says("word " * 4_000, usage=Usage(input=20_000, output=4_000))
    overflow = fails(ContextOverflow("too long", 8_192))
    sitting = desk.open(heavy, overflow, says("a2"), others={"compact": [says("## Done\nread")], "title": []}, facts=ASSUMED)
    for text in ("u1", "u2"):
        await sitting.session.send(text)
        await sitting.session.idle()
    assert [ended.outcome for ended in sitting.branch(RunEnded)] == ["completed", "completed"]
    assert sitting.session.context.used is not None
    assert (sitting.session.context.used.window, sitting.session.context.used.window_source) == (8_192, "refused")


async def test_a_summariser_that_names_its_room_is_told_no_more_than_that_the_next_time(desk: Desk) -> None:
    heavy = [says("word " * 3_000, usage=Usage(input=24_000, output=3_000)) for _ in range(2)]
    refused = fails(ContextOverflow("too long", 6_000))
    summaries = [refused, says("## Done\nread"), says("## Done\nread")]
    sitting = desk.open(*heavy, says("a3"), others={"compact": summaries, "title": []}, facts=ASSUMED)
    await sitting.session.rename("x")
    for text in ("u1", "u2", "u3"):
        await sitting.session.send(text)
        await sitting.session.idle()
    assert bounded(ASSUMED, sitting.session.transcript.facts).window == 6_000
    first, *then = [len(str(request.messages)) for request in sitting.model.asked("compact")]
    assert then
    assert max(then) < first
