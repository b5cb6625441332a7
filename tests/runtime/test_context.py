"""The session's next request: its items, what a change would do, the change, and its undo."""

import asyncio

import pytest

from flowchat.agent.agent import Limits
from flowchat.agent.itemise import Row
from flowchat.agent.items import Effect
from flowchat.errors import Busy, CommandRefused, NoModel, ReadOnly
from flowchat.model.model import ModelFacts, Refused
from flowchat.model.scripted import fails, says, waits
from flowchat.transcript.entries import ItemRef, ItemsSet, Usage
from flowchat.transcript.events import ContextUsed
from tests.desk import Desk, Sitting

PRICED = ModelFacts("priced", "scripted", 100_000, "config", input_price=3e-6, cached_price=3e-7, output_price=1e-5)
SUMMARY = "## Done\nread things"


async def talked(desk: Desk, *more: object, **given: object) -> Sitting:
    """A session in which a large file was read."""
    (desk.folder / "big.txt").write_text("a line of a file\n" * 900)
    read = says("I look.", calls=[("read_file", {"path": "big.txt"})], usage=Usage(input=2_000, output=20))
    done = says("It is long.", usage=Usage(input=8_000, cached=2_000, cache_write=6_000, output=10))
    sitting = desk.open(read, done, *more, limits=Limits(titles=False), **given)
    await sitting.session.send("How long is it?")
    await sitting.session.idle()
    return sitting


def row(sitting: Sitting, kind: str) -> Row:
    return next(row for row in sitting.session.context.rows() if row.kind == kind)


def ref(sitting: Sitting, kind: str) -> ItemRef:
    found = row(sitting, kind).ref
    assert found is not None
    return found


async def test_before_the_first_message_the_rows_are_what_is_always_sent(desk: Desk) -> None:
    context = desk.open().session.context
    assert context.used is not None
    assert [row.kind for row in context.rows()] == ["system", "tools"]
    assert sum(row.tokens for row in context.rows()) == context.used.tokens
    assert context.text(context.rows()[0]) == "You are a test."
    assert '"name": "read_file"' in context.text(context.rows()[1])


async def test_the_rows_add_up_to_the_meter(desk: Desk) -> None:
    context = (await talked(desk)).session.context
    assert context.used is not None
    assert sum(row.tokens for row in context.rows()) == context.used.tokens


async def test_what_a_change_would_do_is_what_it_does(desk: Desk) -> None:
    sitting = await talked(desk, facts=PRICED)
    context = sitting.session.context
    effect = context.effect((ref(sitting, "call"),), "pruned")
    assert context.used is not None
    assert effect.tokens_before == context.used.tokens == 8_010
    record = await context.set((ref(sitting, "call"),), "pruned")
    assert record.entry == ItemsSet((ref(sitting, "call"),), "pruned")
    assert effect.tokens_after < 3_000
    assert context.used.tokens == pytest.approx(effect.tokens_after, rel=0.01)
    assert sitting.ear.entries(ContextUsed)[-1].tokens == context.used.tokens
    assert effect.cached_lost > 5_000
    assert effect.cost_lost == pytest.approx(effect.cached_lost * 2.7e-6)
    assert "the output was left out" in sitting.session.request_text()


async def test_the_effect_is_the_rows_that_it_takes_away_however_unlike_the_counts_are(desk: Desk) -> None:
    sitting = await talked(desk, says("Yes.", usage=Usage(input=30_000, output=2)))
    await sitting.session.send("Sure? " + "Quite sure? " * 20)
    await sitting.session.idle()
    context = sitting.session.context
    for chosen in [row for row in context.rows() if row.ref is not None]:
        assert chosen.ref is not None
        effect = context.effect((chosen.ref,), "excluded")
        assert effect.tokens_before - effect.tokens_after == chosen.tokens, chosen


async def test_what_is_left_out_comes_back_with_the_weight_it_had(desk: Desk) -> None:
    sitting = await talked(desk, says("Yes.", usage=Usage(input=30_000, output=2)))
    await sitting.session.send("Sure? " + "Quite sure? " * 20)
    await sitting.session.idle()
    context, user = sitting.session.context, row(sitting, "user")
    assert user.ref is not None
    await context.set((user.ref,), "excluded")
    effect = context.effect((user.ref,), "restored")
    assert effect.tokens_after - effect.tokens_before == user.tokens


