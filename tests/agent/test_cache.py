"""The cache doctor: what it predicts is what a provider that keeps the longest prefix reports; what broke it has its cause."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowchat.agent.budget import weigh
from flowchat.agent.cache import (
    FIRST,
    FORGOTTEN,
    LEAST_TOKENS,
    NEVER_TOLD,
    Asked,
    Difference,
    diagnose,
    dollars_lost,
    segments,
)
from flowchat.agent.prompt import Sight, project
from flowchat.agent.requests import sent
from flowchat.model.model import ModelFacts, Overloaded, Refused
from flowchat.model.scripted import Says, fails, says
from flowchat.runtime.session import Session
from flowchat.transcript.entries import AttemptUsed, Forked, ForkPoint, ItemRef, ItemsSet, PromptSet, Usage
from tests.agent.caching import CachingModel
from tests.agent.test_projection import HAPPENINGS, MODEL
from tests.desk import Desk, Sitting
from tests.growing import READ, Grown

SUMMARY = "## Done\nthings"
LONG = "A long message. " * 400
PRICED = ModelFacts("m", "p", 1, "config", input_price=3e-6, cached_price=0.3e-6)


class Held:
    """A session with a provider that keeps prefixes."""

    def __init__(self, desk: Desk, model: CachingModel) -> None:
        from flowchat.store.memory import MemoryBlobs, MemoryLog
        from flowchat.transcript.transcript import Transcript

        transcript = Transcript(MemoryLog(), MemoryBlobs(), now_ms=desk.clock.now_ms)
        self.desk, self.model = desk, model
        self.sitting: Sitting = desk.seat(model, transcript, system="You are a test. " * 400)

    @property
    def session(self) -> Session:
        return self.sitting.session

    async def say(self, *messages: str) -> None:
        for message in messages:
            self.model.then(says(f"Answer to {message[:20]}."))
            await self.session.send(message)
            await self.session.idle()

    def node(self, type_: str, number: int = -1) -> int:
        return [record.seq for record in self.session.transcript.branch() if record.type == type_][number]

    def asked(self) -> list[Asked]:
        return [one for one in diagnose(self.session.transcript.records()) if one.purpose == "run"]


async def held(desk: Desk, *script: Says, **given: object) -> Held:
    sitting = Held(desk, CachingModel(*script, others={"compact": [says(SUMMARY)] * 3, "title": []}, **given))
    await sitting.session.rename("x")
    return sitting


async def test_what_is_predicted_is_what_is_reported_whatever_happens(desk: Desk) -> None:
    talk = await held(desk, says("", calls=[("read_file", {"path": "a.txt"}), ("list_dir", {})]))
    session, transcript = talk.session, talk.session.transcript
    await talk.say(LONG, "two", "three")
    await session.compact()
    await talk.say("four", LONG)
    talk.model.then(says("Another answer."))
    await session.edit(talk.node("user_said", -2), "four, said otherwise", "resend")
    await session.idle()
    await session.edit(talk.node("user_said", -1), "four, in place", "save")
    await talk.say("five")
    await transcript.append(ItemsSet((ItemRef(talk.node("user_said", -1)),), "excluded"))
    await talk.say("six")
    await transcript.append(PromptSet("You are another test. " * 300, (READ,), "agent"))
    await talk.say("seven", "eight")
    await session.walk_to(talk.node("user_said", 1))
    await talk.say("nine")
    requests = list(sent(transcript.records()))
    assert [request.ends[-1] for request in requests] == [request.used.sent_bytes for request in requests]
    made = [(request.sight.system, request.sight.tools, request.sight.messages) for request in requests]
    assert made == [(request.system, request.tools, request.messages) for request in talk.model.asked()]
    asked = talk.asked()
    assert [one.kept for one in asked] == [one.cached for one in asked]
    assert [one.cause for one in asked] == [
        FIRST, "", "", "", "compacted by you", "", "an earlier message was edited", "a message was edited in place",
        "1 item was excluded", "another agent", "", "",
    ]  # fmt: skip


async def test_a_request_that_keeps_its_beginning_has_no_cause_and_loses_nothing(desk: Desk) -> None:
    talk = await held(desk)
    await talk.say("one", "two")
    first, second = talk.asked()
    assert (first.cause, first.kept, first.cached, first.again) == (FIRST, 0, 0, 0)
    assert (second.cause, second.kept, second.cached, second.again) == ("", first.usage.input, first.usage.input, 0)
    assert second.differs is None


async def test_a_checkpoint_is_the_cause_and_what_is_read_anew_is_what_stood_behind_it(desk: Desk) -> None:
    talk = await held(desk)
    talk.model.then(says("short"), says(LONG * 6))
    for message in ("one", "two"):
        await talk.session.send(message)
        await talk.session.idle()
    await talk.say("three")
    await talk.session.compact()
    await talk.say("four")
    last = talk.asked()[-1]
    assert (last.cause, last.differs) == ("compacted by you", Difference("message", 1, last.differs.node))
    assert str(last.differs) == f"message 1 (node {last.differs.node})"
    behind = [part for part in segments(talk.session.transcript.records(), last.line) if part.fate == "again"]
    assert last.again == sum(part.tokens for part in behind)
    assert [part.beginning for part in segments(talk.session.transcript.records(), last.line) if part.what == "checkpoint"] == [
        SUMMARY
    ]
    assert last.again > LEAST_TOKENS
    assert dollars_lost(last, PRICED) == pytest.approx(last.again * 2.7e-6)
    assert dollars_lost(last, ModelFacts("m", "p", 1, "config", input_price=3e-6)) is None


async def test_what_the_provider_forgot_is_told_with_how_long_it_had(desk: Desk) -> None:
    talk = await held(desk)
    await talk.say("one", "two")
    talk.model.forget()
    await desk.clock.pass_seconds(1_200)
    await talk.say("three")
    last = talk.asked()[-1]
    assert (last.cause, last.since_ms, last.cached, last.differs) == (FORGOTTEN, 1_200_000, 0, None)
    assert last.again == last.kept == talk.asked()[-2].usage.input


async def test_a_provider_that_never_tells_is_not_said_to_forget(desk: Desk) -> None:
    talk = await held(desk, reports=False)
    await talk.say("one", "two")
    assert [(one.cause, one.again) for one in talk.asked()] == [(FIRST, 0), (NEVER_TOLD, 0)]


async def test_attempts_that_failed_are_told_and_nothing_is_held_against_them(desk: Desk) -> None:
    talk = await held(desk)
    await talk.say("one")
    talk.model.then(fails(Refused("no")))
    await talk.session.send("two")
    await talk.session.idle()
    talk.model.then(says("yes"))
    await talk.session.retry()
    await talk.session.idle()
    asked = talk.asked()
    assert [(one.cause, one.kept) for one in asked] == [(FIRST, 0), ("failed (refused)", 0), ("", asked[0].usage.input)]


async def test_each_model_has_its_own_cache(desk: Desk) -> None:
    grown = talked(("a", 0), ("b", 0), ("a", 1))
    asked = diagnose(grown.records)
    assert [(one.cause, one.kept) for one in asked] == [
        (FIRST, 0),
        ("the first request to this model", 0),
        ("", asked[0].usage.input),
    ]
    assert asked[1].again > 0


def talked(*requests: tuple[str, int]) -> Grown:
    """A message and an answer for each (model, whether its cache held what could be), by a provider that counts as we do."""
    grown, last = Grown(), dict[str, int]()
    for model, hits in requests:
        grown.user(LONG).run()
        size = 1_000 * (grown.last + 1)
        grown.add(AttemptUsed(grown.started, 1, 1, "run", model, Usage(size, last.get(model, 0) if hits else 0)))
        grown.says("fine").ends()
        last[model] = size
    return grown


def test_of_a_beginning_that_is_shorter_than_any_provider_keeps_nothing_is_expected() -> None:
    grown = Grown().turn("one", "fine").turn("two", "fine")
    for size, cached in ((LEAST_TOKENS - 1, 0), (LEAST_TOKENS + 99, 0), (LEAST_TOKENS + 199, 0), (LEAST_TOKENS + 299, 900)):
        grown.user("more").run().add(AttemptUsed(grown.started, 1, 1, "run", "m", Usage(size, cached)))
        grown.says("fine").ends()
    assert [one.cause for one in diagnose(grown.records)] == [FIRST, "", FORGOTTEN, ""]


def test_other_purposes_are_listed_and_held_against_nothing() -> None:
    grown = talked(("m", 0))
    grown.add(AttemptUsed(0, 0, 1, "title", "m", Usage(300, 0)))
    assert [(one.purpose, one.cause, one.uncached) for one in diagnose(grown.records)][1:] == [("title", "", 300)]


def test_a_copy_begins_with_its_own_requests_and_knows_the_ones_before() -> None:
    grown = talked(("m", 0), ("m", 1))
    before = diagnose(grown.records)[-1].usage.input
    grown.add(Forked("new", "/w", "1", ForkPoint("old", grown.last)))
    grown.user("more").run().add(AttemptUsed(grown.started, 1, 1, "run", "m", Usage(before + 100, before)))
    [one] = diagnose(grown.records)
    assert (one.cause, one.kept) == ("", before)


def test_an_answer_nobody_counted_is_held_against_by_its_weight() -> None:
    grown = talked(("m", 0))
    grown.user("more").run().add(AttemptUsed(grown.started, 1, 1, "run", "m", None))
    grown.says("fine").ends().user("again").run().add(AttemptUsed(grown.started, 1, 1, "run", "m", Usage(9_000, 8_000)))
    _, untold, last = diagnose(grown.records)
    assert (untold.usage, untold.cause) == (None, "")
    assert 8_000 < last.kept < 9_000


async def test_the_parts_of_a_request_add_up_to_it_and_say_what_the_cache_held(desk: Desk) -> None:
    talk = await held(desk, says("", calls=[("read_file", {"path": "a.txt"})]))
    await talk.say("one", "two")
    last = talk.asked()[-1]
    parts = segments(talk.session.transcript.records(), last.line)
    assert sum(part.tokens for part in parts) == last.usage.input
    assert [(part.what, part.fate, part.cached) for part in parts] == [
        ("system prompt and tools", "kept", "all"),
        ("user", "kept", "all"),
        ("assistant", "kept", "all"),
        ("answer to read_file", "kept", "all"),
        ("assistant", "new", "none"),
        ("user", "new", "none"),
    ]
    assert [part.beginning for part in parts if part.what == "user"] == ["one", "two"]
    assert [part.node for part in parts if part.what == "answer to read_file"] == [talk.node("tool_answered")]
    assert segments(talk.session.transcript.records(), 1) == []


def test_the_parts_of_a_request_whose_tokens_nobody_told_are_estimated_and_held_by_no_cache() -> None:
    grown = talked(("m", 0))
    grown.user("more").run().add(AttemptUsed(grown.started, 1, 1, "run", "m", None))
    parts = segments(grown.records, grown.last)
    assert {part.cached for part in parts} == {"untold"}
    assert sum(part.tokens for part in parts) == weigh(grown.branch(), grown.facts, MODEL).tokens


def test_retries_of_an_overloaded_provider_send_the_same() -> None:
    grown = talked(("m", 0))
    grown.user("more").run().add(AttemptUsed(grown.started, 1, 1, "run", "m", error=Overloaded.code))
    grown.add(AttemptUsed(grown.started, 1, 2, "run", "m", Usage(9_000, 3_000)))
    assert [one.cause for one in diagnose(grown.records)] == [FIRST, "failed (overloaded)", ""]


@given(st.data())
@settings(deadline=None, max_examples=100)
def test_whatever_happened_each_request_is_made_again_as_it_was_sent(data: st.DataObject) -> None:
    grown, made = Grown(), dict[int, Sight]()
    for _ in range(data.draw(st.integers(1, 25))):
        data.draw(st.sampled_from(HAPPENINGS))(grown, data.draw)
        if data.draw(st.booleans()):
            used = Usage(data.draw(st.integers(1, 9_000)), data.draw(st.integers(0, 9_000)))
            made[grown.last + 1] = project(grown.branch(), grown.facts, "")
            grown.add(AttemptUsed(1, 1, 1, "run", data.draw(st.sampled_from(["m", "n"])), used))
    assert {request.record.seq: request.sight for request in sent(grown.records) if request.record.seq in made} == made
    for one in diagnose(grown.records):
        if one.line in made:
            assert 0 <= one.kept <= one.usage.input
            assert one.again >= 0
            assert sum(part.tokens for part in segments(grown.records, one.line)) == one.usage.input
