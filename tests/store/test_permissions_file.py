"""A file of rules: what counts of it with its lines, and changes that leave everything else as it was."""

import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from flowchat.errors import StorageFailed, UsageError
from flowchat.store.permissions_file import FILE_LIMIT_BYTES, Item, Trouble, Written, add_item, read_written, remove_item, written

NOT_TOML = "; nothing is allowed by this file"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", Written()),
        ('allow = ["a"]\ndeny = ["b"]\n', Written((Item("allow", "a", 1), Item("deny", "b", 2)))),
        (
            '# mine\nallow = [\n  "a",  # "no"\n  \'b\',\n\n  """c""",\n]\n',
            Written((Item("allow", "a", 3), Item("allow", "b", 4), Item("allow", "c", 6))),
        ),
        ('deny = ["x", "y",\n "x"]', Written((Item("deny", "x", 1), Item("deny", "y", 1), Item("deny", "x", 2)))),
        ('"deny" = ["b"]', Written((Item("deny", "b", 1),))),
        (
            'deny = "rm"\nask = "a"\nallow = "b"\n',
            Written(
                (Item("deny", "rm", 1), Item("ask", "a", 2)),
                tuple(
                    Trouble(line, f"{key} must be a list of rules: {key} = [...]")
                    for line, key in ((1, "deny"), (2, "ask"), (3, "allow"))
                ),
            ),
        ),
        ('\ndeny = [1, "x"]', Written((Item("deny", "x", 2),), (Trouble(2, "deny: a rule is a text in quotes, not 1"),))),
        (
            '\n[permissions]\nallow = ["a"]\ndeny = ["b"]\nask = ["c"]\n',
            Written(
                (Item("deny", "b", 4), Item("ask", "c", 5)),
                (Trouble(2, "'permissions' is not known: rules are in lists named allow, ask and deny, at the top"),),
            ),
        ),
    ],
)
def test_rules_are_found_with_their_lines_and_what_is_none_is_told(text: str, found: Written) -> None:
    assert written(text) == found


@pytest.mark.parametrize(
    ("text", "items", "line"),
    [
        ('allow = ["a"]\ndeny = ["x", "y"\nask = ["q"]\n', (Item("deny", "x", 2), Item("deny", "y", 2), Item("ask", "q", 3)), 3),
        ('deny = ["x", "y\nallow = ["c"]\n', (Item("deny", "x", 1),), 1),
        ('deny = ["x"]\nallow = \n', (Item("deny", "x", 1),), 2),
        ('deny = ["x"]\ndeny = ["y"]\n', (Item("deny", "x", 1), Item("deny", "y", 2)), 2),
        ('allow = ["a",\n', (), 1),
    ],
)
def test_of_a_file_that_is_not_toml_what_forbids_counts_and_nothing_that_allows(
    text: str, items: tuple[Item, ...], line: int
) -> None:
    found = written(text)
    assert (found.items, [trouble.line for trouble in found.troubles]) == (items, [line])
    assert found.troubles[0].sentence.startswith("not valid TOML (")
    assert found.troubles[0].sentence.endswith(NOT_TOML)


def test_a_file_of_very_many_rules_or_brackets_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "many.toml").write_text("deny = [" + '"shell(rm)",' * 1_001 + "]")
    (tmp_path / "deep.toml").write_text('deny = ["shell(rm)"]\nallow = ' + "[" * 50_000)
    assert read_written(tmp_path / "many.toml") == Written(unread="it has more than 1,000 rules")
    assert read_written(tmp_path / "deep.toml") == Written(
        (Item("deny", "shell(rm)", 1),), (Trouble(1, "too deeply nested; nothing is allowed by this file"),)
    )
    with pytest.raises(UsageError, match="nothing was changed"):
        add_item(tmp_path / "deep.toml", "allow", "shell(x)")


