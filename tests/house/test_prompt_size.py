"""What every request begins with stays small."""

import json

import msgspec

from flowchat.agent.system import SYSTEM_PROMPT
from flowchat.tools.jobs import Jobs
from flowchat.tools.passages import Passage
from flowchat.tools.registry import standard_tools

LIMIT_TOKENS = 2_500


async def nothing() -> list[Passage]:
    return []


def test_the_system_prompt_and_the_tools_are_small_together() -> None:
    schemas = standard_tools(jobs=Jobs(lambda: 0), look=nothing).schemas()
    assert {"recall", "job_kill"} <= {schema.name for schema in schemas}
    tools = [{"type": "function", "function": msgspec.to_builtins(schema)} for schema in schemas]
    canonical = json.dumps({"system": SYSTEM_PROMPT, "tools": tools}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert len(canonical.encode()) / 4 <= LIMIT_TOKENS
