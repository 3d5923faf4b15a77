"""questions: fair options, a handout without answers; answers of known skill get their score."""

import json
import logging
import random
import string
from argparse import Namespace
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chisquare
from support.clips import LABELS, write_world
from support.workflow import SETTINGS, Build

from occludenet_build.config import Config, load_part
from occludenet_build.config.recognition import Dump, Predictions
from occludenet_build.core import tables
from occludenet_build.core.errors import UserError
from occludenet_build.recognition.accuracy import rank_logits, wilson
from occludenet_build.recognition.clip_table import read_clips
from occludenet_build.recognition.prediction_table import (
    ModelInfo,
    read_predictions,
    write_predictions,
)
from occludenet_build.recognition.prediction_table import (
    Predictions as Predicted,
)
from occludenet_build.recognition.predictions.answer_text import named_option
from occludenet_build.recognition.predictions.command import run as run_predictions
from occludenet_build.recognition.question_key import read_key
from occludenet_build.recognition.questions.command import run as run_questions
from occludenet_build.recognition.questions.options import Likely, number_of_options, options_of
from occludenet_build.results.paper import command as paper
from occludenet_build.results.paper import inputs as paper_inputs
from occludenet_build.results.paper.common_clips import score_rows
from occludenet_build.results.paper.figures import FIGURES, classes

CLASSES = tuple(f"class {letter}" for letter in string.ascii_lowercase[:12])
MORE = (*LABELS, "jump", "kneel", "hop", "nap")
"""Labels of the classifiers, more than the clips show."""
SETS = ("clean", "D-25", "D-75")


# --- the options ---


def test_the_right_option_is_everywhere_equally_often_and_options_are_distinct():
    letters = Counter()
    wrong = Counter()
    for clip in range(3000):
        truth = CLASSES[clip % len(CLASSES)]
        options, chosen = options_of((f"clip-{clip}", truth), CLASSES, None, 5, seed=7)
        assert len(set(options)) == 5 and truth in options and chosen == "random"
        letters[options.index(truth)] += 1
        wrong.update(set(options) - {truth})
    assert chisquare([letters[n] for n in range(5)]).pvalue > 0.01
    assert chisquare([wrong[name] for name in CLASSES]).pvalue > 0.01


def test_the_position_does_not_follow_from_the_class_or_the_rank():
    """The most likely wrong class stands everywhere, too: no order of the ranking shows through."""
    means = np.linspace(0.9, 0.1, len(CLASSES))
    hardest = Counter()
    for clip in range(1500):
        source = (f"clip-{clip}", CLASSES[3])
        options, chosen = options_of(source, CLASSES, Likely(CLASSES, {source: means}), 4, seed=0)
        assert set(options) == {*CLASSES[:3], CLASSES[3]} and chosen == "hard"
        hardest[options.index(CLASSES[0])] += 1
    assert chisquare([hardest[n] for n in range(4)]).pvalue > 0.01


def test_options_depend_on_seed_and_clip_only():
    ask = lambda clip, seed, labels: options_of((clip, "class a"), labels, None, 5, seed)[0]  # noqa: E731
    assert ask("one", 0, CLASSES) == ask("one", 0, CLASSES[::-1])
    assert len({ask(clip, seed, CLASSES) for clip in ("one", "two") for seed in range(9)}) > 15


def test_hard_distractors_are_those_of_the_mean_over_models_and_sets():
    """Labels in another order mean the same, and rows without logits count for nothing."""
    rows = [("c", "a", [0, 9, 0, 0]), ("c", "a", [0, 0, 9, 0]), ("c", "a", None)]
    found = Likely.of([predicted(rows, ("a", "b", "d", "e"))])
    assert found.means["c", "a"].round(3).tolist() == [0, 0.5, 0.5, 0]
    other = predicted([("c", "a", [9, 0, 0, 0])] * 3, ("e", "a", "b", "d"))
    both = Likely.of([predicted(rows, ("a", "b", "d", "e")), other])
    assert both.labels[both.means["c", "a"].argmax()] == "e"
    assert both.means["c", "a"].sum() == pytest.approx(1)


def predicted(rows, labels):
    return Predicted(
        ModelInfo("m", labels), pd.DataFrame(rows, columns=["clip", "label", "logits"])
    )


