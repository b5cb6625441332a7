"""The least a program can do with litellm's stream: read it. For each line of stdin, a message, the CPU seconds of its answer."""

import asyncio
import sys
import time

from flowchat.agent.system import SYSTEM_PROMPT
from flowchat.model import provider
from flowchat.model.model import Piece, Request, UserMessage
from flowchat.model.wire import arguments, family_of
from flowchat.tools.registry import standard_tools


async def main(base: str) -> None:
    litellm = await provider.loaded()
    while words := (await asyncio.to_thread(sys.stdin.readline)).strip():
        request = Request("run", SYSTEM_PROMPT, standard_tools().schemas(), (UserMessage((Piece(words),)),))
        sent = arguments(request, family_of("openai", "openai/bench"), {})
        started, said = time.process_time(), []
        answer = await litellm.acompletion(
            model="openai/bench",
            api_base=base,
            api_key="none",
            stream=True,
            stream_options={"include_usage": True},
            max_retries=0,
            _skip_mcp_handler=True,
            **sent,
        )
        async for chunk in answer:
            if getattr(chunk, "usage", None) is not None:
                break  # the last thing a server says; behind it litellm only puts the answer together for its own log
            said.append(chunk.choices[0].delta.content or "")
        await answer.aclose()
        print(time.process_time() - started, len("".join(said)), flush=True)


asyncio.run(main(sys.argv[1]))
