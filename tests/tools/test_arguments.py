"""What a model may write as arguments."""

import json

import pytest

from flowchat.tools.registry import standard_tools
from flowchat.tools.tool import BadArguments

TOOLS = standard_tools()


def parsed(name: str, raw: str) -> dict[str, object]:
    tool = TOOLS.find(name)
    assert tool is not None
    return TOOLS.arguments(tool, raw)


@pytest.mark.parametrize(
    ("name", "raw", "args"),
    [
        ("read_file", '{"path":"a"}', {"path": "a"}),
        ("read_file", '{"path":"a","offset":null}', {"path": "a"}),
        ("read_file", '{"path":"a","offset":3.0}', {"path": "a", "offset": 3}),
        ("list_dir", "{}", {}),
        ("list_dir", "", {}),
        ("edit_file", '{"path":"a","old":"x","new":"","all":true}', {"path": "a", "old": "x", "new": "", "all": True}),
    ],
)
def test_arguments_that_fit_are_taken(name: str, raw: str, args: dict[str, object]) -> None:
    assert parsed(name, raw) == args


@pytest.mark.parametrize(
    ("name", "raw", "said"),
    [
        ("read_file", '{"path":"a"', "not JSON"),
        ("read_file", "[1]", "must be one JSON object, not a list"),
        ("read_file", '"a"', "must be one JSON object, not text"),
        ("read_file", "", "needs `path`"),
        ("read_file", '{"path":null}', "`path` must be text, not null"),
        ("read_file", '{"path":["a"]}', "`path` must be text, not a list"),
        ("read_file", '{"path":"a","offset":"3"}', "`offset` must be a whole number, not text"),
        ("read_file", '{"path":"a","offset":2.5}', "`offset` must be a whole number, not the number 2.5"),
        ("read_file", '{"path":"a","offset":true}', "`offset` must be a whole number, not true"),
        ("read_file", '{"path":"a","offset":-1}', "`offset` must be at least 0"),
        ("read_file", '{"file":"a"}', "takes no `file`; it takes path, offset, limit"),
        ("grep", '{"pattern":"a","ignore_case":"yes"}', "`ignore_case` must be true or false"),
        ("read_file", '{"path":"\\ud800"}', "not JSON"),
        ("read_file", "[" * 100_000, "not JSON"),
        ("write_file", '{"path":"a","content":"' + "x" * 9_000_000 + '"}', "longer than 8 MiB"),
    ],
)
def test_arguments_that_do_not_fit_get_one_sentence(name: str, raw: str, said: str) -> None:
    with pytest.raises(BadArguments) as refused:
        parsed(name, raw)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_schemas_are_small_and_the_same_each_time() -> None:
    def canonical() -> str:
        schemas = [(tool.name, tool.description, tool.parameters) for tool in standard_tools().schemas()]
        return json.dumps(schemas, sort_keys=True, separators=(",", ":"))

    assert canonical() == canonical()
    assert len(canonical()) / 4 <= 1500
    assert TOOLS.names() == ("read_file", "list_dir", "glob", "grep", "todo", "write_file", "edit_file", "shell")