@pytest.mark.parametrize(
    ("wanted", "classes", "count"), [(5, 12, 5), (5, 3, 3), (None, 12, 12), (2, 2, 2)]
)
def test_number_of_options(wanted, classes, count):
    assert number_of_options(wanted, CLASSES[:classes]) == count


def test_as_many_options_as_letters_at_most():
    with pytest.raises(UserError, match=r"questions\.options: wanted at most 26"):
        number_of_options(None, [str(n) for n in range(27)])
    with pytest.raises(UserError, match="at least two"):
        number_of_options(5, ["one"])


# --- the handout ---


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Eight clips a class at three scales, and what a classifier of seven classes says of them."""
    root = tmp_path_factory.mktemp("place")
    write_world(root, train=0, test=8)
    generator = np.random.default_rng(3)
    rows = []
    for clip in read_clips(root / "annotate/clips.parquet", "test"):
        logits = generator.normal(size=len(MORE)).tolist()
        logits[MORE.index(clip.label)] += 1
        facts = {name: getattr(clip, name) for name in ("clip", "set", "scale", "file", "label")}
        rows.append(facts | rank_logits(logits, MORE, clip.label) | {"logits": logits})
    (root / "evaluate").mkdir()
    about = ModelInfo("tiny3d", MORE, arm="baseline", seed=0)
    write_predictions(rows, about, root / "evaluate/baseline-0.parquet")
    ask(root, root / "questions")
    return root


def ask(root, out, models=("baseline-0",), seed=0, **settings):
    args = Namespace(clips=root / "annotate/clips.parquet", root=root, labels=None, out=out)
    args.predictions = [root / f"evaluate/{name}.parquet" for name in models]
    run_questions(args, load_part({"questions": settings, "seed": seed}))
    return out


def handed_out(folder, names=SETS):
    """The questions as a program reads them that knows the handout only."""
    lines = [(folder / "handout" / f"{name}.jsonl").read_text().splitlines() for name in names]
    return [json.loads(line) for part in lines for line in part]


def test_the_handout_asks_about_every_clip_and_does_not_tell(place):
    questions = handed_out(place / "questions")
    assert len(questions) == 3 * 8 * 3 == len({one["id"] for one in questions})
    told = {
        "id",
        "set",
        "video",
        "video_id",
        "question",
        "candidates",
        "options",
        "prompt",
        "distractors",
    }

    key = {one.id: one for one in read_key(place / "questions/key.json").questions}
    for one in questions:
        assert set(one) == told
        truth = key[one["id"]]
        assert truth.clip not in json.dumps(one) and truth.file not in json.dumps(one)
        assert len(set(one["candidates"])) == 5 and truth.label in one["candidates"]
        link = place / "questions/handout" / one["video"]
        assert link.is_symlink() and link.resolve() == (place / truth.file).resolve()
        assert not link.readlink().is_absolute()
        assert one["options"][2] == f"C. {one['candidates'][2]}"
        assert all(option in one["prompt"].splitlines() for option in one["options"])


def test_scales_and_clean_twin_have_the_same_options_in_the_same_order(place):
    by_clip = {}
    orders = [[one["video_id"] for one in handed_out(place / "questions", [s])] for s in SETS]
    assert orders[0] == orders[1] == orders[2] == sorted(orders[0])  # not the table's, by class
    for one in handed_out(place / "questions"):
        by_clip.setdefault(one["video_id"], []).append(one)
    assert len(by_clip) == 24
    for same in by_clip.values():
        assert [one["set"] for one in same] == list(SETS)
        assert len({tuple(one["candidates"]) for one in same}) == 1
        assert len({one["id"] for one in same}) == 3


def test_the_summary_counts(place, tmp_path):
    note = json.loads((place / "questions/summary.json").read_text())
    assert [entry["set"] for entry in note["sets"]] == list(SETS)
    assert {entry["chance"] for entry in note["sets"]} == {20.0}
    assert note["distractors"] == {
        "mode": "hard", "models": ["baseline-0"], "hard": 72, "random": 0
    }  # fmt: skip
    truth = Counter(one.answer for one in read_key(place / "questions/key.json").of_set("clean"))
    assert note["sets"][0]["letters"] == {a: 100 * truth[a] / 24 for a in sorted(truth)}
    ask(place, tmp_path / "q", models=(), distractors="random", options=2)
    note = json.loads((tmp_path / "q/summary.json").read_text())
    assert note["distractors"] == {"mode": "random", "models": [], "hard": 0, "random": 72}
    assert note["labels"] == 3 and note["sets"][0]["chance"] == 50.0


def test_a_clip_that_no_model_saw_has_random_distractors_and_is_counted(place, tmp_path, caplog):
    seen = read_predictions(place / "evaluate/baseline-0.parquet")
    every = tables.read_rows(place / "evaluate/baseline-0.parquet")
    rows = [row for row in every if row["clip"] != "test-left-0"]
    write_predictions(rows, seen.about, tmp_path / "evaluate/part-0.parquet")
    args = Namespace(clips=place / "annotate/clips.parquet", root=place, labels=None)
    args.predictions, args.out = [tmp_path / "evaluate/part-0.parquet"], tmp_path / "q"
    with caplog.at_level(logging.WARNING):
        run_questions(args, Config())
    note = json.loads((tmp_path / "q/summary.json").read_text())
    assert (note["distractors"]["hard"], note["distractors"]["random"]) == (69, 3)
    assert "3 questions are of clips that no model has seen" in caplog.text


def test_the_same_again_is_the_same_and_an_old_handout_goes(place, tmp_path):
    first = ask(place, tmp_path / "q")
    before = {p.name: p.read_bytes() for p in (first / "handout").glob("*.jsonl")}
    (first / "handout/old.jsonl").write_text("{}")
    ask(place, first)
    after = {p.name: p.read_bytes() for p in (first / "handout").glob("*.jsonl")}
    assert after == before == {
        p.name: p.read_bytes() for p in (place / "questions/handout").glob("*.jsonl")
    }  # fmt: skip
    assert {o["id"] for o in handed_out(ask(place, first, seed=1))}.isdisjoint(
        {o["id"] for o in handed_out(place / "questions")}
    )


def retrained(place, folder, seed=8, keep=lambda clip: True, labels=MORE):
    """Another network's predictions of the clips, of random logits; its file."""
    generator = np.random.default_rng(seed)
    rows = []
    for clip in read_clips(place / "annotate/clips.parquet", "test"):
        logits = generator.normal(size=len(labels)).tolist()
        facts = {name: getattr(clip, name) for name in ("clip", "set", "scale", "file", "label")}
        rows += [facts | rank_logits(logits, labels, clip.label) | {"logits": logits}]
    rows = [row for row in rows if keep(row["clip"])]
    path = folder / f"evaluate/baseline-{seed}.parquet"
    write_predictions(rows, ModelInfo("tiny3d", labels, arm="baseline", seed=seed), path)
    return path


