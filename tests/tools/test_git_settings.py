"""What a git config says: read as git itself reads it."""

import subprocess
from pathlib import Path

import pytest

from flowchat.tools.git_settings import Setting, settings


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[core]\n\thooksPath = .githooks\n", [("core.hookspath", ".githooks")]),
        ("[core] hooksPath=.githooks ; ours\n[a]b=c # d\n", [("core.hookspath", ".githooks"), ("a.b", "c")]),
        ('[Core]\nHOOKSPATH = "a b" # ours\n', [("core.hookspath", "a b")]),
        ('[includeIf "gitdir:/x/[y]\\"/"]\npath = ../one\\\n  two\n', [("includeif.path", "../one  two")]),
        ('[include]\n path = a"#;"b\n path\n', [("include.path", "a#;b"), ("include.path", "")]),
        ("[filter.lfs]\n  clean = sh ./x\\t.sh\\\\ \n", [("filter.clean", "sh ./x\t.sh\\")]),
        ("# [core] hooksPath = no\n; b = c\n[x]\n\n a=1\n b = 2\r\n", [("x.a", "1"), ("x.b", "2")]),
        ("", []),
        ('[broken "\nthis = "is not closed\n', None),
        ("\0\xff[x", None),
    ],
)
def test_it_is_read_as_git_does(tmp_path: Path, text: str, said: list[tuple[str, str]] | None) -> None:
    found = list(settings(text))
    if said is None:
        return
    assert found == [Setting(*pair) for pair in said]
    (config := tmp_path / "config").write_bytes(text.encode())
    listed = subprocess.run(
        ["git", "config", "-z", "--list", "-f", str(config)], capture_output=True, text=True, check=True
    ).stdout
    pairs = [line.partition("\n") for line in listed.split("\0")[:-1]]
    assert [(f"{name.split('.')[0]}.{name.rpartition('.')[2]}", value) for name, _, value in pairs] == said
