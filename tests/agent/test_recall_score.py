"""The recall score: what a question is, when an answer is right, and that nothing is counted that cannot be checked."""

import json
import re
from collections.abc import AsyncGenerator, Mapping

import pytest

from flowchat.agent.recall_score import (
    ANSWERING,
    INPUT_TOKENS,
    PASSAGES,
    QUESTIONS,
    Answered,
    NoScore,
    Score,
    drawn,
    folded_text,
    given,
    sampled,
    says,
    score,
)
from flowchat.agent.tokens import text_tokens
from flowchat.model.demo import DemoModel
from flowchat.model.model import ModelFacts, ModelPiece, Overloaded, Reply, Request
from flowchat.model.scripted import ScriptedModel, Step, fails
from flowchat.model.scripted import says as replies
from flowchat.transcript.entries import Compacted, Edited, Text, Usage
from tests.growing import Grown

FACTS = ModelFacts("asked", "scripted", 50_000, "config")
KNOWN = {
    "Which port does the server use?": "8431",
    "Which file holds the totals?": "src/total.py",
    "How is money rounded?": "HALF_EVEN",
    "What may never be installed?": "pandas",
    "Who reviews the change?": "Ines",
}
FOLDED = (
    "User: The server uses port 8,431; src/total.py holds the totals. Round HALF_EVEN, never install pandas. Ines reviews it."
)


class Reader:
    """A model that asks about KNOWN, and answers what the summary before it says, as a model would that makes nothing up."""

    facts = FACTS

    def __init__(self) -> None:
        self.requests: list[Request] = []

    async def stream(self, request: Request) -> AsyncGenerator[ModelPiece, None]:
        self.requests.append(request)
        text = request.messages[0].pieces[0].text
        if request.system == ANSWERING:
            summary, _, listed = text.partition("</summary>")
            asked = re.findall(r"^(\d+)\. (.*)$", listed, re.MULTILINE)
            wrote: object = {number: KNOWN[question] if KNOWN[question] in summary else None for number, question in asked}
        else:
            wrote = [{"question": question, "answer": answer} for question, answer in KNOWN.items()]
        yield Reply((Text(json.dumps(wrote)),), "stop", Usage(10, 0, 5))


@pytest.mark.parametrize("kept", range(len(KNOWN) + 1))
async def test_the_score_is_how_many_of_the_known_facts_a_summary_keeps(kept: int) -> None:
    summary = "It is about " + ", ".join(list(KNOWN.values())[:kept])
    found = await score(Reader(), FOLDED, summary)
    assert (found.right, found.asked) == (kept, len(KNOWN))
    assert [answer.right for answer in found.answers] == [number < kept for number in range(len(KNOWN))]


async def test_the_one_who_answers_is_shown_the_summary_and_the_questions_and_nothing_else() -> None:
    reader, spent = Reader(), list[Reply]()
    await score(reader, FOLDED, "nothing of it", spent=spent)
    drawing, answering = reader.requests
    assert FOLDED in drawing.messages[0].pieces[0].text
    assert not [fact for fact in KNOWN.values() if fact in answering.messages[0].pieces[0].text]
    assert [(request.purpose, request.tools) for request in reader.requests] == [("compact", ())] * 2
    assert [reply.usage for reply in spent] == [Usage(10, 0, 5)] * 2


def scripted(*steps: Step) -> ScriptedModel:
    return ScriptedModel(others={"compact": steps}, facts=FACTS)


ONE = [{"question": "Which port?", "answer": 8431}]


async def test_a_score_says_of_each_question_what_was_said_and_what_the_summary_says() -> None:
    model = scripted(replies(json.dumps(ONE)), replies('{"1": "port 8431, I think"}'))
    assert await score(model, FOLDED, "s") == Score(1, 1, (Answered("Which port?", "8431", "port 8431, I think", True),))
    model = scripted(replies(json.dumps(ONE)), replies('{"1": 8432}'))
    assert await score(model, FOLDED, "s") == Score(1, 0, (Answered("Which port?", "8431", "8432", False),))


# --- no score --------------------------------------------------------------------------------------------------------
NONE: Mapping[str, tuple[tuple[Step, ...], str]] = {
    "prose for questions": ((replies("I would ask about the port."),), "no question"),
    "an empty list": ((replies("[]"),), "no question"),
    "questions about nothing that was said": ((replies('[{"question": "Which colour?", "answer": "green"}]'),), "no question"),
    "nothing at all": ((replies(""),), "no question"),
    "questions that were cut off": ((replies(json.dumps(ONE), finish="length"),), "no question"),
    "prose for answers": ((replies(json.dumps(ONE)), replies("It is 8431.")), "cannot be read"),
    "an overloaded server": ((fails(Overloaded("busy")),), "busy"),
    "a server that fails at the answers": ((replies(json.dumps(ONE)), fails(Overloaded("busy"))), "busy"),
}


@pytest.mark.parametrize(("steps", "why"), NONE.values(), ids=NONE)
async def test_a_model_that_gives_nothing_to_count_gets_no_score_and_a_sentence(steps: tuple[Step, ...], why: str) -> None:
    with pytest.raises(NoScore, match=rf"^No score: .*{why}"):
        await score(scripted(*steps), FOLDED, "s")


