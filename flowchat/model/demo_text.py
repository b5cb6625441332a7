"""The demo model's longer texts: how to use it, and one long answer that holds every kind of markdown there is."""

from pathlib import Path

HELP = """I do not understand language, but I call the real tools when you ask in these words:

- `list src` · `read README.md and pyproject.toml` · `find *.py` · `grep TODO in src`
- `run ls -la` (asks you first) · `write notes.txt: some text` · `edit notes.txt: some -> any`
- `plan the next change` · `think about it` · `long` (a long answer, to see it stream)

To talk to a real model:

1. Set a provider's key before you start, `export ANTHROPIC_API_KEY=...` (or `OPENAI_API_KEY`, `GEMINI_API_KEY`, ...).
2. Or name any model litellm knows: `flowchat -m openai/gpt-5`, or `/model openai/gpt-5` in here.
3. Or use a server on this machine: `flowchat -m ollama_chat/qwen3`, or, for one with an OpenAI-compatible API,
   `OPENAI_API_BASE=http://127.0.0.1:8000/v1 flowchat -m openai/NAME`.
"""


def long_answer() -> str:
    """Several thousand tokens: headings, lists, tables, quotes, code in a dozen languages, links, wide characters."""
    return Path(__file__).with_name("long_answer.md").read_text(encoding="utf-8")