async def test_what_stands_before_a_change_is_not_read_anew(desk: Desk) -> None:
    sitting = await talked(desk)
    context, answer = sitting.session.context, sitting.session.context.rows()[-1]
    assert (answer.title, answer.ref is not None) == ("It is long.", True)
    assert answer.ref is not None
    assert context.effect((answer.ref,), "excluded").cached_lost == 0


async def test_a_pin_costs_nothing_now_and_without_prices_no_cost_is_told(desk: Desk) -> None:
    sitting = await talked(desk)
    assert sitting.session.context.effect((ref(sitting, "call"),), "pinned") == Effect(8_010, 8_010, 0, None)


async def test_every_change_can_be_taken_back_one_after_the_other(desk: Desk) -> None:
    sitting = await talked(desk)
    context, call, answer = sitting.session.context, ref(sitting, "call"), ref(sitting, "answer")
    assert context.last() is None
    assert await context.undo() is None
    requests = [sitting.session.request_text()]
    for items, state in (((call,), "pruned"), ((call, answer), "pinned"), ((call, answer), "excluded")):
        await context.set(items, state)
        requests.append(sitting.session.request_text())
    taken = context.last()
    assert taken is not None
    assert (taken.items, taken.state) == ((call, answer), "excluded")
    for text in reversed(requests[:-1]):
        expected = context.last()
        assert expected is not None
        await context.undo()
        assert sitting.session.request_text() == text
        assert context.used is not None
        assert context.used.tokens == pytest.approx(expected.effect.tokens_after, rel=0.01)
    assert context.last() is None
    assert [row.state for row in context.rows()] == [None] * len(context.rows())


async def test_what_an_earlier_opening_set_can_be_taken_back_too(desk: Desk) -> None:
    sitting = await talked(desk)
    await sitting.session.context.set((ref(sitting, "call"),), "excluded")
    again = desk.seat(sitting.model, sitting.session.transcript)
    taken = again.session.context.last()
    assert taken is not None
    assert taken.state == "excluded"


async def test_what_was_taken_back_in_an_earlier_opening_is_not_taken_back_again(desk: Desk) -> None:
    sitting = await talked(desk)
    call, answer = ref(sitting, "call"), ref(sitting, "answer")
    for state in ("pruned", "excluded"):
        await sitting.session.context.set((call,), state)
    await sitting.session.context.set((answer,), "pinned")
    for _ in range(2):
        await sitting.session.context.undo()
    again = desk.seat(sitting.model, sitting.session.transcript).session.context
    taken = again.last()
    assert taken is not None
    assert (taken.items, taken.state) == ((call,), "pruned")
    await again.undo()
    assert again.last() is None
    assert [row.state for row in again.rows()] == [None] * len(again.rows())


async def test_what_was_put_back_by_hand_can_be_taken_back(desk: Desk) -> None:
    sitting = await talked(desk)
    call = ref(sitting, "call")
    for state in ("excluded", "restored"):
        await sitting.session.context.set((call,), state)
    await sitting.session.context.undo()
    assert "big.txt" not in sitting.session.request_text()


async def test_a_change_on_another_branch_is_none_to_take_back_here(desk: Desk) -> None:
    sitting = await talked(desk, says("Otherwise."))
    await sitting.session.context.set((ref(sitting, "call"),), "pruned")
    await sitting.session.edit(sitting.session.user_messages()[0].seq, "How short is it?", "resend")
    await sitting.session.idle()
    assert sitting.session.context.last() is None


async def test_a_message_with_calls_means_its_words_and_its_calls(desk: Desk) -> None:
    sitting = await talked(desk)
    record = await sitting.session.context.set((ItemRef(ref(sitting, "answer").node),), "excluded")
    assert record.entry == ItemsSet((ref(sitting, "answer"), ref(sitting, "call")), "excluded")
    assert sitting.session.context.rows()[-1].title == "It is long."
    assert "big.txt" not in sitting.session.request_text()


async def test_what_cannot_be_set_is_refused_with_the_reason(desk: Desk) -> None:
    sitting = await talked(desk, fails(Refused("no")))
    await sitting.session.send("And now?")
    await sitting.session.idle()
    context, waiting = sitting.session.context, sitting.session.user_messages()[-1].seq
    for item, state, why in (
        (ItemRef(1), "excluded", "no message of the conversation"),
        (ItemRef(999), "pinned", "no message of the conversation"),
        (ItemRef(waiting), "excluded", "nothing has answered this message"),
        (ItemRef(waiting), "pruned", "only the output of a call"),
        (ItemRef(waiting), "restored", "nothing is set of it"),
    ):
        with pytest.raises(CommandRefused, match=why):
            context.effect((item,), state)
        with pytest.raises(CommandRefused, match=why):
            await context.set((item,), state)
    await context.set((ItemRef(waiting),), "pinned")
    with pytest.raises(CommandRefused, match="pinned already"):
        await context.set((ItemRef(waiting),), "pinned")
    assert len(sitting.session.transcript.facts.items) == 1


