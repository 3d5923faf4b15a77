"""Answers of video language models to the questions of the stage `questions`, as predictions.

A file .jsonl has a line per question: `id`, and the answer under the first of these names that the
line has: `scores` ({letter: number} or a list in the order of the options: logits or log
probabilities; the largest is the answer), `prediction` (VLMEvalKit), `response` (Video-MME),
`filtered_resps` (lmms-eval), `answer`. A text names an option by the rules of `answer_text`. `id`
may stand in `doc`, as in lmms-eval's samples.

A text that names no option is wrong, and counted. A question without a line is left out as
`skipped`. A model that names one option has probability 1 for it and 0 for all other classes; of
`scores`, the softmax over the options is taken, and the classes that were no option have 0. As
in other dumps, the logarithm of the smallest normal float32 (-87.3) stands for that of 0. Such
models have no top-5, because they rank a few classes only; `predicted` and `logits` of a text that
names no option are null.
"""

from __future__ import annotations

import json
import logging
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import log_softmax

from occludenet_build.config.questions import LETTERS
from occludenet_build.config.recognition import Dump
from occludenet_build.core.errors import UserError
from occludenet_build.recognition.lists import read_label_map
from occludenet_build.recognition.predictions.answer_text import named_option
from occludenet_build.recognition.predictions.rows import LEAST, BuildClips, DumpRows, Row
from occludenet_build.recognition.question_key import (
    Question,
    chance_percent,
    letter_percents,
    read_key,
)

SUFFIX = ".jsonl"
_TEXTS = ("prediction", "response", "filtered_resps", "answer")
"""Names of an answer's text, in the order in which they are looked for."""
EXAMPLES = 5
"""Number of texts without an option that the JSON file quotes."""


@dataclass(frozen=True)
class Answer:
    """The answer to a question."""

    scores: np.ndarray | None
    """Log probabilities of the options, float64; None where no option was named."""
    text: str
    """As given, at most 200 characters; empty for scores."""

    @property
    def position(self) -> int | None:
        """The option that was chosen; None where none was named. Of equal scores the first."""
        return None if self.scores is None else int(self.scores.argmax())

    def same_as(self, other: Answer) -> bool:
        """Whether both say the same: the same text, and the same scores."""
        if self.scores is None or other.scores is None:
            return self.text == other.text and self.scores is other.scores
        return self.text == other.text and np.array_equal(self.scores, other.scores)


@dataclass
class AnswerRows(DumpRows):
    """The rows of a file of answers."""

    options: int | None = None
    """Number of options of a question; None where all labels are options."""
    answers: Row = field(default_factory=dict)
    """Entry of `answers` in the JSON file of predictions."""


def read_answers(dump: Dump, known: BuildClips) -> AnswerRows:
    """The rows of a set from a file of answers, and the questions without an answer.

    Raises UserError where the file does not parse, where an id is not in the answer key, where a
    question has two different answers, or where no question of the set has one.
    """
    if dump.list is None:
        raise UserError(f"{dump.file} holds answers; set list to key.json of the stage questions")
    key = read_key(Path(dump.list))
    labels = key.labels if dump.label_map is None else read_label_map(dump.label_map)
    missing = sorted(set(key.labels) - set(labels))
    if missing:
        raise UserError(
            f"label maps do not match: {dump.list} has options that {dump.label_map} lacks, such "
            f"as {', '.join(missing[:5])}; leave label_map out"
        )
    found = _answers(dump, {question.id: question for question in key.questions})
    asked = key.of_set(dump.set)
    answered = [(question, found[question.id]) for question in asked if question.id in found]
    if not answered:
        sets = ", ".join(sorted({question.set for question in key.questions}))
        raise UserError(f"{dump.file}: wanted answers about {dump.set}, got none; sets are {sets}")
    rows = [_row(question, answer, labels, known) for question, answer in answered]
    reason = "missing: no answer to its question"
    skipped = [
        {"set": dump.set, "file": question.file, "reason": reason}
        for question in asked
        if question.id not in found
    ]
    count = max(len(question.candidates) for question in asked)
    options = count if count < len(labels) else None
    report = _report(dump, answered, len(skipped))
    return AnswerRows(labels, "softmax", rows, skipped, options, report)


def _answers(dump: Dump, questions: Mapping[str, Question]) -> dict[str, Answer]:
    found: dict[str, Answer] = {}
    for number, values in _lines(dump.file):
        where = f"{dump.file}, line {number}"
        name = values["id"] if "id" in values else _inner(values).get("id")
        question = questions.get(name) if isinstance(name, str) else None
        if question is None:
            raise UserError(
                f"{where}: wanted the id of a question in {dump.list}, got {name!r}; these are "
                "answers to questions of another build or of other settings: ask again"
            )
        answer = _answer(values, question, where)
        earlier = found.setdefault(question.id, answer)
        if not earlier.same_as(answer):
            raise UserError(f"{where}: wanted one answer to {name}, got another before; remove one")
    return found


