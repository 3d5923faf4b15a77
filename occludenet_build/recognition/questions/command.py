"""The command line of questions; the package's docstring is its contract."""

from __future__ import annotations

import argparse
import json
import logging
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from occludenet_build.config import Config
from occludenet_build.config.questions import LETTERS, Questions
from occludenet_build.core import files
from occludenet_build.core.errors import UserError
from occludenet_build.recognition.prediction_table import (
    Predictions,
    check_same_labels,
    read_predictions,
)
from occludenet_build.recognition.question_key import (
    Key,
    Question,
    chance_percent,
    letter_percents,
    question_id,
    write_key,
)
from occludenet_build.recognition.questions.asked import AskedClip, asked_clips, known_labels
from occludenet_build.recognition.questions.kept import KeptQuestions
from occludenet_build.recognition.questions.options import (
    Drawn,
    Likely,
    Source,
    number_of_options,
    options_of,
)

Row = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of questions."""
    parser.add_argument("--clips", type=Path, help="annotate/clips.parquet; default: only lists")
    parser.add_argument("--root", type=Path, default=Path(), help="folder of the clip files")
    parser.add_argument(
        "--labels", type=Path, help="annotate/labels.json; default: the file beside --clips"
    )
    parser.add_argument(
        "--predictions", type=Path, nargs="*", default=[], metavar="FILE.parquet",
        help="tables of evaluate or predictions, for hard distractors",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")


def run(args: argparse.Namespace, config: Config) -> None:
    """Write the questions, their key and the summary.

    Raises UserError where there is nothing to ask about, or where hard distractors lack a model.
    """
    settings = config.section(Questions)
    predicted = {path.stem: read_predictions(path) for path in args.predictions}
    if settings.distractors == "hard" and not predicted:
        raise UserError(
            "wanted --predictions for hard distractors, got none; train and evaluate a network, or "
            "set questions.distractors to random"
        )
    check_same_labels(list(predicted.values()))
    clips, skipped = asked_clips(args, config)
    likely = Likely.of(list(predicted.values())) if settings.distractors == "hard" else None
    labels = known_labels(args, list(predicted.values()), clips)
    count = number_of_options(settings.options, labels)
    kept = KeptQuestions.of(args.out / "store", settings, count, config.seed)
    options = Options(labels, likely, count, config.seed, kept.options(labels))
    key = Key(labels, tuple(_ask(clip, options, settings) for clip in clips))
    # before the handout: what is handed out can be scored, whatever happens then
    kept.add(key)
    write_handout(args.out / "handout", key, clips, settings)
    write_classifiers(args.out / "classifiers", key, predicted)
    write_key(key, args.out / "key.json")
    write_summary(args.out / "summary.json", key, settings, sorted(predicted), skipped)


@dataclass(frozen=True)
class Options:
    """Gives the options of a source clip."""

    labels: Sequence[str]
    likely: Likely | None
    count: int
    seed: int
    kept: Mapping[Source, Drawn]
    """Those of earlier runs, which stay."""

    def of(self, source: Source) -> Drawn:
        """The options of a source clip and how they were chosen."""
        if source in self.kept:
            return self.kept[source]
        return options_of(source, self.labels, self.likely, self.count, self.seed)


def _ask(clip: AskedClip, options_for: Options, settings: Questions) -> Question:
    options, chosen = options_for.of((clip.clip, clip.label))
    text = f"{settings.question}\n{settings.instruction}"
    name = question_id(clip.set, clip.file, clip.file_hash, text, options)
    return Question(name, clip.set, clip.scale, clip.clip, clip.file, clip.label, options, chosen)


def write_handout(folder: Path, key: Key, clips: Sequence[AskedClip], settings: Questions) -> None:
    """Write handout/<set>.jsonl and the links to the clips, in place of an earlier handout.

    The lines are in the order of `video_id`, a hash: neighbours in a table are of one class.
    Raises UserError where two sets have the same file name.
    """
    names = _file_names(dict.fromkeys(clip.set for clip in clips))
    lines: dict[str, list[Row]] = {}
    with files.replacing_folder(folder) as made:
        (made / "video").mkdir()
        for question, clip in zip(key.questions, clips, strict=True):
            video = f"video/{question.id}{clip.path.suffix}"
            _link(made / video, clip)
            lines.setdefault(clip.set, []).append(_public(question, video, settings))
        for name, rows in lines.items():
            rows.sort(key=lambda row: row["video_id"])
            files.write_text(made / f"{names[name]}.jsonl", "".join(map(_line, rows)))


def _file_names(sets: Iterable[str]) -> dict[str, str]:
    """Set -> name of its file. Raises UserError where two are the same."""
    names = {name: re.sub(r"[^A-Za-z0-9.+-]+", "_", name) for name in sets}
    if len({name.casefold() for name in names.values()}) < len(names):
        raise UserError(
            f"evaluate.lists: wanted names that differ in letters or digits, got {', '.join(names)}"
        )
    return names


def _link(link: Path, clip: AskedClip) -> None:
    """Link to a clip: of the build by a relative path, so that the build can be moved.

    Raises UserError where the file system has no symbolic links.
    """
    inside = os.path.relpath(clip.path.resolve(), link.parent.resolve())
    try:
        link.symlink_to(inside if clip.file_hash else clip.path.resolve())
    except OSError as error:
        raise UserError(
            f"wanted a file system with symbolic links, {link.parent} has none "
            f"({error.strerror}); write the questions elsewhere with --out"
        ) from error


def _public(question: Question, video: str, settings: Questions) -> Row:
    """What may be given away of a question."""
    lines = [settings.question, *question.options, settings.instruction]
    return {
        "id": question.id,
        "set": question.set,
        "video": video,
        "video_id": files.short_hash("video", question.clip, question.label)[:16],
        "question": settings.question,
        "candidates": question.candidates,
        "options": question.options,
        "prompt": "\n".join(lines),
        "distractors": question.distractors,
    }


def _line(values: Row) -> str:
    return json.dumps(values, ensure_ascii=False) + "\n"


def write_classifiers(folder: Path, key: Key, predicted: dict[str, Predictions]) -> None:
    """Write classifiers/<model>.jsonl: a model's logits for the options of each question."""
    with files.replacing_folder(folder) as made:
        for name, one in predicted.items():
            files.write_text(made / f"{name}.jsonl", "".join(_scored_lines(key, one)))