async def test_while_the_conversation_is_compacted_nothing_is_changed_and_that_is_why(desk: Desk) -> None:
    hold = waits("", says("## Done\nthings"))
    sitting = await talked(desk, others={"compact": [hold], "title": []})
    compacting = asyncio.create_task(sitting.session.compact())
    await hold.reached.wait()
    with pytest.raises(Busy, match="a compaction is under way; change the context"):
        sitting.session.context.may_change()
    hold.gate.set()
    await compacting
    sitting.session.context.may_change()


async def test_while_a_run_goes_on_nothing_is_changed(desk: Desk) -> None:
    hold = waits("", says("x"))
    sitting = await talked(desk, hold)
    await sitting.session.send("again")
    await hold.reached.wait()
    with pytest.raises(Busy):
        await sitting.session.context.set((ref(sitting, "call"),), "pruned")
    with pytest.raises(Busy):
        await sitting.session.context.undo()
    hold.gate.set()
    await sitting.session.idle()


async def test_a_session_that_is_only_read_shows_its_items_and_changes_none(desk: Desk) -> None:
    sitting = await talked(desk)
    reading = desk.seat(sitting.model, sitting.session.transcript, read_only="another flowchat writes it")
    assert len(reading.session.context.rows()) > 4
    with pytest.raises(ReadOnly):
        await reading.session.context.set((ref(sitting, "call"),), "pruned")


async def test_without_a_model_there_is_no_request(desk: Desk) -> None:
    context = desk.open(no_model=True).session.context
    assert context.used is None
    with pytest.raises(NoModel):
        context.rows()


async def test_a_pin_survives_the_compaction_of_everything_around_it_and_the_next(desk: Desk) -> None:
    sitting = await talked(desk, says("Yes."), says("Well."), others={"compact": [says(SUMMARY), says(SUMMARY)]})
    context = sitting.session.context
    await context.set((ref(sitting, "call"), ItemRef(sitting.session.user_messages()[0].seq)), "pinned")
    for text in ("Sure?", "Really?"):
        await sitting.session.compact()
        assert [row.kind for row in context.rows() if row.state == "pinned"] == ["user", "call"]
        request = sitting.session.request_text()
        assert "How long is it?" in request
        assert request.count("a line of a file") > 700
        await sitting.session.send(text)
        await sitting.session.idle()
    folded = next(row for row in context.rows() if row.kind == "call")
    await context.set((folded.ref,), "restored")
    assert "a line of a file" not in sitting.session.request_text()


async def test_an_item_that_was_folded_comes_back_when_it_is_pinned_and_cannot_be_left_out(desk: Desk) -> None:
    sitting = await talked(desk, others={"compact": [says(SUMMARY)]})
    item = ref(sitting, "call")
    await sitting.session.compact()
    assert "a line of a file" not in sitting.session.request_text()
    for folded in (item, ref(sitting, "environment")):  # the second stands in the request all the same
        with pytest.raises(CommandRefused, match="from before the summary, so it stays as it is; /compact undo"):
            await sitting.session.context.set((folded,), "excluded")
    await sitting.session.context.set((item,), "pinned")
    assert "a line of a file" in sitting.session.request_text()


async def test_an_item_can_be_read_whole_whatever_is_set_of_it(desk: Desk) -> None:
    sitting = await talked(desk)
    context = sitting.session.context
    await context.set((ref(sitting, "call"),), "pruned")
    assert context.text(row(sitting, "call")).count("a line of a file") > 700
    assert context.text(row(sitting, "user")) == "How long is it?"
    assert context.text(row(sitting, "answer")) == "I look."


async def test_a_summariser_is_told_of_nothing_that_was_left_out(desk: Desk) -> None:
    sitting = await talked(desk, others={"compact": [says(SUMMARY)]})
    await sitting.session.context.set((ref(sitting, "call"), ref(sitting, "answer")), "excluded")
    await sitting.session.compact()
    told = str(sitting.model.asked("compact")[0].messages)
    assert "It is long." in told
    assert "I look." not in told
    assert "read_file" not in told
