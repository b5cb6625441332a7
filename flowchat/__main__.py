"""Where `flowchat` and `python -m flowchat` come in; from here on nothing is imported from the folder they stand in."""

import os
import sys


def main() -> int:
    """Run the command line and give its exit code."""
    try:
        here = os.getcwd()
    except FileNotFoundError:
        here = ""
    sys.path[:] = [entry for entry in sys.path if entry not in ("", here)]
    from flowchat import cli

    return cli.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