async def test_the_demo_model_gets_no_score() -> None:
    with pytest.raises(NoScore):
        await score(DemoModel(pause_seconds=0), FOLDED, "s")


async def test_what_a_failed_score_took_is_told() -> None:
    spent: list[Reply] = []
    with pytest.raises(NoScore):
        await score(scripted(replies("[]", usage=Usage(7, 0, 1))), FOLDED, "s", spent=spent)
    assert [reply.usage for reply in spent] == [Usage(7, 0, 1)]


# --- questions -------------------------------------------------------------------------------------------------------
def question(text: str = "Which port?", answer: object = "8431", **more: object) -> dict[str, object]:
    return {"question": text, "answer": answer, **more}


@pytest.mark.parametrize(
    ("wrote", "expected"),
    [
        (json.dumps([question()]), [("Which port?", "8431")]),
        (f"```json\n{json.dumps([question()])}\n```", [("Which port?", "8431")]),
        (f"Here they are:\n{json.dumps([question()])}\nGood luck!", [("Which port?", "8431")]),
        (json.dumps([question(), question()]), [("Which port?", "8431")]),
        (json.dumps([question(why="it matters")]), [("Which port?", "8431")]),
        (json.dumps([question(answer="8,431")]), [("Which port?", "8,431")]),
        (json.dumps([question("Is it port 8431?")]), []),
        (json.dumps([question(answer="...")]), []),
        (json.dumps([question("")]), []),
        (json.dumps([question("w" * 301)]), []),
        (json.dumps([{"question": "Which port?"}, 7, None, question()]), [("Which port?", "8431")]),
        (json.dumps([question("Which\n port?\x1b[2J", " 8431 ")]), [("Which port?␛", "8431")]),
        ("[" * 100_000, []),
    ],
)
def test_a_question_counts_if_its_answer_stands_in_what_is_folded_and_not_in_itself(
    wrote: str, expected: list[tuple[str, str]]
) -> None:
    assert drawn(wrote, FOLDED, QUESTIONS) == expected


def test_no_more_questions_count_than_were_asked_for() -> None:
    wrote = json.dumps([question(f"Which port, {number}?") for number in range(20)])
    assert len(drawn(wrote, FOLDED, QUESTIONS)) == QUESTIONS


@pytest.mark.parametrize(
    ("wrote", "expected"),
    [
        ('{"1": "a", "2": null, "3": 3}', {1: "a", 3: "3"}),
        ('```\n{"2": "b"}\n```', {2: "b"}),
        ('{"one": "a"}', {}),
        ("[]", None),
        ("I do not know.", None),
        ('{"1": ["a"]}', None),
    ],
)
def test_what_is_answered_is_read_by_number(wrote: str, expected: dict[int, str] | None) -> None:
    assert given(wrote) == expected


@pytest.mark.parametrize(
    ("text", "expected", "right"),
    [
        ("HALF_EVEN", "half_even", True),
        ("it is in `src/total.py`.", "src/total.py", True),
        ("in src/totals.py", "src/total.py", False),
        ("8,431", "8431", True),
        ("18431", "8431", False),
        ("use Decimal, not float", "not float", True),
        ("float, not Decimal", "not float", False),
        ("", "x", False),
        ("anything", "", False),
        ("anything", "?!", False),
        ("我们使用十进制数", "十进制", True),
        ("我们使用浮点数", "十进制", False),
    ],
)
def test_an_answer_is_right_where_it_says_the_words_in_their_order(text: str, expected: str, right: bool) -> None:
    assert says(text, expected) is right


# --- what is folded --------------------------------------------------------------------------------------------------
def test_what_is_folded_is_told_with_the_summary_before_it_and_as_it_reads_now() -> None:
    grown = Grown().turn("one", "1").user("two").run().says("Looking.", "grep").answers(0, "found " * 200).says("2").ends()
    before = Compacted(5, "SUMMARY", 9, 1, "user", "summary", directives=("never",), pinned=("always",))
    grown.add(Edited(6, (Text("two, but other"),)))
    told = folded_text(grown.branch(), before, grown.head).split("\n")
    assert told[:6] == ["SUMMARY", "never", "always", "User: two, but other", "Agent: Looking.", "[call grep {}]"]
    assert told[6].startswith("[answer ok: found ")
    assert (len(told[7]), told[8:]) == (600, ["Agent: 2"])
    assert folded_text(grown.branch(), None, 5) == "User: one\nAgent: 1"


def test_of_a_long_text_evenly_spread_passages_are_shown() -> None:
    text = "".join(f"fact {number:06}. " for number in range(40_000))
    shown = sampled(text, INPUT_TOKENS)
    assert text_tokens(shown) <= INPUT_TOKENS + PASSAGES * 8
    assert shown.count("[... left out ...]") == PASSAGES - 1
    assert shown.startswith("fact 000000. ")
    assert shown.endswith("fact 039999. ")
    assert sampled("short", INPUT_TOKENS) == "short"