def _scored_lines(key: Key, predicted: Predictions) -> Iterator[str]:
    rows = predicted.rows[predicted.rows["logits"].notna()]
    logits = dict(zip(zip(rows["set"], rows["file"], strict=True), rows["logits"], strict=True))
    place = {label: position for position, label in enumerate(predicted.about.labels)}
    for question in key.questions:
        values = logits.get((question.set, question.file))
        if values is not None:
            scores = _option_scores(question, values, place)
            yield _line({"id": question.id, "scores": scores})


def _option_scores(
    question: Question, logits: Sequence[float], place: dict[str, int]
) -> dict[str, float]:
    pairs = zip(LETTERS, question.candidates, strict=False)
    return {letter: float(logits[place[label]]) for letter, label in pairs}


def write_summary(
    path: Path, key: Key, settings: Questions, models: list[str], skipped: list[Row]
) -> None:
    """Write and log the summary."""
    sets = [_of_set(name, key.of_set(name)) for name in dict.fromkeys(q.set for q in key.questions)]
    chosen = Counter(question.distractors for question in key.questions)
    note: Row = {"mode": settings.distractors, "models": models if chosen["hard"] else []}
    note |= {"hard": chosen["hard"], "random": chosen["random"]}
    options = len(key.questions[0].candidates)
    counts: Row = {"options": options, "labels": len(key.labels), "skipped": skipped}
    files.write_json(path, {"sets": sets, "distractors": note} | counts)
    for entry in sets:
        logging.info("%(set)s: %(questions)d questions, chance %(chance).1f %%", entry)
    if settings.distractors == "hard" and chosen["random"]:
        logging.warning("%d questions are of clips that no model has seen", chosen["random"])
    if skipped:
        logging.warning("%d files were left out; `skipped` in summary.json says why", len(skipped))


def _of_set(name: str, questions: Sequence[Question]) -> Row:
    letters = letter_percents([question.answer for question in questions])
    chance = chance_percent(questions)
    return {"set": name, "questions": len(questions), "chance": chance, "letters": letters}