def asked(place, out, predictions, **settings):
    args = Namespace(clips=place / "annotate/clips.parquet", root=place, labels=None, out=out)
    args.predictions = predictions
    run_questions(args, load_part({"questions": settings}))
    return (out / "key.json").read_bytes()


def test_one_more_training_changes_no_question(place, tmp_path):
    """Answers that were paid for stay answers, although the new network confuses other classes."""
    first = place / "evaluate/baseline-0.parquet"
    more = [first, retrained(place, tmp_path)]
    before = asked(place, tmp_path / "q", [first])
    assert asked(place, tmp_path / "fresh", more) != before, "the test can fail"
    (tmp_path / "q/key.json").unlink()  # Snakemake removes the outputs of a rule before a rerun
    assert asked(place, tmp_path / "q", more) == before
    assert len((tmp_path / "q/classifiers/baseline-8.jsonl").read_text().splitlines()) == 72
    other = asked(place, tmp_path / "q", more, options=4)
    stores = {read_key(path).questions for path in (tmp_path / "q/store").glob("*.json")}
    assert other != before and len(stores) == 2, "other settings are other questions"
    assert asked(place, tmp_path / "q", more) == before


def test_a_clip_that_was_asked_about_keeps_its_options_beside_new_ones(place, tmp_path):
    some = retrained(place, tmp_path, 9, keep=lambda clip: clip.endswith("-0"))
    args = Namespace(clips=place / "annotate/clips.parquet", root=place, labels=None)
    args.predictions, args.out = [some], tmp_path / "q"
    run_questions(args, load_part({"questions": {}, "evaluate": {"split": "test"}}))
    old = {one.id: one for one in read_key(tmp_path / "q/key.json").questions}
    (store,) = (tmp_path / "q/store").glob("*.json")
    values = json.loads(store.read_text())
    values["questions"] = [q for q in values["questions"] if q["set"] != "D-75"]
    values["questions"] = [q for q in values["questions"] if q["clip"] != "test-left-3"]
    store.write_text(json.dumps(values))
    asked(place, tmp_path / "q", [retrained(place, tmp_path, 10)])
    new = {one.id: one for one in read_key(tmp_path / "q/key.json").questions}
    same = {name for name, one in old.items() if one.clip != "test-left-3"}
    assert same <= set(new), "a set that is new has the options that the clip has in the others"
    assert {one.distractors for one in new.values() if one.clip == "test-left-3"} == {"hard"}


