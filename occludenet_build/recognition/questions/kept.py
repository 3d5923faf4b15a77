"""Questions stay as they were first asked, so that answers that were paid for stay answers.

Hard distractors follow from what networks predict. If they were chosen anew after each training,
every question would get other options and another id, and earlier answers could not be scored. So
`store/` keeps an answer key per selection of settings, with every question that was ever asked with
them: a source clip that is in it keeps its options in all sets. The id of a question holds the hash
of its clip, so the answer to a clip that was made again does not count for the new one.

The folder is no output of the rule, since Snakemake removes outputs before a rerun.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from occludenet_build.config.questions import Questions
from occludenet_build.core import files
from occludenet_build.recognition.question_key import Key, Question, read_key, write_key
from occludenet_build.recognition.questions.options import Drawn, Source


@dataclass(frozen=True)
class KeptQuestions:
    """The questions that were asked with the same settings."""

    path: Path
    """Their answer key; it need not exist."""
    questions: tuple[Question, ...]

    @classmethod
    def of(cls, folder: Path, settings: Questions, count: int, seed: int) -> KeptQuestions:
        """The questions in `folder` that were asked with these settings.

        `count`: number of options. Raises UserError where the file is damaged.
        """
        used = asdict(replace(settings, options=count)) | {"seed": seed}
        path = folder / f"{files.short_hash(json.dumps(used, sort_keys=True))[:16]}.json"
        return cls(path, read_key(path).questions if path.exists() else ())

    def options(self, labels: Sequence[str]) -> dict[Source, Drawn]:
        """The options of each source clip; those that hold other classes than `labels` are gone."""
        known = set(labels)
        return {
            (one.clip, one.label): (one.candidates, one.distractors)
            for one in self.questions
            if known.issuperset(one.candidates)
        }

    def add(self, key: Key) -> None:
        """Write the questions of `key` and all earlier ones."""
        new = {question.id for question in key.questions}
        old = (question for question in self.questions if question.id not in new)
        write_key(Key(key.labels, (*key.questions, *old)), self.path)
