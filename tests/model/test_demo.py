"""The demo model: what it makes of a message, how it goes on when the tools have answered, titles and summaries."""

import json
import re
from collections.abc import Sequence
from typing import Any

import pytest

from flowchat.agent.summary import SUMMARISER
from flowchat.model.demo import DemoModel
from flowchat.model.model import (
    AssistantCall,
    AssistantMessage,
    CallPiece,
    Message,
    ModelPiece,
    Piece,
    Reply,
    Request,
    TextPiece,
    ThinkingPiece,
    ToolMessage,
    UserMessage,
)
from flowchat.tools.registry import standard_tools
from flowchat.transcript.entries import Call, Purpose, Text, Thinking, ToolSchema, Usage

TOOLS = standard_tools().schemas()
OPENING = "Demo model (offline, not a language model)"


async def heard(*messages: Message, purpose: Purpose = "run", tools: tuple[ToolSchema, ...] = TOOLS) -> list[ModelPiece]:
    model = DemoModel(pause_seconds=0)
    return [piece async for piece in model.stream(Request(purpose, "", tools, messages))]


async def reply_to(*messages: Message, **how: Any) -> Reply:
    last = (await heard(*messages, **how))[-1]
    assert isinstance(last, Reply)
    return last


def user(*texts: str) -> UserMessage:
    return UserMessage(tuple(Piece(text) for text in texts))


def text_of(reply: Reply) -> str:
    return "".join(part.text for part in reply.parts if isinstance(part, Text))


def calls_of(reply: Reply) -> list[tuple[str, str]]:
    return [(part.name, part.args) for part in reply.parts if isinstance(part, Call)]


REQUESTS: list[tuple[str, Sequence[tuple[str, str]]]] = [
    ("list", [("list_dir", '{"path": "."}')]),
    ("list src", [("list_dir", '{"path": "src"}')]),
    ("Please list the files in src.", [("list_dir", '{"path": "src"}')]),
    ("read README.md", [("read_file", '{"path": "README.md"}')]),
    ("read @a.py and b.py", [("read_file", '{"path": "a.py"}'), ("read_file", '{"path": "b.py"}')]),
    ("list src and read README.md", [("list_dir", '{"path": "src"}'), ("read_file", '{"path": "README.md"}')]),
    ("read a.py, then grep foo", [("read_file", '{"path": "a.py"}'), ("grep", '{"pattern": "foo"}')]),
    ("find *.py", [("glob", '{"pattern": "*.py"}')]),
    ("find files named test", [("glob", '{"pattern": "**/*test*"}')]),
    ("grep TODO", [("grep", '{"pattern": "TODO"}')]),
    ('search for "def run" in src/agent', [("grep", '{"pattern": "def run", "path": "src/agent"}')]),
    ("run ls -la | wc -l", [("shell", '{"command": "ls -la | wc -l"}')]),
    ("run the tests", [("shell", '{"command": "python3 -m pytest -q"}')]),
    ("write notes.txt: one\ntwo", [("write_file", '{"path": "notes.txt", "content": "one\\ntwo\\n"}')]),
    ("write hello to notes.txt", [("write_file", '{"path": "notes.txt", "content": "hello\\n"}')]),
    ("edit notes.txt: one -> 1", [("read_file", '{"path": "notes.txt"}')]),
    ("plan the change", [("list_dir", '{"path": "."}')]),
    ("hello there", []),
    ("think about life", []),
    ("long", []),
]


@pytest.mark.parametrize(("message", "calls"), REQUESTS, ids=[message for message, _ in REQUESTS])
async def test_a_message_in_its_words_leads_to_these_calls(message: str, calls: Sequence[tuple[str, str]]) -> None:
    reply = await reply_to(user(message))
    assert (calls_of(reply), reply.finish) == (list(calls), "calls" if calls else "stop")


@pytest.mark.parametrize("message", [message for message, _ in REQUESTS] + ["", "?", "안녕하세요"])
async def test_the_first_words_say_that_it_is_a_demo(message: str) -> None:
    assert text_of(await reply_to(user(message))).startswith(OPENING)


@pytest.mark.parametrize("message", [message for message, calls in REQUESTS if calls])
async def test_every_call_fits_the_schema_of_its_tool(message: str) -> None:
    tools = standard_tools()
    for name, args in calls_of(await reply_to(user(message))):
        tool = tools.find(name)
        assert tool is not None
        assert tools.arguments(tool, args)