def test_an_old_handout_stays_where_a_new_one_cannot_be_written(place, tmp_path):
    out = tmp_path / "q"
    asked(place, out, [], distractors="random")
    before = sorted(path.name for path in (out / "handout").rglob("*"))
    (tmp_path / "l.csv").write_text("file,label\nclips/0.00_test-left-1.mp4,left\n")
    lists = [
        {"name": n, "file": str(tmp_path / "l.csv"), "root": str(place)} for n in ("S 1", "S_1")
    ]
    values = {"evaluate": {"lists": lists}, "questions": {"distractors": "random"}}
    args = Namespace(clips=place / "annotate/clips.parquet", root=place, labels=None, out=out)
    args.predictions = []
    with pytest.raises(UserError, match="wanted names that differ in letters"):
        run_questions(args, load_part(values))
    assert sorted(path.name for path in (out / "handout").rglob("*")) == before
    assert not list(out.glob(".*part*"))


@pytest.mark.parametrize("distractors", ["random", "hard"])
def test_models_of_other_labels_are_one_line(place, tmp_path, distractors):
    other = retrained(place, tmp_path, labels=(*LABELS, "swim", "dive"))
    with pytest.raises(UserError, match="label maps do not match"):
        files = [place / "evaluate/baseline-0.parquet", other]
        asked(place, tmp_path / "q", files, distractors=distractors)


def test_lists_are_asked_about_too(place, tmp_path):
    (tmp_path / "l.csv").write_text(
        "file,label\nclips/0.00_test-left-1.mp4,left\nclips/none.mp4,left\n"
    )
    settings = load_part({"evaluate": {"lists": [
        {"name": "S 1", "file": str(tmp_path / "l.csv"), "root": str(place)}
    ]}, "questions": {"distractors": "random"}})  # fmt: skip
    args = Namespace(clips=None, labels=None, root=place, predictions=[], out=tmp_path / "q")
    args.labels = place / "annotate/labels.json"
    run_questions(args, settings)
    (question,) = handed_out(tmp_path / "q", ["S_1"])
    assert question["set"] == "S 1" and (tmp_path / "q/handout" / question["video"]).is_file()
    note = json.loads((tmp_path / "q/summary.json").read_text())
    assert [entry["file"] for entry in note["skipped"]] == ["clips/none.mp4"]
    assert note["skipped"][0]["reason"].startswith("missing: ")


def test_hard_distractors_want_a_model(place, tmp_path):
    with pytest.raises(UserError, match=r"set questions\.distractors to random"):
        ask(place, tmp_path, models=())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"question": " "}, r"questions\.question: wanted a text"),
        ({"options": 1}, r"questions\.options: wanted"),
        ({"models": ["a-0", "a-0"]}, r"questions\.models: wanted"),
        ({"distractors": "easy"}, r"questions\.distractors: wanted"),
    ],
)
def test_settings_that_are_refused(settings, message):
    with pytest.raises(UserError, match=message):
        load_part({"questions": settings})


# --- which option a text names ---

