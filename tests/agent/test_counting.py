"""Whether what a server counts can be all that was sent: honest ones are believed, whatever their tokenizer; cuts are found."""

import re
from collections.abc import Callable

import pytest

from flowchat.agent.budget import measure
from flowchat.agent.counting import LEAST_CUT_TOKENS, cut_notice, judged
from flowchat.agent.projection import Projection
from flowchat.model.model import AssistantMessage, Message, ModelFacts, ToolMessage, UserMessage
from flowchat.transcript.entries import AssistantSaid, AttemptUsed, Compacted, Counted, Noticed, Text, Thinking, Usage
from tests.growing import Grown

MODEL = ModelFacts("m", "ollama", 32_768, "assumed")
SYSTEM_TOKENS = 60
ENGLISH = "The rounding happens before the discount is taken off, which is why the totals differ by a cent. "
CODE = "    for (int i = 0; i < lines.size(); ++i) { total += round_half_up(lines[i].price * lines[i].count, 2); }\n"
HINDI = "यह कुल योग छूट घटाने से पहले पूर्णांकित किया जाता है इसलिए अंतर आता है। "
CHINESE = "四舍五入是在扣除折扣之前进行的，因此总额会相差一分钱。"
BLANKS = " " * 400 + "\n" + "=" * 400 + "\n"


def text_of(messages: tuple[Message, ...]) -> str:
    words: list[str] = []
    for message in messages:
        match message:
            case UserMessage(pieces=pieces):
                words += [piece.text for piece in pieces]
            case AssistantMessage(text=text) | ToolMessage(text=text):
                words.append(text)
    return " ".join(words)


def by_bytes(bytes_per_token: float) -> Callable[[str], int]:
    return lambda text: SYSTEM_TOKENS + round(len(text.encode()) / bytes_per_token)


def by_words(tokens_per_word: float) -> Callable[[str], int]:
    return lambda text: SYSTEM_TOKENS + round(len(text.split()) * tokens_per_word)


def by_runs(text: str) -> int:
    """A run of blanks or of one sign is one token for 128 of them."""
    return SYSTEM_TOKENS + len(re.findall(r"\s{1,128}|(?:=){1,128}|\w+", text))


class Talk:
    """A session whose server counts as `report` says: (tokens of all, tokens of all at the request before) -> its figure."""

    def __init__(self, tokens: Callable[[str], int], report: Callable[[int, int], int] = lambda whole, before: whole) -> None:
        self.grown, self.seen = Grown(), Projection()
        self.verdicts: list[Counted] = []
        self._tokens, self._report, self._before = tokens, report, 0

    def ask(self, words: str, answer: str = "I see.", cached: int = 0) -> Counted:
        grown = self.grown.user(words).run()
        self.seen.follow(grown.branch(), grown.facts, MODEL.provider)
        whole = self._tokens(text_of(self.seen.sight().messages))
        usage = Usage(input=self._report(whole, self._before), cached=cached, output=4)
        self._before = whole
        counted = judged(usage, self.seen, grown.facts, "m")
        sent = self.seen.end()
        grown.add(AttemptUsed(grown.started, 1, 1, "run", "m", usage, window=32_768, sent_bytes=sent, counted=counted))
        grown.says(answer).ends()
        self.verdicts.append(counted)
        return counted

    @property
    def shown(self):
        return measure(self.grown.branch(), self.grown.facts, MODEL, self.seen)

    def notices(self) -> list[Noticed]:
        return list(cut_notice(self.seen, _Transcript(self.grown), MODEL))


class _Transcript:
    """The part of a transcript that is read here."""

    def __init__(self, grown: Grown) -> None:
        self.branch, self.facts = grown.branch, grown.facts


@pytest.mark.parametrize(
    ("words", "tokens"),
    [
        (ENGLISH, by_bytes(4)),
        (ENGLISH, by_bytes(6)),
        (ENGLISH, by_words(1.0)),
        (ENGLISH, by_words(0.62)),
        (CODE, by_bytes(3)),
        (CODE, by_bytes(6.5)),
        (HINDI, by_bytes(3)),
        (HINDI, by_bytes(12)),
        (CHINESE, by_bytes(6)),
        (BLANKS, by_runs),
    ],
    ids=["en", "en-6", "en-words", "en-joined", "code", "code-6", "hi-3", "hi-12", "zh", "blanks"],
)
@pytest.mark.parametrize("times", [1, 60, 600])
def test_no_honest_tokenizer_is_doubted(words: str, tokens: Callable[[str], int], times: int) -> None:
    talk = Talk(tokens)
    for _ in range(8):
        talk.ask(words * times, answer=words * 2)
    assert set(talk.verdicts) == {"all"}
    assert talk.shown.source == "measured"


@pytest.mark.parametrize("warm", [True, False])
def test_a_server_that_counts_what_it_had_not_cached_is_no_measure_and_raises_no_alarm(warm: bool) -> None:
    talk = Talk(by_bytes(4), lambda whole, before: whole - before if before or not warm else 25)
    for number in range(40):
        talk.ask(f"{number} " + ENGLISH * (3 if number % 4 else 300), answer=ENGLISH * 5)
    assert "cut" not in talk.verdicts
    assert talk.shown.cut_to is None
    assert talk.shown.tokens > by_bytes(4)(text_of(talk.seen.sight().messages)) * 0.8


