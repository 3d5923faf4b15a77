"""Settings of the stage that writes multiple-choice questions for video language models."""

from __future__ import annotations

import string
from dataclasses import dataclass

from occludenet_build.core.errors import UserError
from occludenet_build.core.settings import require_distinct, setting

LETTERS = string.ascii_uppercase
"""Letters of the options, in order; a question has no more options than there are letters."""


@dataclass(frozen=True)
class Questions:
    """Stage questions: multiple-choice questions about the clips, for video language models (video
    LLMs); predictions.dumps reads their answers."""

    options: int | None = setting(5, low=2, high=len(LETTERS))
    """Number of options per question, the right one included; null: all classes, at most 26. The
    chance level is 100 / options percent."""
    distractors: str = setting("hard", choices=("hard", "random"))
    """Wrong options. hard: the classes that `models` rank highest beside the clip's own; random:
    classes drawn by hash, which needs no trained network."""
    models: tuple[str, ...] = setting((), empty=True)
    """Names of the predictions whose mean probability gives the hard distractors: baseline-0 for
    evaluate/baseline-0.parquet, or the file name of a model of predictions.dumps. Empty: all arms
    and seeds of train."""
    question: str = setting("Which action does the person in the video perform?")
    """Text of the question."""
    instruction: str = setting("Answer with the letter of the right option only.")
    """Text after the options, in the field `prompt` of a question."""

    def __post_init__(self) -> None:
        require_distinct("questions.models", self.models, "names")
        for name in ("question", "instruction"):
            if not getattr(self, name).strip():
                raise UserError(
                    f"config: questions.{name}: wanted a text, got none; leave it out for the "
                    "default"
                )
