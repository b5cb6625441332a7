"""What every request begins with stays small."""

import json

import msgspec

from flowchat.agent.system import SYSTEM_PROMPT
from flowchat.tools.registry import standard_tools

LIMIT_TOKENS = 2_500


def test_the_system_prompt_and_the_tools_are_small_together() -> None:
    tools = [{"type": "function", "function": msgspec.to_builtins(schema)} for schema in standard_tools().schemas()]
    canonical = json.dumps({"system": SYSTEM_PROMPT, "tools": tools}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert len(canonical.encode()) / 4 <= LIMIT_TOKENS