def test_who_counted_a_part_once_may_have_done_so_again_where_what_is_new_explains_it() -> None:
    talk = Talk(by_bytes(4), lambda whole, before: whole - before if before else 25)
    assert [talk.ask(ENGLISH * 300), talk.ask(ENGLISH * 310)] == ["part", "part"]
    assert talk.shown.source == "no_data"


def test_a_frame_that_a_server_puts_around_a_request_may_come_and_go() -> None:
    frames = iter([60, 0, 40, 0, 0, 50, 0, 0])
    talk = Talk(by_words(0.51), lambda whole, before: whole + next(frames))
    for _ in range(8):
        talk.ask("So?", answer="Yes, so it is.")
    assert set(talk.verdicts) == {"all"}


def test_a_first_message_that_is_cut_to_the_window_is_found_at_once() -> None:
    talk = Talk(by_bytes(4), lambda whole, before: min(whole, 4_096))
    assert talk.ask(ENGLISH * 700) == "cut"
    assert (talk.shown.cut_to, talk.shown.source) == (4_096, "no_data")
    (notice,) = talk.notices()
    assert notice.level == "warning"
    assert notice.text == (
        "m read 4,096 of about 17,003 tokens: its server cut off the beginning of the conversation, as its window is smaller than"
        " the 32,768 tokens that are assumed; raise it there (Ollama: num_ctx or OLLAMA_CONTEXT_LENGTH, llama.cpp: -c), or set"
        ' it in config.toml: [models."m"] window = 4096'
    )


@pytest.mark.parametrize("room", [2_048, 4_096, 8_192])
def test_a_conversation_that_grows_beyond_the_window_is_found_soon(room: int) -> None:
    talk = Talk(by_bytes(4), lambda whole, before: min(whole, room))
    while talk.seen.end() < 4 * room:
        assert talk.ask("And then? " + ENGLISH * 4, answer=ENGLISH * 4) == "all"
    while "cut" not in talk.verdicts:
        talk.ask("And then? " + ENGLISH * 4, answer=ENGLISH * 4)
        assert talk.seen.end() < 4 * room * 1.5
    assert talk.shown.cut_to == room
    assert talk.shown.tokens > room
    assert measure(talk.grown.branch(), talk.grown.facts, MODEL, Projection()) == talk.shown


def test_whole_messages_left_out_are_found_too() -> None:
    """Some servers drop the oldest messages until the rest fits: what they read goes up and down below their window."""
    talk = Talk(by_bytes(4), lambda whole, before: whole if whole < 4_096 else 2_800 + whole % 1_200)
    for _ in range(40):
        talk.ask("And then? " + ENGLISH * 6, answer=ENGLISH * 6)
    assert talk.verdicts[-1] == "cut"


def test_another_model_behind_the_same_name_may_count_less() -> None:
    for counts in ([1.0, 0.7], [1.0, 0.7, 0.7, 0.7], [1.0, 1.0, 0.6]):
        turn = iter(counts * 20)
        talk = Talk(by_bytes(4), lambda whole, before, turn=turn: round(whole * next(turn)))
        for _ in range(30):
            talk.ask("And then? " + ENGLISH * 10, answer=ENGLISH * 3)
        assert "cut" not in talk.verdicts


def test_a_server_that_tells_what_came_from_its_cache_does_not_leave_that_out() -> None:
    """So a long answer of a tool that would explain the figure does not."""
    talk = Talk(by_bytes(4), lambda whole, before: min(whole, 4_096))
    for _ in range(8):
        talk.ask("Look: " + ENGLISH * 250, cached=2_000)
    assert talk.verdicts[-1] == "cut"


def test_no_server_cuts_to_next_to_nothing() -> None:
    talk = Talk(by_bytes(4), lambda whole, before: LEAST_CUT_TOKENS - 1)
    assert talk.ask(ENGLISH * 700) == "part"


def test_reasoning_that_a_server_drops_again_is_no_cut() -> None:
    talk = Talk(by_bytes(4))
    grown = talk.grown.user("think").run()
    kept = Thinking("hm " * 20_000, MODEL.provider, {"as": "reasoning_content"})
    grown.add(AssistantSaid(grown.started, 1, 1, "m", (kept, Text("so")), "stop")).ends()
    talk._report = lambda whole, before: whole + 15_000
    talk.ask("go on")
    talk._report = lambda whole, before: whole
    for _ in range(5):
        talk.ask(ENGLISH * 20)
    assert set(talk.verdicts) == {"all"}


def test_it_is_told_once_an_epoch_and_shown_until_all_is_read_again() -> None:
    room = [4_096]
    talk = Talk(by_bytes(4), lambda whole, before: min(whole, room[0]))
    talk.ask(ENGLISH * 700)
    first = talk.notices()
    talk.ask("And then?")
    assert (talk.notices(), talk.shown.cut_to) == (first, 4_096)
    assert measure(talk.grown.branch(), talk.grown.facts, MODEL, Projection()) == talk.shown
    room[0] = 32_768
    talk.ask("And now?")
    assert (talk.notices(), talk.shown.cut_to, talk.shown.source) == ([], None, "measured")
    talk.grown.add(Compacted(talk.grown.head, "SUM", 9, 1, "user", "summary"))
    room[0] = 4_096
    talk.ask(ENGLISH * 800)
    assert talk.notices() != first
