"""A table of the paper: the printed block, ours beside it, and its three files."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from occludenet_build.core.files import write_text
from occludenet_build.paper.accuracy_cells import ABSENT, joined_text, paper_cells

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Table:
    name: str
    """table_2"""
    title: str
    head: list[str]
    paper: list[list[str]]
    """As printed, a text per column of `head`; "-" where nothing is printed."""
    ours: list[list[str]]
    """Measured; "-" where nothing was, never filled from the paper."""
    notes: list[str]
    numbers: pd.DataFrame
    """Both, in numbers: the CSV file. Its column `source` says which."""


def of_cells(
    name: str,
    title: str,
    first: str,
    printed: pd.DataFrame,
    found: pd.DataFrame,
    notes: list[str],
    show: Callable[[pd.DataFrame], str] = joined_text,
) -> Table:
    """`printed`: published.values; `found`: cells. Rows and columns in the order in which they
    come, the printed columns first. `show`: the cells of one place as text."""
    paper = paper_cells(printed)
    columns = list(dict.fromkeys([*paper["column"], *found["column"]]))
    printed_rows, ours = grid(paper, columns, show), grid(found, columns, show)
    both = [*paper.to_dict("records"), *found.to_dict("records")]
    numbers = pd.DataFrame(both, columns=found.columns)
    return Table(name, title, [first, *columns], printed_rows, ours, notes, numbers)


def grid(
    found: pd.DataFrame, columns: Sequence[str], show: Callable[[pd.DataFrame], str]
) -> list[list[str]]:
    """A line per row of the table: its name, then the text of each column."""
    places = dict(iter(found.groupby(["row", "column"], sort=False)))
    return [
        [row, *(show(places[row, c]) if (row, c) in places else ABSENT for c in columns)]
        for row in dict.fromkeys(found["row"])
    ]


def write(table: Table, folder: Path) -> None:
    """<name>.csv, .md and .tex."""
    write_text(folder / f"{table.name}.csv", csv(table.numbers))
    write_text(folder / f"{table.name}.md", _MARKDOWN.get_template("table.md.j2").render(t=table))
    write_text(folder / f"{table.name}.tex", _LATEX.get_template("table.tex.j2").render(t=table))


def csv(numbers: pd.DataFrame) -> str:
    """The text of a CSV file, six digits a number, nulls empty."""
    return numbers.to_csv(index=False, float_format="%.6g", lineterminator="\n")


def tex(text: str) -> str:
    """A text for LaTeX: its own characters escaped, those of ours as commands.

    >>> tex("a_b & 5 % ± 1")
    'a\\\\_b \\\\& 5 \\\\% $\\\\pm$ 1'
    """
    return re.sub("|".join(map(re.escape, _TEX)), lambda match: _TEX[match[0]], text)


def markdown(text: str) -> str:
    """A text for a cell of a Markdown table."""
    return re.sub(r"([\\|*_`<>\[\]])", r"\\\1", text)


_TEX = {character: "\\" + character for character in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "[": "{[}",  # after the end of a row it would begin an argument
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "±": r"$\pm$",
    "–": "--",
}


def _environment(escape: Callable[[str], str], **marks: Any) -> jinja2.Environment:
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE), undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, **marks,
    )  # fmt: skip
    found.filters["safe_text"] = escape
    return found


_MARKDOWN = _environment(markdown)
# Braces are LaTeX's own.
_LATEX = _environment(
    tex, variable_start_string="<<", variable_end_string=">>",
    block_start_string="<%", block_end_string="%>",
    comment_start_string="<#", comment_end_string="#>",
)  # fmt: skip
