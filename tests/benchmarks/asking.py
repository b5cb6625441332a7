"""What is sent to the model: how much of it stays from request to request, and how large its beginning is."""

import json
import subprocess
import sys
from itertools import pairwise

import msgspec

from flowchat.agent.system import SYSTEM_PROMPT
from flowchat.tools.registry import standard_tools
from tests.benchmarks.conversation import kept
from tests.benchmarks.figures import Figure
from tests.benchmarks.program import place

BYTES_PER_TOKEN = 4


def prefix(times: int) -> list[Figure]:
    """The two parts of the conversation, each in a process of its own, at its own server."""
    requests: list[str] = []
    with place() as where:
        for part in ("first", "second"):
            command = (sys.executable, "-m", "tests.benchmarks.conversation", str(where.home), part)
            done = subprocess.run(command, env=where.environ, capture_output=True, text=True, check=True)
            requests += map(json.loads, done.stdout.splitlines())
    shares = [kept(before, after) for before, after in pairwise(requests)]
    weight = sum(len(before) for before in requests[:-1])
    lost = 1 - sum(share * len(before) for share, before in zip(shares, requests, strict=False)) / weight
    how = f"{100 - 100 * lost:.2f} % kept over {len(requests)} requests, at least {min(shares):.2%} of each"
    return [Figure("shared prefix: lost", 100 * lost, 0, "%", how)]


def prompt(times: int) -> list[Figure]:
    tools = [{"type": "function", "function": msgspec.to_builtins(schema)} for schema in standard_tools().schemas()]
    canonical = json.dumps([SYSTEM_PROMPT, tools], sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    return [Figure("system prompt and tools", len(canonical) / BYTES_PER_TOKEN, 2_500, "tokens", f"{len(canonical):,} bytes / 4")]
