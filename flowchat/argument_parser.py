"""The manner of every command line: what is wrong with one is a UsageError, and nothing is abbreviated."""

from argparse import ArgumentParser
from typing import Any, NoReturn

from flowchat.errors import UsageError


class Parser(ArgumentParser):
    """Refuses with UsageError; abbreviates nothing; takes -h and --help as flags like any other."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given, allow_abbrev=False, add_help=False)
        self.add_argument("-h", "--help", action="store_true", help="print this help")

    def error(self, message: str) -> NoReturn:
        is_of_prompt = self.prog == "flowchat" and message.startswith("unrecognized")
        hint = "; put a prompt that starts with - after --" if is_of_prompt else ""
        raise UsageError(f"{message.removeprefix('argument ')}; `{self.prog} --help` lists the options{hint}")
