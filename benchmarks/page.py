"""Pages of docs/ with a table that a benchmark writes: the table stands between two marks, the rest is a person's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Marks:
    """Lines before and after a table, as HTML comments that no reader sees."""

    start: str
    end: str = "<!-- end of table -->"

    def __str__(self) -> str:
        """Return the marks of a table that is still to come."""
        return f"{self.start}\n{self.end}\n"

    def put(self, page: str, table: str) -> str:
        """Return the page with its table replaced, or with one at its end where it had none."""
        if self.start not in page:
            page = f"{page.rstrip()}\n\n{self}"
        before, _, rest = page.partition(self.start)
        return f"{before}{self.start}\n\n{table}\n\n{self.end}{rest.partition(self.end)[2]}"


def table_line(cells: Iterable[str]) -> str:
    """Return one line of a Markdown table."""
    return f"| {' | '.join(cells)} |"
