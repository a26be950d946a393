"""The first lines of the command: what answers SIGTERM stands before anything heavy is imported."""

from __future__ import annotations

import sys

from commands.stopping import answer_sigterm


def main() -> None:
    """Run the command line and end the process."""
    answer_sigterm()
    from commands.cli import run
    from commands.last_words import end_unforeseen, leave

    try:
        code = run(sys.argv[1:])
    finally:
        sys.excepthook = end_unforeseen  # typer has put its own there
    leave(code)
