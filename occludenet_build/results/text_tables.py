"""Tables as Markdown, LaTeX and plain text, and numbers as CSV."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import jinja2
import pandas as pd

from occludenet_build.core.files import write_text

ABSENT = "-"
"""Text of a cell without a value."""


class Texts(Protocol):
    """A table of texts in blocks."""

    @property
    def name(self) -> str:
        """Name of its files."""

    @property
    def title(self) -> str:
        """Its caption."""

    @property
    def head(self) -> list[str]:
        """Names of the columns."""

    @property
    def blocks(self) -> list[tuple[str, list[list[str]]]]:
        """Title and rows of each block; a row has a text per column."""

    @property
    def notes(self) -> list[str]:
        """Sentences below it."""


@dataclass(frozen=True)
class TextTable:
    """A table of texts in blocks, see Texts."""

    name: str
    title: str
    head: list[str]
    blocks: list[tuple[str, list[list[str]]]]
    notes: list[str]


def write_texts(table: Texts, folder: Path) -> None:
    """Write <name>.md and <name>.tex."""
    write_text(folder / f"{table.name}.md", _MARKDOWN.get_template("table.md.j2").render(t=table))
    write_text(folder / f"{table.name}.tex", _LATEX.get_template("table.tex.j2").render(t=table))


def plain_lines(table: Texts) -> list[str]:
    """The table in columns, for a terminal: its title, head and blocks, without the notes."""
    rows = [row for _, block in table.blocks for row in block]
    widths = [max(map(len, column)) for column in zip(table.head, *rows, strict=True)]
    lines = [table.title]
    for title, block in [("", [table.head]), *table.blocks]:
        lines += [title] if title else []
        for row in block:
            texts = (text.ljust(width) for text, width in zip(row, widths, strict=True))
            lines.append("  ".join(texts).rstrip())
    return lines


def numbers_csv(numbers: pd.DataFrame) -> str:
    """The text of a CSV file: six digits per number, empty cells for null."""
    return numbers.to_csv(index=False, float_format="%.6g", lineterminator="\n")


def escape_tex(text: str) -> str:
    """Escape a text for LaTeX.

    >>> escape_tex("a_b & 5 % ± 1")
    'a\\\\_b \\\\& 5 \\\\% $\\\\pm$ 1'
    """
    return re.sub("|".join(map(re.escape, _TEX)), lambda match: _TEX[match[0]], text)


def escape_markdown(text: str) -> str:
    """Escape a text for a cell of a Markdown table."""
    return re.sub(r"([\\|*_`<>\[\]])", r"\\\1", text)


_TEX = {character: "\\" + character for character in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "[": "{[}",  # after the end of a row a [ starts an argument
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "±": r"$\pm$",
    "–": "--",
}
_HERE = Path(__file__).parent


def _environment(escape: Callable[[str], str], **marks: Any) -> jinja2.Environment:
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE), undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, **marks,
    )  # fmt: skip
    found.filters["safe_text"] = escape
    return found


_MARKDOWN = _environment(escape_markdown)
# LaTeX uses braces itself.
_LATEX = _environment(
    escape_tex, variable_start_string="<<", variable_end_string=">>",
    block_start_string="<%", block_end_string="%>",
    comment_start_string="<#", comment_end_string="#>",
)  # fmt: skip
