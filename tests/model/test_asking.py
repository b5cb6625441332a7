"""One question to a server on this machine: what is sent, and which answers count."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from flowchat.model.asking import ANSWER_LIMIT_BYTES, ask

OK = b"HTTP/1.1 200 OK\r\n"


@asynccontextmanager
async def answering(*answer: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """The address of a server that sends these bytes and hangs up, and the heads of what it was asked."""
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.writelines(answer)
            await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", heads


async def test_a_question_is_one_plain_request() -> None:
    async with answering(OK, b"\r\n7") as (base, heads):
        host = base.removeprefix("http://").encode()
        assert await ask(f"{base}/v1/models") == 7
        assert await ask(base, {"model": "x"}, key="sk-1") == 7
        assert await ask(f"http://me:word@{host.decode()}/a", key="sk\r\nX-Other: 1") == 7
        usual = b"Host: %b\r\nAccept: application/json\r\nConnection: close\r\n" % host
        posted = b"Content-Length: 14\r\nContent-Type: application/json\r\nAuthorization: Bearer sk-1\r\n\r\n"
        assert heads == [
            b"GET /v1/models HTTP/1.1\r\n" + usual + b"Content-Length: 0\r\n\r\n",
            b"POST / HTTP/1.1\r\n" + usual + posted,
            b"GET /a HTTP/1.1\r\n" + usual + b"Content-Length: 0\r\n\r\n",
        ]


async def test_the_address_a_server_listens_at_is_asked_at_home() -> None:
    async with answering(OK, b"\r\n7") as (base, heads):
        assert await ask(base.replace("127.0.0.1", "0.0.0.0")) == 7
        assert len(heads) == 1


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (OK + b"\r\n" + b'{"a": 1}', {"a": 1}),
        (OK + b"content-length: 2\r\n\r\n" + b"17 and more", 17),
        (OK + b"Transfer-Encoding: Chunked\r\n\r\n1;x=y\r\n1\r\n2\r\n23\r\n0\r\n\r\n", 123),
        (b"HTTP/1.0 200\r\n\r\n[]", []),
        (OK + b"content-length: 3\r\n\r\n17", None),
        (OK + b"content-length: -1\r\n\r\n17", None),
        (OK + b"content-length: many\r\n\r\n17", None),
        (OK + b"transfer-encoding: chunked\r\n\r\n1\r\n1\r\n", None),
        (OK + b"transfer-encoding: chunked\r\n\r\nmany\r\n", None),
        (OK + b"\r\nno JSON", None),
        (b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1/\r\n\r\n7", None),
        (b"HTTP/1.1 404 no\r\n\r\n7", None),
        (b"200\r\n\r\n7", None),
        (b"", None),
    ],
)
async def test_only_a_whole_answer_with_200_and_json_counts(answer: bytes, expected: object) -> None:
    async with answering(answer) as (base, _):
        assert await ask(base) == expected


@pytest.mark.parametrize("how", ["told", "chunked", "to the end"])
@pytest.mark.parametrize(("over", "counts"), [(0, True), (1, False)])
async def test_an_answer_has_a_bound(how: str, over: int, counts: bool) -> None:
    body = b"1".rjust(ANSWER_LIMIT_BYTES + over)
    heads = {
        "told": (b"content-length: %d\r\n\r\n" % len(body), body),
        "chunked": (b"transfer-encoding: chunked\r\n\r\n%x\r\n" % len(body), body, b"\r\n0\r\n\r\n"),
        "to the end": (b"\r\n", body),
    }
    async with answering(OK, *heads[how]) as (base, _):
        assert await ask(base) == (1 if counts else None)


@pytest.mark.parametrize("url", ["http://models.example/v1", "ftp://127.0.0.1/", "http://127.0.0.1:0/", "nothing"])
async def test_nothing_but_this_machine_is_asked(url: str) -> None:
    assert await ask(url) is None


async def test_an_answer_that_does_not_come_is_not_waited_for() -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(mute, "127.0.0.1", 0) as server:
        assert await ask(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", seconds=0.05) is None