OPTIONS = ("drinking", "drinking beer", "playing a game", "yoga")


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B", "B"), (" b ", "B"), ("(B)", "B"), ("B.", "B"), ("**B**", "B"), ("[C]", "C"),
        ("$\\boxed{B}$", "B"), ("B. drinking beer", "B"), ("(D) yoga", "D"), ("C: a game", "C"),
        ("Drinking.", "A"), ("drinking beer", "B"), ("The person is drinking beer", "B"),
        ("Answer: D", "D"), ("The answer is (C).", "C"), ("The best answer is option C", "C"),
        ("Option A is tempting, but the answer is D", "D"), ("I think it is option B.", "B"),
        ("A? No. The answer is B. No: the answer is C", "C"), ("Answer: B as he sits", "B"),
        ("<think>A, or B? A.</think>\n\nC", "C"), ("It must be C, since he sits", "C"),
        ("A person is doing yoga", "D"), ("YOGA!", "D"), ("B) drinking beer", "B"),
        ("B\n\nThe man holds a can", "B"),
        ("B\n\nThe person is not drinking, so drinking is out.", "B"),
        ("Yoga.\n\nNeither drinking nor option A fits.", "D"),
        ("B. drinking beer\nOption A (drinking) is wrong", "B"),
        ("Answer: yoga. Option A (drinking) is wrong", "D"),
        ("The answer is drinking beer, not option C", "B"),
        ("Answer: drinking? No. The answer is D", "D"),
        ("Answer: D? No. Answer: drinking beer", "B"),
        ("<think>yoga</think>", ""), ("<think> it may be yoga", ""), ("<Think>B</Think>\nA", "A"),
        ("A</think> so <think> B", ""), ("The answer is yoga or drinking", ""),
    ],
)  # fmt: skip
def test_a_text_names_an_option(text, letter):
    assert named_option(text, OPTIONS) == ("ABCD".index(letter) if letter else None)


@pytest.mark.parametrize(
    "text",
    ["brush_hair", "Brush hair.", "brush\\_hair", "He does brush_hair here", "B. brush_hair",
     "_brush hair_", "$\\text{brush\\_hair}$", "answer: brush_hair, not option A"],
)  # fmt: skip
def test_labels_with_underscores_are_found(text):
    assert named_option(text, ["draw_sword", "brush_hair", "hair"]) == 1


@pytest.mark.parametrize(
    "text",
    ["", "E", "(F)", "A person in a room", "yoga or playing a game", "A or B", "?", "It is not B",
     "The answer is A or C", "I do not know", "B. yoga", "Both A and D", "drinkings", "1", "ABCD"],
)  # fmt: skip
def test_a_text_names_none(text):
    assert named_option(text, OPTIONS) is None


# --- answers become predictions ---


def skilled(probability, questions, key, seed=0):
    """Answers of a model that is right with a probability, and else names a wrong option."""
    generator = random.Random(seed)
    truth = {one.id: one.answer for one in key.questions}
    said = {}
    for one in questions:
        letters = string.ascii_uppercase[: len(one["candidates"])]
        wrong = generator.choice(letters.replace(truth[one["id"]], ""))
        said[one["id"]] = truth[one["id"]] if generator.random() < probability else wrong
    return said


def of_lmms_eval(number, question, said):
    """A line as lmms-eval logs it for a task over the handout, whose prompt is MVBench's."""
    options = "".join(f"({a}) {o}\n" for a, o in zip("ABCDE", question["candidates"], strict=False))
    prompt = f"Question:{question['question']}\nOption:\n{options}"
    return {
        "doc_id": number, "doc": question, "target": "", "arguments": [prompt],
        "resps": [[said]], "filtered_resps": [said], "bypass": 999,
    }  # fmt: skip


FORMS = {
    "ours": lambda number, question, said: {"id": question["id"], "answer": said},
    "lmms-eval": of_lmms_eval,
    # VLMEvalKit keeps the columns of its table, of which `answer` is the truth
    "VLMEvalKit": lambda number, question, said: question | {"answer": "A", "prediction": said},
    "Video-MME": lambda number, question, said: {"id": question["id"], "response": f"{said}."},
}


def written(path, entries):
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    return path


def score(place, out, file, *sets, key=None, model="Llama", clips=True, label_map=None):
    dumps = tuple(
        Dump(model, name, str(file), str(key or place / "questions/key.json"), label_map)
        for name in sets or SETS
    )
    clips = place / "annotate/clips.parquet" if clips else None
    run_predictions(
        Namespace(model=model, clips=clips, out=out), Config(predictions=Predictions(dumps))
    )
    return read_predictions(out), json.loads(out.with_suffix(".json").read_text())


