"""The command itself, killed at random times: with the demo model, and through litellm on a loopback server.

FLOWCHAT_KILLS=full: 80 and 20 kills, in about four minutes; else a few of each.
"""

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowchat.config import open_folders
from flowchat.transcript.entries import AssistantSaid, Record, text_of
from tests.kill.examining import acknowledged, examine
from tests.kill.streaming import Streaming, streaming, word

FULL = os.environ.get("FLOWCHAT_KILLS") == "full"
DEMO_KILLS, LITELLM_KILLS = (80, 20) if FULL else (8, 2)
STREAMED_SHARE = 20
"""One kill in so many at least met an answer that streamed: a series without one shows nothing of what is lost."""
CHAIN = 4
"""So many kills hit the same session, one turn after the other."""
LOSS_LIMIT_SECONDS = 0.5
PROMPTS = ("run echo {k} >> ran.txt; sleep 0.2; seq 3000", "think about {k}", "write {k}.txt: hello", "list . and read a.txt")
PROMPTS += ("long",) if FULL else ()


@dataclass
class Killed:
    """`heard`: what was read of stdout, before and after; `at`: when it was killed, in seconds since the epoch, if it was."""

    heard: bytes
    at: float | None


def kill(words: list[str], cwd: Path, environ: dict[str, str], seconds: float | None) -> Killed:
    """Run the command and kill it after so many seconds, or never."""
    command = [sys.executable, "-m", "flowchat", "-p", "--output-format", "stream-json", *words]
    process = subprocess.Popen(
        command, cwd=cwd, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    at = None
    try:
        heard, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        at = time.time()
        process.kill()
        heard, _ = process.communicate()
    return Killed(heard, at)


class Kills:
    """A series of kills in one folder: what was found wrong, and the most that was lost of a streamed text."""

    def __init__(self, tmp_path: Path, kind: str, environ: dict[str, str]) -> None:
        self.folder = tmp_path / "work"
        self.folder.mkdir()
        (self.folder / "a.txt").write_text("alpha\n")
        here = str(Path(__file__).parents[2])
        self.environ = {**os.environ, **environ, "PYTHONPATH": here}
        self.folders = open_folders(os.environ)
        self.random = random.Random(20261121)
        self.kind, self.wrong, self.lost = kind, dict[str, list[str]](), [0.0]
        self.killed = self.streamed = self.torn = 0

    def one(self, k: int, words: list[str], longest: float, server: Streaming | None = None) -> None:
        seconds = self.random.uniform(0, longest)
        if server is not None:
            server.sent.clear()
        goes_on = ["-c"] if k % CHAIN and any((self.folders.data / "sessions").glob("2*/log.jsonl")) else []
        killed = kill([*goes_on, *words], self.folder, self.environ, seconds)
        self.killed += killed.at is not None
        sids = acknowledged(killed.heard)
        logs = [self.folders.data / "sessions" / sid / "log.jsonl" for sid in sids]
        self.torn += sum(not log.read_bytes().endswith(b"\n") for log in logs if log.exists())  # what is no entry is said before
        wrong, found = asyncio.run(examine(self.folders, self.folder, killed.heard))
        lost = [
            lost_of_server(server, records, killed.at) if server else lost_of_heard(lines, records, killed.at)
            for sid, lines in sids.items()
            if killed.at is not None and (records := found.get(sid))
        ]
        self.streamed += any(seconds_lost is not None for seconds_lost in lost)
        self.lost += [seconds_lost or 0.0 for seconds_lost in lost]
        if max(self.lost) > LOSS_LIMIT_SECONDS:
            wrong.append(f"{max(self.lost):.3f} s of text were lost")
        if wrong:
            self.wrong[f"kill {k} after {seconds:.3f} s of {words}"] = wrong

    def report(self) -> None:
        listed = subprocess.run(
            [sys.executable, "-m", "flowchat", "sessions", "list", "--json"], env=self.environ, capture_output=True, check=True
        )
        kept = [json.loads(line)["sid"] for line in listed.stdout.splitlines()]
        logs = (self.folders.data / "sessions").glob("2*/log.jsonl")
        begun = [path.parent.name for path in logs if b"\n" in path.read_bytes()]  # not killed before the first line was there
        assert sorted(kept) == sorted(begun)
        print(
            f"\n{self.kind}: {self.killed} kills, {len(kept)} sessions, {self.streamed} while an answer streamed,"
            f" {self.torn} with a torn line; lost at most {max(self.lost):.3f} s of text; wrong: {self.wrong or 'nothing'}"
        )
        assert self.wrong == {}
        assert self.streamed >= self.killed // STREAMED_SHARE


def lost_of_heard(lines: list[dict[str, Any]], records: tuple[Record, ...], at: float) -> float | None:
    """How long before the kill the first streamed text was heard that is in no entry; None if nothing was streaming."""
    news = [line for line in lines if line["type"] == "text"]
    if not news or (news[-1]["run"], news[-1]["step"]) in _committed(lines):
        return None
    run, step = news[-1]["run"], news[-1]["step"]
    kept = "".join(text_of(said.parts) for said in _said(records) if (said.run, said.step) == (run, step))
    heard = ""
    for line in news:
        if (line["run"], line["step"]) == (run, step):
            heard += line["text"]
            if not kept.startswith(heard):
                return at - line["t"] / 1000
    return 0.0


def lost_of_server(server: Streaming, records: tuple[Record, ...], at: float) -> float | None:
    """From the newest word that was kept to the last one that was sent; None if none was sent."""
    sent = {number: when for number, when in server.sent.items() if when <= at}
    if not sent:
        return None
    kept = "".join(text_of(said.parts) for said in _said(records))
    newest = max((when for number, when in sent.items() if word(number).strip() in kept), default=min(sent.values()))
    return max(sent.values()) - newest


def _committed(lines: list[dict[str, Any]]) -> set[tuple[int, int]]:
    return {(line["run"], line["step"]) for line in lines if line["type"] == "assistant_said"}


def _said(records: tuple[Record, ...]) -> list[AssistantSaid]:
    return [entry for record in records if isinstance(entry := record.entry, AssistantSaid)]


def test_killed_at_any_time_the_demo_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    kills = Kills(tmp_path, "demo", {})
    words = ["-m", "demo", "--yolo"]
    longest: dict[str, float] = {}
    k = 0
    while kills.killed < DEMO_KILLS:
        prompt, k = PROMPTS[k % len(PROMPTS)], k + 1
        said = [*words, prompt.format(k=f"k{k}")]
        if prompt in longest:
            kills.one(k, said, longest[prompt])
        else:
            began = time.time()
            kill(said, kills.folder, kills.environ, None)
            longest[prompt] = time.time() - began
    ran = kills.folder / "ran.txt"
    marks = ran.read_text().split() if ran.exists() else []
    assert sorted(marks) == sorted(set(marks)), "a command was run twice"
    kills.report()


def test_killed_at_any_time_an_answer_from_the_network_loses_half_a_second_at_most(tmp_path: Path) -> None:
    with streaming() as server:
        base = f"http://127.0.0.1:{server.port}/v1"
        kills = Kills(tmp_path, "litellm", {"OPENAI_API_KEY": "none", "OPENAI_API_BASE": base, "FLOWCHAT_MODEL": "openai/fake"})
        began = time.time()
        kill(["look around"], kills.folder, kills.environ, None)
        longest = time.time() - began
        assert len(server.sent) >= 300
        k = 0
        while kills.killed < LITELLM_KILLS:
            k += 1
            kills.one(k, [f"look around, {k}"], longest, server)
    kills.report()
