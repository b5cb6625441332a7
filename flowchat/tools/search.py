"""The grep of machines without ripgrep: a program of its own, so that a pattern that never ends can be ended.

Called as `python -I search.py REQUEST`, a JSON file {pattern, ignore_case, context, files}; prints what ripgrep's --null prints
and exits as it does: 0 with a match, 1 without, 2 with a sentence when the pattern is none. With `columns` each line's number is
followed by the place of the first match in it, from 0.
"""

import json
import os
import re
import stat
import sys
from collections.abc import Iterator, Sequence
from typing import IO

FILE_LIMIT_BYTES = 20 * 1024 * 1024
LINE_LIMIT_CHARS = 500


def main(request_file: str, out: IO[str]) -> int:
    with open(request_file, encoding="utf-8") as file:
        request = json.load(file)
    try:
        pattern = re.compile(request["pattern"], re.IGNORECASE if request["ignore_case"] else 0)
    except (re.error, OverflowError, RecursionError, MemoryError) as error:
        print(f"regex parse error: {error}", file=out)
        return 2
    found = False
    for path in request["files"]:
        for line in _matches(_lines(path), pattern, request["context"], request.get("columns", False)):
            found = True
            print(f"{path}\0{line}" if line != "--" else line, file=out)
    return 0 if found else 1


def _lines(path: str) -> list[str]:
    """A text file's lines; none for anything else."""
    try:
        found = os.lstat(path)
        if not stat.S_ISREG(found.st_mode) or found.st_size > FILE_LIMIT_BYTES:
            return []
        with open(path, "rb") as file:
            content = file.read()
    except OSError:
        return []
    return [] if b"\0" in content[:8192] else content.decode("utf-8", "replace").splitlines()


def _matches(lines: Sequence[str], pattern: re.Pattern[str], context: int, columns: bool) -> Iterator[str]:
    """`12:a line that fits`, with `11-its neighbours`, groups parted by `--`; with columns `12:0:a line that fits`."""
    hits = {number: found.start() for number, line in enumerate(lines) if (found := pattern.search(line))}
    near = sorted({around for hit in hits for around in range(max(0, hit - context), min(len(lines), hit + context + 1))})
    before = None
    for number in near:
        if context and before is not None and number > before + 1:
            yield "--"
        place = f"{hits[number]}:" if columns and number in hits else ""
        yield f"{number + 1}{':' if number in hits else '-'}{place}{lines[number][:LINE_LIMIT_CHARS]}"
        before = number


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    sys.exit(main(sys.argv[1], sys.stdout))