@pytest.mark.parametrize("form", FORMS)
def test_a_model_of_known_skill_gets_its_score(place, tmp_path, form):
    questions = handed_out(place / "questions")
    key = read_key(place / "questions/key.json")
    said = skilled(0.7, questions, key)
    entries = [FORMS[form](n, one, said[one["id"]]) for n, one in enumerate(questions)]
    found, note = score(place, tmp_path / "o.parquet", written(tmp_path / "a.jsonl", entries))
    truth = {one.id: one for one in key.questions}
    for name, entry in zip(SETS, note["sets"], strict=True):
        asked = [one for one in questions if one["set"] == name]
        right = sum(said[one["id"]] == truth[one["id"]].answer for one in asked)
        assert entry["set"] == name and entry["n"] == 24 and 8 < right < 24
        assert entry["top1"] == pytest.approx(100 * right / 24)
        assert (entry["top1_low"], entry["top1_high"]) == pytest.approx(
            [100 * edge for edge in wilson(right, 24)]
        )
        assert entry["top5"] is entry["top5_low"] is None
    assert found.about.name == "Llama (5 options)" and found.about.labels == MORE
    for row in found.rows.to_dict("records"):
        assert row["predicted"] == MORE[int(np.argmax(row["logits"]))]
        assert np.exp(row["logits"]).sum() == pytest.approx(1) and np.isfinite(row["logits"]).all()
        assert row["top1"] == (row["predicted"] == row["label"])
        assert row["degree"] == row["scale"]  # what the build measured is filled in
    answers = note["answers"][0]
    assert (answers["chance"], answers["missing"], answers["unparsed"]) == (20.0, 0, 0)


def test_always_a_is_chance_and_shows_in_the_letters(place, tmp_path):
    questions = handed_out(place / "questions")
    entries = [{"id": one["id"], "answer": "A"} for one in questions]
    _, note = score(place, tmp_path / "o.parquet", written(tmp_path / "a.jsonl", entries))
    for entry, answers in zip(note["sets"], note["answers"], strict=True):
        assert answers["letters"] == {"A": 100.0}
        assert entry["top1"] == pytest.approx(answers["right_letters"].get("A", 0.0))
        assert answers["right_at"] == {a: 100.0 * (a == "A") for a in answers["right_letters"]}


def test_what_names_no_option_is_wrong_and_counted_and_what_is_missing_is_skipped(
    place, tmp_path, caplog
):
    questions = handed_out(place / "questions", ["D-25"])
    truth = {one.id: one.answer for one in read_key(place / "questions/key.json").questions}
    garbage = ["I cannot see any video", "", None, "A or B"]
    entries = [
        {"id": one["id"], "answer": text} for one, text in zip(questions, garbage, strict=False)
    ]
    entries += [{"id": one["id"], "answer": truth[one["id"]]} for one in questions[4:20]]
    with caplog.at_level(logging.INFO):
        found, note = score(
            place, tmp_path / "o.parquet", written(tmp_path / "a.jsonl", entries), "D-25"
        )
    (entry,), (answers,) = note["sets"], note["answers"]
    assert entry["n"] == 20 and entry["top1"] == 80.0
    assert (answers["questions"], answers["answered"], answers["missing"]) == (24, 20, 4)
    assert answers["unparsed"] == 4 and "I cannot see any video" in answers["unparsed_examples"]
    assert {one["reason"] for one in note["skipped"]} == {"missing: no answer to its question"}
    lost = found.rows[found.rows["predicted"].isna()]
    assert len(lost) == 4 and not lost["top1"].any() and lost["logits"].isna().all()
    assert "4 answers name no option and count as wrong" in caplog.text


def test_scores_per_option_are_probabilities_among_the_options(place, tmp_path):
    questions = handed_out(place / "questions", ["clean"])
    entries = [
        {"id": one["id"], "scores": {"A": 1.0, "B": 3.0, "C": 0.0, "D": -1.0, "E": 0.5}}
        for one in questions[:-1]
    ]
    entries.append({"id": questions[-1]["id"], "scores": [0, 0, 0, 9, 0], "answer": "A"})
    found, note = score(
        place, tmp_path / "o.parquet", written(tmp_path / "a.jsonl", entries), "clean"
    )
    rows = {row["label"] + row["file"]: row for row in found.rows.to_dict("records")}
    key = {one.id: one for one in read_key(place / "questions/key.json").questions}
    for one, chosen in zip(questions, "B" * 23 + "D", strict=True):
        truth = key[one["id"]]
        row = rows[truth.label + truth.file]
        shares = np.exp(row["logits"])
        assert row["predicted"] == one["candidates"]["ABCDE".index(chosen)]
        assert shares.sum() == pytest.approx(1)
        others = [MORE.index(label) for label in set(MORE) - set(one["candidates"])]
        assert (shares[others] < 1e-30).all()
    assert note["answers"][0]["letters"] == pytest.approx({"B": 100 * 23 / 24, "D": 100 / 24})