def test_a_file_that_cannot_be_read_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b'deny = ["\xff"]')
    (tmp_path / "folder").mkdir()
    (tmp_path / "long").write_bytes(b"#" * (FILE_LIMIT_BYTES + 1))
    found = {name: read_written(tmp_path / name).unread for name in ("latin", "folder", "long", "missing", "latin/below")}
    assert found == {
        "latin": "it is not UTF-8 text",
        "folder": "it is not a file",
        "long": f"it is longer than {FILE_LIMIT_BYTES:,} bytes",
        "missing": "",
        "latin/below": "",
    }


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", 'allow = [\n    "new",\n]\n'),
        ('allow = ["a"]', 'allow = ["a", "new"]'),
        ('allow = ["a",]\n', 'allow = ["a", "new",]\n'),
        ("allow = []\n", 'allow = ["new"]\n'),
        ("allow = [\n]\n", 'allow = [\n    "new",\n]\n'),
        ('allow = [\n  "a", # one\n  "b" # two\n]\n# end\n', 'allow = [\n  "a", # one\n  "b", # two\n  "new",\n]\n# end\n'),
        ('allow = [\n\t"a",\n\t# more\n]\n', 'allow = [\n\t"a",\n\t"new",\n\t# more\n]\n'),
        ('allow = ["a",\n  "b"]\n', 'allow = ["a",\n  "b", "new"]\n'),
        ('deny = ["x"] # no\n', 'deny = ["x"] # no\nallow = [\n    "new",\n]\n'),
        ('deny = ["x"]', 'deny = ["x"]\nallow = [\n    "new",\n]\n'),
        ("# mine\n\n[other]\nx = 1\n", '# mine\n\nallow = [\n    "new",\n]\n\n[other]\nx = 1\n'),
        ('allow = ["a"]\r\n', 'allow = ["a", "new"]\r\n'),
        ('allow = ["new", "b"] # twice is once\n', 'allow = ["new", "b"] # twice is once\n'),
    ],
)
def test_a_rule_is_added_and_all_else_stays_as_it_was_written(before: str, after: str, tmp_path: Path) -> None:
    file = tmp_path.resolve() / "permissions.toml"
    file.write_bytes(before.encode())
    item = add_item(file, "allow", "new")
    assert file.read_bytes().decode() == after
    assert after.splitlines()[item.line - 1].count("new") == 1


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('allow = ["old"]\n', "allow = []\n"),
        ('allow = ["a", "old", "b"]\n', 'allow = ["a", "b"]\n'),
        ('allow = ["a", "old"]\n', 'allow = ["a"]\n'),
        ('allow = ["old", "a"] # all\n', 'allow = ["a"] # all\n'),
        ('allow = [\n  "a",\n  "old",\n  "b",\n]\n', 'allow = [\n  "a",\n  "b",\n]\n'),
        ('allow = [\n  "a",\n  "old", # why\n]\n', 'allow = [\n  "a",\n  # why\n]\n'),
        ('deny = ["old"]\nallow = ["old"]\n', 'deny = ["old"]\nallow = []\n'),
    ],
)
def test_a_rule_is_taken_out_and_all_else_stays_as_it_was_written(before: str, after: str, tmp_path: Path) -> None:
    file = tmp_path.resolve() / "permissions.toml"
    file.write_text(before)
    found = next(item for item in read_written(file).items if (item.effect, item.text) == ("allow", "old"))
    assert remove_item(file, found) is True
    assert file.read_text() == after
    assert remove_item(file, found) is False


def test_of_two_equal_rules_the_one_that_was_meant_goes(tmp_path: Path) -> None:
    file = tmp_path.resolve() / "permissions.toml"
    file.write_text('deny = [\n  "a", # first\n  "a", # second\n]\n')
    remove_item(file, Item("deny", "a", 3))
    assert file.read_text() == 'deny = [\n  "a", # first\n  # second\n]\n'


A_RULE = some.text(some.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)


@settings(deadline=None, max_examples=60)
@given(some.lists(some.tuples(some.sampled_from(["allow", "ask", "deny"]), A_RULE), max_size=6, unique=True))
def test_any_rules_can_be_added_and_taken_out_one_by_one(
    tmp_path_factory: pytest.TempPathFactory, rules: list[tuple[str, str]]
) -> None:
    file = tmp_path_factory.mktemp("rules").resolve() / "permissions.toml"
    for effect, text in rules:
        add_item(file, effect, text)
    assert sorted((item.effect, item.text) for item in read_written(file).items) == sorted(rules)
    for effect, text in rules:
        assert remove_item(file, Item(effect, text, 0))
    assert read_written(file) == Written()


def test_a_file_that_is_not_toml_is_not_changed(tmp_path: Path) -> None:
    file = tmp_path.resolve() / "permissions.toml"
    file.write_text('deny = ["x"')
    for change in (lambda: add_item(file, "allow", "a"), lambda: remove_item(file, Item("deny", "x", 1))):
        with pytest.raises(UsageError, match="is not valid TOML"):
            change()
    assert file.read_text() == 'deny = ["x"'


def test_rules_written_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    file = tmp_path.resolve() / "new" / "permissions.toml"
    texts = [f"shell(make {number})" for number in range(12)]
    threads = [threading.Thread(target=add_item, args=(file, "allow", text)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(item.text for item in read_written(file).items) == sorted(texts)
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_in_a_project_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    root = tmp_path.resolve()
    (root / "dotfiles").write_text("")
    (root / "permissions.toml").symlink_to(root / "dotfiles")
    (root / "folder").mkdir()
    (root / ".flowchat").symlink_to(root / "folder")
    for file in (root / "permissions.toml", root / ".flowchat" / "permissions.toml"):
        with pytest.raises(StorageFailed, match="through a link"):
            add_item(file, "allow", "a")
    assert ((root / "dotfiles").read_text(), list((root / "folder").iterdir())) == ("", [])
    add_item(root / "permissions.toml", "allow", "a", links=True)
    assert ((root / "dotfiles").read_text(), (root / "permissions.toml").is_symlink()) == ('allow = [\n    "a",\n]\n', True)


def test_where_the_disk_refuses_the_rules_stay_as_they_were(tmp_path: Path) -> None:
    with pytest.raises(StorageFailed, match="cannot be written"):
        add_item(
            tmp_path.resolve() / "file" / "permissions.toml" if (tmp_path / "file").write_text("") == 0 else tmp_path,
            "allow",
            "a",
        )