async def test_it_streams_word_by_word_and_ends_with_the_whole() -> None:
    assert await heard(user("read a.py")) == [
        TextPiece("Demo "),
        TextPiece("model "),
        TextPiece("(offline, "),
        TextPiece("not "),
        TextPiece("a "),
        TextPiece("language "),
        TextPiece("model): "),
        TextPiece("Reading "),
        TextPiece("`a.py`."),
        CallPiece(0, "read_file", ""),
        CallPiece(0, "", '{"path": "a.py"}'),
        Reply(
            (Text(f"{OPENING}: Reading `a.py`."), Call("call_0", "read_file", '{"path": "a.py"}')),
            "calls",
            Usage(input=(len("read a.py") + sum(map(weight, TOOLS))) // 4, output=18),
        ),
    ]


def weight(tool: ToolSchema) -> int:
    return len(tool.description.encode()) + len(json.dumps(tool.parameters))


async def test_the_answers_are_quoted_with_what_was_left_out() -> None:
    said = AssistantMessage("", (AssistantCall("call_1_0", "read_file", "{}"), AssistantCall("call_1_1", "read_file", "{}")))
    long = "".join(f"line {number}\n" for number in range(20))
    reply = await reply_to(
        user("read a and b"),
        said,
        ToolMessage("call_1_0", "read_file", "```\nx\n```\n"),
        ToolMessage("call_1_1", "read_file", long),
    )
    quoted = "".join(f"line {number}\n" for number in range(12))
    assert reply.parts == (
        Text(
            f"{OPENING}. These are the 2 answers.\n\n"
            "`read_file` says:\n\n````\n```\nx\n```\n````\n\n"
            f"`read_file` says:\n\n```\n{quoted}```\n\n… and 8 more lines.\n"
        ),
    )


async def test_an_edit_reads_the_file_first() -> None:
    asked = user("replace all one with 'two three' in a.txt")
    read = AssistantMessage("", (AssistantCall("call_1_0", "read_file", "{}"),))
    edit = AssistantMessage("", (AssistantCall("call_3_0", "edit_file", "{}"),))
    first = await reply_to(asked)
    second = await reply_to(asked, read, ToolMessage("call_1_0", "read_file", "one"))
    third = await reply_to(
        asked, read, ToolMessage("call_1_0", "read_file", "one"), edit, ToolMessage("call_3_0", "edit_file", "1 place")
    )
    assert [calls_of(reply) for reply in (first, second, third)] == [
        [("read_file", '{"path": "a.txt"}')],
        [("edit_file", '{"path": "a.txt", "old": "one", "new": "two three", "all": true}')],
        [],
    ]
    assert text_of(third) == f"{OPENING}. a.txt was to be edited.\n\n`edit_file` says:\n\n```\n1 place\n```\n"


async def test_what_the_program_put_beside_the_message_is_not_taken_for_it() -> None:
    reply = await reply_to(
        user(
            "list src", '<context source="file" origin="a">\n', "read README.md", "\n</context>", "<summary>\nread b\n</summary>"
        )
    )
    assert calls_of(reply) == [("list_dir", '{"path": "src"}')]


async def test_a_steer_behind_the_answers_is_the_new_request() -> None:
    said = AssistantMessage("", (AssistantCall("call_1_0", "list_dir", "{}"),))
    reply = await reply_to(user("list src"), said, ToolMessage("call_1_0", "list_dir", "a.py"), user("read a.py"))
    assert calls_of(reply) == [("read_file", '{"path": "a.py"}')]


async def test_a_tool_that_is_not_offered_is_not_called() -> None:
    reply = await reply_to(user("run ls"), tools=())
    assert reply.parts == (Text(f"{OPENING}. I would call shell now, but this session does not offer it."),)


async def test_thinking_is_streamed_apart() -> None:
    pieces = await heard(user("think about the log"))
    kinds = [type(piece) for piece in pieces]
    assert kinds == sorted(kinds, key=[ThinkingPiece, TextPiece, Reply].index)
    last = pieces[-1]
    assert isinstance(last, Reply)
    assert [type(part) for part in last.parts] == [Thinking, Text]


async def test_the_long_answer_is_well_formed_and_several_thousand_tokens() -> None:
    text = text_of(await reply_to(user("long")))
    languages = re.findall(r"^```(\w+)$", text, re.M)
    assert len(text.encode()) // 4 > 3_500
    assert len(set(languages)) == 12
    assert len(re.findall(r"^```$", text, re.M)) == len(languages)
    assert all(
        re.search(pattern, text, re.M) for pattern in (r"^# ", r"^## ", r"^### ", r"^- ", r"^1\. ", r"^> ", r"^\|", r"\]\(http")
    )


async def test_the_same_request_gets_the_same_answer() -> None:
    assert await heard(user("long")) == await heard(user("long"))


async def test_a_pause_lies_between_two_words() -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    model = DemoModel(sleep, 0.5)
    words = [piece async for piece in model.stream(Request("run", "", TOOLS, (user("list"),))) if isinstance(piece, TextPiece)]
    assert pauses == [0.5] * len(words)


async def test_a_title_is_the_first_words() -> None:
    excerpt = user("User: Why does the queue lose the last item when it is full?\n\nAgent: Since")
    assert (await reply_to(excerpt, purpose="title")).parts == (Text("Why does the queue lose the"),)


async def test_a_summary_has_the_five_sections_and_the_users_own_words() -> None:
    told = user(
        "Summary so far:\n## Done\n- earlier work\n\nWhat followed:\nUser: list src\nAgent: Listing.\n[call list_dir]\n"
        "[answer ok: 3 entries]\nAgent: There are three.\nUser: read a.py\n\nWrite the summary of all of it."
    )
    text = text_of(await reply_to(told, purpose="compact"))
    assert text == (
        "## Done\n(copied by the demo model: 2 messages, 1 calls)\n- earlier work\n- Listing.\n- There are three.\n\n"
        "## Active\n- read a.py\n\n"
        "## Decisions\n- none that the demo model could tell\n\n"
        "## User directives\n- list src\n- read a.py\n\n"
        "## Current work\n- There are three."
    )
    assert re.findall(r"^## .*", text, re.M) == re.findall(r"^## .*", SUMMARISER, re.M)