def test_a_classifier_s_own_answers_are_its_ranking_of_the_options(place, tmp_path):
    found, note = score(
        place, tmp_path / "o.parquet", place / "questions/classifiers/baseline-0.jsonl", model="t"
    )
    own = read_predictions(place / "evaluate/baseline-0.parquet").rows.set_index("file")
    options = {o.file: o.candidates for o in read_key(place / "questions/key.json").questions}
    for row in found.rows.to_dict("records"):
        logits = dict(zip(MORE, own.loc[row["file"], "logits"], strict=True))
        assert row["predicted"] == max(options[row["file"]], key=logits.__getitem__)
    assert found.rows["top1"].mean() >= own["top1"].mean() and note["answers"][0]["answered"] == 24


def test_with_all_classes_as_options_a_classifier_s_answers_are_its_predictions(place, tmp_path):
    ask(place, tmp_path / "q", options=None)
    found, _ = score(
        place, tmp_path / "o.parquet", tmp_path / "q/classifiers/baseline-0.jsonl",
        key=tmp_path / "q/key.json",
    )  # fmt: skip
    own = read_predictions(place / "evaluate/baseline-0.parquet").rows
    assert found.about.options is None and found.about.name == "Llama"
    columns = ["clip", "set", "predicted", "top1"]
    assert found.rows[columns].equals(
        own.sort_values(["scale", "file"])[columns].reset_index(drop=True)
    )


def test_tables_treat_a_model_of_answers_like_any_other(place, tmp_path):
    """Its intervals and tests are there, a top-5 is not, and no mean mixes it with other models."""
    questions = handed_out(place / "questions")
    said = skilled(0.6, questions, read_key(place / "questions/key.json"))
    entries = [{"id": one["id"], "answer": said[one["id"]]} for one in questions]
    _, note = score(
        place, tmp_path / "b/predictions/Llama.parquet", written(tmp_path / "a.jsonl", entries)
    )
    (tmp_path / "b/evaluate").symlink_to(place / "evaluate")
    inputs = paper_inputs.read_inputs(tmp_path / "b", Config())
    made = paper.TABLES["table_2"](inputs)
    ours = made.numbers[made.numbers["source"] == "ours"].set_index(["row", "set"])
    assert {row for row, _ in ours.index} == {"tiny3d + baseline", "Llama (5 options)"}
    for entry in note["sets"]:
        cell = ours.loc[("Llama (5 options)", entry["set"])]
        assert cell["value"] == pytest.approx(entry["top1"]) and cell["clips"] == 24
        assert cell["low"] < cell["value"] < cell["high"]
    rows = score_rows(inputs.predicted)
    assert rows[rows["name"] == "Llama (5 options)"]["top5"].isna().all()
    assert rows[rows["name"] == "tiny3d + baseline"]["top5"].notna().all()
    drops = FIGURES["figure_14"](inputs).numbers  # of top-5
    assert set(drops.loc[drops["source"] == "ours", "series"]) == {"tiny3d + baseline"}
    curves = FIGURES["figure_4a"](inputs).numbers  # of top-1
    assert "Llama (5 options)" in set(curves["series"])
    assert [one.about.model for one in inputs.among_all().predicted] == ["tiny3d"]
    assert classes.mean_rows(inputs, "")[1] == "tiny3d + baseline"


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([{"id": "0123456789abcdef", "answer": "A"}], "line 1: wanted the id of a question"),
        ([{"answer": "A"}], "got None; these are answers to questions of another build"),
        ([{"id": 0, "answer": 3}], "wanted one text under prediction, response"),
        ([{"id": 0}], "wanted one text under .* or scores, got"),
        ([{"id": 0, "answer": "A"}, {"id": 0, "answer": "B"}], "line 2: wanted one answer to"),
        (
            [{"id": 0, "scores": [5, 4, 0, 0, 0]}, {"id": 0, "scores": [5, 1, 0, 0, 0]}],
            "line 2: wanted one answer to",
        ),
        ([{"id": 0, "scores": {"A": 1.0}}], "wanted a finite score for each of A, B, C, D, E"),
        ([{"id": 0, "scores": [1, 2, 3, 4, None]}], "a finite score for each"),
        ([{"id": 0, "scores": [1, 2, 3, 4, float("nan")]}], "a finite score for each"),
        (["A"], 'wanted {"id": ..., "answer": ...}, got'),
        ([], "wanted answers about clean, got none; sets are D-25, D-75, clean"),
    ],
)  # fmt: skip
def test_answers_that_are_refused(place, tmp_path, entries, message):
    names = [one["id"] for one in handed_out(place / "questions", ["clean"])]
    entries = [
        one | {"id": names[one["id"]]} if isinstance(one, dict) and one.get("id") in (0, 1) else one
        for one in entries
    ]
    file = written(tmp_path / "a.jsonl", entries)
    with pytest.raises(UserError, match=message) as error:
        score(place, tmp_path / "o.parquet", file, "clean")
    assert "\n" not in str(error.value)