def _inner(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The question itself in a sample that lmms-eval logged."""
    doc = values.get("doc")
    return doc if isinstance(doc, dict) else {}


def _lines(path: str) -> list[tuple[int, dict[str, Any]]]:
    """The objects of a file with the numbers of their lines; empty lines are left out."""
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"wanted answers as JSON lines in UTF-8, {path}: {error}") from error
    found = []
    for number, line in enumerate(lines, 1):
        try:
            values = json.loads(line) if line.strip() else None
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path}, line {number}: wanted JSON, got {line[:60]!r}") from error
        if values is not None and not isinstance(values, dict):
            raise UserError(
                f'{path}, line {number}: wanted {{"id": ..., "answer": ...}}, got {line[:60]!r}'
            )
        found += [] if values is None else [(number, values)]
    return found


def _answer(values: Mapping[str, Any], question: Question, where: str) -> Answer:
    if "scores" in values:
        return Answer(log_softmax(_scores(values["scores"], question, where)), "")
    given = next((values[name] for name in _TEXTS if name in values), values)
    while isinstance(given, list) and len(given) == 1:
        given = given[0]
    if given is not None and not isinstance(given, str):
        raise UserError(
            f"{where}: wanted one text under {', '.join(_TEXTS)}, or scores, got {str(given)[:60]}"
        )
    position = named_option(given or "", question.candidates)
    chosen = None
    if position is not None:
        chosen = np.full(len(question.candidates), -np.inf)
        chosen[position] = 0.0
    return Answer(chosen, (given or "")[:200])


def _scores(given: Any, question: Question, where: str) -> np.ndarray:
    """Scores of the options in order, float64. Raises UserError where they are not."""
    letters = LETTERS[: len(question.candidates)]
    if isinstance(given, dict):
        given = [given.get(letter) for letter in letters] if set(given) == set(letters) else None
    good = isinstance(given, list) and len(given) == len(letters)
    if not good or not all(type(one) in (int, float) and math.isfinite(one) for one in given):
        raise UserError(
            f"{where}: wanted a finite score for each of {', '.join(letters)}, got "
            f"{str(given)[:60]}; leave the line out if the model failed"
        )
    return np.array(given, np.float64)


def _row(question: Question, answer: Answer, labels: Sequence[str], known: BuildClips) -> Row:
    """A row of PREDICTIONS."""
    facts = known.of(question.set, question.file)
    if facts is None and question.set in known.scales:
        raise UserError(
            f"wanted a question about a clip of this build, {question.file} of {question.set} is "
            "none; the key is of another build: run questions again, and ask again"
        )
    if facts is not None and facts["label"] != question.label:
        raise UserError(
            f"label maps do not match: {question.file} is {facts['label']} in this build, and "
            f"{question.label} in the key; run questions again, and ask again"
        )
    own = {name: getattr(question, name) for name in ("clip", "set", "scale", "file", "label")}
    position = answer.position
    predicted = None if position is None else question.candidates[position]
    row = (facts or own) | {"predicted": predicted, "top1": predicted == question.label}
    return row | {"top5": None, "logits": _logits(question, answer, labels)}


def _logits(question: Question, answer: Answer, labels: Sequence[str]) -> list[float] | None:
    """Log probabilities of all classes; None where no option was named."""
    if answer.scores is None:
        return None
    of_option = dict(zip(question.candidates, answer.scores, strict=True))
    least = math.log(LEAST)
    return [max(float(of_option.get(label, least)), least) for label in labels]


def _report(dump: Dump, answered: Sequence[tuple[Question, Answer]], missing: int) -> Row:
    """The entry of `answers` in the JSON file; logs it."""
    lost = [answer.text for _, answer in answered if answer.position is None]
    chosen = [LETTERS[one.position] for _, one in answered if one.position is not None]
    asked = [question for question, _ in answered]
    report = {
        "set": dump.set,
        "file": dump.file,
        "questions": len(answered) + missing,
        "answered": len(answered),
        "missing": missing,
        "unparsed": len(lost),
        "chance": chance_percent(asked),
        "letters": letter_percents(chosen),
        "right_letters": letter_percents([question.answer for question in asked]),
        "right_at": _right_at(answered),
        "unparsed_examples": sorted(set(lost))[:EXAMPLES],
    }
    logging.info(
        "%(file)s: %(answered)d of %(questions)d questions of %(set)s answered, chance "
        "%(chance).1f %%, %(unparsed)d answers name no option and count as wrong",
        report,
    )
    return report


def _right_at(answered: Sequence[tuple[Question, Answer]]) -> dict[str, float]:
    """Percent of right answers to the questions whose right option has a letter, by letter."""
    asked = Counter(question.answer for question, _ in answered)
    right = Counter(
        question.answer
        for question, answer in answered
        if answer.position is not None and LETTERS[answer.position] == question.answer
    )
    return {letter: 100 * right[letter] / asked[letter] for letter in sorted(asked)}
