"""The next request in readable form."""

import msgspec

from flowchat.agent.agent import Agent
from flowchat.agent.prompt import project
from flowchat.model.model import Request
from flowchat.transcript.transcript import Transcript


def request_text(transcript: Transcript, agent: Agent) -> str:
    """The exact next request as readable JSON."""
    sight = project(transcript.branch(), transcript.facts, agent.model.facts.provider)
    request = Request("run", sight.system, sight.tools, sight.messages, sight.marks)
    return msgspec.json.format(msgspec.json.encode(request), indent=2).decode()