def test_answers_to_other_questions_are_refused(place, tmp_path):
    """Other settings and other files of the same names give other ids."""
    others = ask(place, tmp_path / "q", question="What happens?")
    entries = [{"id": one["id"], "answer": "A"} for one in handed_out(others)]
    file = written(tmp_path / "a.jsonl", entries)
    with pytest.raises(UserError, match="questions of another build or of other settings"):
        score(place, tmp_path / "o.parquet", file)
    rows = tables.read_rows(place / "annotate/clips.parquet")
    moved = [row | {"file": f"new/{row['file']}", "file_hash": "0" * 64} for row in rows]
    (tmp_path / "b/annotate").mkdir(parents=True)
    tables.write_table(tables.pa.Table.from_pylist(moved), tmp_path / "b/annotate/clips.parquet")
    (tmp_path / "b/annotate/labels.json").write_text(
        json.dumps({"left": 0, "right": 1, "still": 2})
    )
    args = Namespace(clips=tmp_path / "b/annotate/clips.parquet", root=place, labels=None)
    args.predictions, args.out = [], tmp_path / "b/q"
    run_questions(args, load_part({"questions": {"distractors": "random"}}))
    with pytest.raises(UserError, match="another build"):
        score(place, tmp_path / "o.parquet", file, key=tmp_path / "b/q/key.json")


def test_a_key_of_clips_that_this_build_lacks_is_refused(place, tmp_path):
    key = json.loads((place / "questions/key.json").read_text())
    for one in key["questions"]:
        one["file"] = one["file"].replace("test-", "other-")
    (tmp_path / "key.json").write_text(json.dumps(key))
    entries = [{"id": one["id"], "answer": "A"} for one in handed_out(place / "questions")]
    file = written(tmp_path / "a.jsonl", entries)
    with pytest.raises(UserError, match="the key is of another build"):
        score(place, tmp_path / "o.parquet", file, key=tmp_path / "key.json")
    found, _ = score(place, tmp_path / "o.parquet", file, key=tmp_path / "key.json", clips=False)
    assert len(found.rows) == 72


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "occludenet questions 0"}', "\0"])
def test_another_file_is_no_key(place, tmp_path, text):
    (tmp_path / "key.json").write_text(text)
    with pytest.raises(UserError, match=r"wanted an answer key, key.json of the stage questions"):
        score(place, tmp_path / "o.parquet", tmp_path / "a.jsonl", key=tmp_path / "key.json")


@pytest.mark.slow
def test_a_build_asks_and_scores(tmp_path, world):
    """The whole way with Snakemake: clips, questions, answers, predictions."""
    settings = SETTINGS | {"questions": {"distractors": "random", "options": 3}}
    build = Build(tmp_path / "work", world, settings)
    build.run("questions")
    out = build.folder / "build/questions"
    names = sorted(path.stem for path in (out / "handout").glob("*.jsonl"))
    assert names == ["D-25", "D-75", "clean"]
    questions, key = handed_out(out, names), read_key(out / "key.json")
    assert all((out / "handout" / one["video"]).is_file() for one in questions)
    assert build.planned("questions") == {}
    said = skilled(1.0, questions, key)
    entries = [{"id": one["id"], "answer": said[one["id"]]} for one in questions]
    written(build.folder / "a.jsonl", entries)
    dumps = [
        {"model": "Oracle", "set": name, "file": "a.jsonl", "list": "build/questions/key.json"}
        for name in names
    ]
    build.where(settings | {"predictions": {"dumps": dumps}}).run("predictions")
    found = read_predictions(build.folder / "build/predictions/Oracle.parquet")
    assert found.rows["top1"].all() and len(found.rows) == len(questions)
    assert found.rows[found.rows["set"] != "clean"]["area_ratio"].notna().all()
