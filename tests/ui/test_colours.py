"""What is taken for what a terminal shows, from its environment and its own word."""

import pytest

from flowchat.ui.colours import Colours, Depth, Ground, in_256, read_ground, terminal_colours


@pytest.mark.parametrize(
    ("environ", "depth"),
    [
        ({"TERM": "xterm-256color"}, "256"),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, "full"),
        ({"TERM": "tmux-256color", "COLORTERM": "24bit"}, "full"),
        ({"TERM": "xterm-direct"}, "full"),
        ({"TERM": "xterm-kitty"}, "full"),
        ({"TERM": "alacritty"}, "full"),
        ({"TERM": "xterm"}, "16"),
        ({"TERM": "xterm-16color"}, "16"),
        ({"TERM": "linux"}, "16"),
        ({"TERM": "vt100"}, "16"),
        ({}, "16"),
        ({"TERM": "screen-256color", "COLORTERM": "truecolor", "STY": "1.pts"}, "256"),
        ({"TERM": "screen-256color", "COLORTERM": "truecolor", "TMUX": "x"}, "full"),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor", "NO_COLOR": "1"}, "none"),
        ({"TERM": "xterm-256color", "NO_COLOR": ""}, "256"),
    ],
)
def test_the_environment_says_how_many_colours_there_are(environ: dict[str, str], depth: Depth) -> None:
    assert terminal_colours(environ).depth == depth


@pytest.mark.parametrize(
    ("environ", "colours"),
    [
        ({"TERM": "rxvt", "COLORFGBG": "0;15"}, Colours("16", "light", answers=True)),
        ({"TERM": "rxvt", "COLORFGBG": "15;default;0"}, Colours("16", "dark", answers=True)),
        ({"TERM": "xterm", "COLORFGBG": "15;default"}, Colours("16", None, answers=True)),
        ({"TERM": "xterm", "COLORFGBG": "7;8"}, Colours("16", "dark", answers=True)),
        ({"TERM": "linux"}, Colours("16", None, answers=False)),
        ({"TERM": "screen"}, Colours("16", None, answers=False)),
        ({"TERM": "screen", "TMUX": "/tmp/x"}, Colours("16", None, answers=True)),
        ({}, Colours("16", None, answers=False)),
    ],
)
def test_the_environment_may_say_what_the_background_is_and_whether_one_may_ask(
    environ: dict[str, str], colours: Colours
) -> None:
    assert terminal_colours(environ) == colours


@pytest.mark.parametrize(
    ("reply", "ground"),
    [
        ("\x1b]11;rgb:0000/0000/0000\x1b\\", "dark"),
        ("\x1b]11;rgb:1616/1818/1c1c\x07", "dark"),
        ("\x1b]11;rgb:fdfd/f6f6/e3e3\x07", "light"),
        ("\x1b]11;rgb:f/f/f\x07", "light"),
        ("\x1b]11;rgb:00/2b/36\x07", "dark"),
        ("\x1b]11;rgba:ffff/ffff/ffff/c000\x07", "light"),
        ("\x1b]11;#ffffff\x07", "light"),
        ("\x1b]11;#767676\x07", "light"),
        ("\x1b]11;#757575\x07", "dark"),
        ("\x1b]11;red\x07", None),
        ("\x1b]11;rgb:1/2\x07", None),
        ("\x1b]10;rgb:f/f/f\x07", None),
    ],
)
def test_a_terminals_answer_is_read(reply: str, ground: Ground | None) -> None:
    assert read_ground(reply) == ground


@pytest.mark.parametrize(
    ("colour", "number"),
    [("#000000", 16), ("#ffffff", 231), ("#1c3325", 235), ("#87afff", 111), ("#303030", 236), ("#5f0000", 52)],
)
def test_a_colour_has_a_nearest_one_of_256(colour: str, number: int) -> None:
    assert in_256(colour) == number
