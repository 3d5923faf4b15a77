"""Multiple-choice questions and their answer key.

The stage `questions` writes the key, and `predictions` reads it to score answers. Options are
classes, and a letter stands for each: A for the first. The id of a question is a hash of its clip
(with the hash of its file) and its text, so a question of another build or of other settings has
another id.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

from occludenet_build.config.questions import LETTERS
from occludenet_build.core import files
from occludenet_build.core.errors import UserError

FORMAT = "occludenet questions 1"
"""First entry of a key: the format and its version."""


@dataclass(frozen=True)
class Question:
    """A question and its answer."""

    id: str
    set: str
    scale: float | None
    """Size of the occluder relative to the actor's box; None for a clip of a list."""
    clip: str
    """The source clip, shared by its scales and its clean twin."""
    file: str
    """The clip, relative to the build's folder or to the list's."""
    label: str
    """The clip's class, which is the right option."""
    candidates: tuple[str, ...]
    """The options in order, classes."""
    distractors: str
    """How the wrong options were chosen: hard or random."""

    @property
    def answer(self) -> str:
        """Letter of the right option."""
        return LETTERS[self.candidates.index(self.label)]

    @property
    def options(self) -> list[str]:
        """The options with their letters, such as `A. archery`."""
        return [f"{a}. {text}" for a, text in zip(LETTERS, self.candidates, strict=False)]


@dataclass(frozen=True)
class Key:
    """The questions of all sets with their answers."""

    labels: tuple[str, ...]
    """All classes that options were chosen from."""
    questions: tuple[Question, ...]

    def of_set(self, name: str) -> list[Question]:
        """The questions of a set, in order."""
        return [question for question in self.questions if question.set == name]


def question_id(set_name: str, file: str, file_hash: str, text: str, options: Sequence[str]) -> str:
    """The id of a question: 16 hex digits.

    `file_hash`: sha256 of the clip; empty where it is unknown.
    """
    return files.short_hash(set_name, file, file_hash, text, *options)[:16]


def write_key(key: Key, path: Path) -> None:
    """Write the answer key as JSON: format, labels, questions."""
    questions = [asdict(one) | {"answer": one.answer} for one in key.questions]
    files.write_json(path, {"format": FORMAT, "labels": key.labels, "questions": questions})


def read_key(path: Path) -> Key:
    """Read a file of `write_key`. Raises UserError where it is another file."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["format"] != FORMAT:
            raise ValueError(f"its format is {values['format']!r}")
        questions = [_question(one) for one in values["questions"]]
        return Key(tuple(values["labels"]), tuple(questions))
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise UserError(
            f"wanted an answer key, key.json of the stage questions, {path} is none "
            f"({type(error).__name__}: {error}); name that file"
        ) from error


def _question(values: dict) -> Question:
    letter = values.pop("answer")
    found = Question(**values | {"candidates": tuple(values["candidates"])})
    if found.answer != letter:
        raise ValueError(f"the answer of {found.id} is {letter}, that of its label {found.answer}")
    return found


def chance_percent(questions: Iterable[Question]) -> float | None:
    """Percent of right answers that guessing gives; None without a question."""
    percents = [100 / len(question.candidates) for question in questions]
    return fmean(percents) if percents else None


def letter_percents(letters: Sequence[str]) -> dict[str, float]:
    """Percent of each letter among `letters`, in the order of the alphabet.

    >>> letter_percents(["B", "A", "B", "B"])
    {'A': 25.0, 'B': 75.0}
    """
    counts = Counter(letters)
    return {letter: 100 * counts[letter] / len(letters) for letter in sorted(counts)}
