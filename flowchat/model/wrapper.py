"""What litellm's streams (1.106.2) know beside their chunks, how to end their connection, and where they lose words."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any


def finished(chunks: Any) -> bool:
    """Whether the server gave a finish reason; the wrapper itself says "stop" at the end of any stream."""
    return bool(getattr(chunks, "received_finish_reason", None) or getattr(chunks, "intermittent_finish_reason", None))


def media(chunks: Any) -> str:
    """The MIME type of the server's answer, without its parameters; empty if it is not known."""
    return _header(chunks, "content-type").partition(";")[0].strip()


def size(chunks: Any) -> int | None:
    """The answer's length in bytes, as announced or as read."""
    announced = _header(chunks, "content-length")
    if announced.isdigit():
        return int(announced)
    read = getattr(getattr(getattr(chunks, "completion_stream", None), "response", None), "num_bytes_downloaded", None)
    return read if isinstance(read, int) else None


@asynccontextmanager
async def hanging_up(chunks: Any) -> AsyncGenerator[None, None]:
    """End the connection at the end of the block. The wrapper's own close is not enough: some of litellm's parsers do not hand
    it on, and after an error they live as long as the error's traceback."""
    try:
        yield
    finally:
        layer: Any = getattr(chunks, "completion_stream", None)
        await chunks.aclose()
        while layer is not None:
            response: Any = getattr(layer, "http_response", None) or getattr(layer, "response", None)
            if response is not None and hasattr(response, "aclose"):
                await response.aclose()
            if hasattr(layer, "asend"):  # a bare generator over the response's lines
                await layer.aclose()
            layer = getattr(layer, "streaming_response", None)


def mend(parser: Any) -> None:
    """Mend the parser most of litellm's providers share (the class BaseModelResponseIterator): it takes every line that holds
    "[DONE]" for the end of the stream, so a piece of an answer that says it is lost. A line that is JSON is a piece."""
    read: Any = parser._handle_string_chunk

    def mended(self: Any, str_line: str) -> Any:
        piece = self._string_to_dict_parser(str_line) if "[DONE]" in str_line else None
        return self.chunk_parser(chunk=piece) if isinstance(piece, dict) else read(self, str_line)

    parser._handle_string_chunk = mended


def _header(chunks: Any, name: str) -> str:
    """A header of the server's answer; some providers' are prefixed by litellm."""
    headers = {str(key).lower(): str(value) for key, value in dict(getattr(chunks, "_response_headers", None) or {}).items()}
    return headers.get(name) or headers.get(f"llm_provider-{name}", "")
