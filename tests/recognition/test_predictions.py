"""predictions: tables from dumps, joined by name; errors where something does not match."""

import dataclasses
import json
import logging
import pickle
import subprocess
import sys
from argparse import Namespace

import numpy as np
import pyarrow as pa
import pytest
import torch
from scipy.special import softmax

from occludenet_build.config import Config
from occludenet_build.config import load as load_config
from occludenet_build.config.recognition import Dump, Predictions
from occludenet_build.core import tables
from occludenet_build.core.errors import UserError
from occludenet_build.recognition.accuracy import wilson
from occludenet_build.recognition.prediction_table import (
    PREDICTIONS,
    ModelInfo,
    read_predictions,
    write_predictions,
)
from occludenet_build.recognition.predictions.command import run as run_stage

LABELS = ("air drumming", "drinking", "drinking beer")
MAP = "\n".join(LABELS) + "\n"
SCORES = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8], [0.25, 0.5, 0.25], [0.3, 0.3, 0.4]])
LIST = (
    "file,label\n"
    "test_25percent/air drumming/0.25_one.mp4,0\n"
    "test_25percent/drinking beer/0.25_two.mp4,2\n"
    "test_25percent/drinking/0.25_three.mp4,1\n"
    "test_25percent/drinking/0.25_four.mp4,1\n"
)


def build_row(source, label, scale, **facts):
    name = f"{scale:.2f}_{source}.mp4" if scale else f"{source}.mp4"
    percent = round(100 * scale)
    where = f"OccludeNet-D/test/{percent}%/{label}" if scale else f"clean/test/{label}"
    row = {"clip": source, "set": f"D-{percent}" if scale else "clean", "scale": scale}
    row |= {"label": label, "file": f"{where}/{name}", "degree": scale + 0.01}
    return row | {"area_ratio": 0.3, "actor_hidden": 0.2, "duration_ratio": 0.9} | facts


@pytest.fixture
def place(tmp_path):
    """A build's table of three clips at two scales, a list, a label map and a dump."""
    (tmp_path / "list.csv").write_text(LIST)
    (tmp_path / "map.txt").write_text(MAP)
    dump(tmp_path / "dump.pkl", SCORES, [0, 2, 1, 1])
    rows = [
        build_row(source, label, scale)
        for source, label in (("one", LABELS[0]), ("two", LABELS[2]), ("three", LABELS[1]))
        for scale in (0.0, 0.25)
    ]
    schema = pa.schema([PREDICTIONS.field(name) for name in rows[0]])
    tables.write_table(tables.from_rows(rows, schema), tmp_path / "c.parquet")
    return tmp_path


def dump(path, scores, truth):
    scores, truth = torch.tensor(np.array(scores), dtype=torch.float32), torch.tensor(truth)
    items = [{"pred_score": s, "gt_label": t[None]} for s, t in zip(scores, truth, strict=True)]
    path.write_bytes(pickle.dumps(items))


def a_dump(place, **changes):
    given = {"model": "I3D-R50", "set": "D-25", "file": place / "dump.pkl",
             "list": place / "list.csv", "label_map": place / "map.txt"} | changes  # fmt: skip
    return Dump(
        **{k: v if v is None or k in ("model", "set") else str(v) for k, v in given.items()}
    )


def run(place, *dumps, clips=True, model=None):
    dumps = dumps or (a_dump(place),)
    out = place / "out.parquet"
    args = Namespace(
        model=model or dumps[0].model, clips=place / "c.parquet" if clips else None, out=out
    )
    run_stage(args, Config(predictions=Predictions(dumps)))
    predicted = read_predictions(out)
    return predicted, predicted.rows, json.loads(out.with_suffix(".json").read_text())


def refused(place, message, *dumps, **options):
    with pytest.raises(UserError, match=message) as error:
        run(place, *dumps, **options)
    assert "\n" not in str(error.value)


def test_a_dump_becomes_a_table(place):
    predicted, rows, note = run(place)
    assert predicted.about == ModelInfo("I3D-R50", LABELS)
    assert predicted.about.name == "I3D-R50"
    assert rows["clip"].tolist() == ["one", "two", "three", "four"]  # by scale, set and file
    by_clip = rows.set_index("clip")
    assert by_clip["top1"].to_dict() == {"one": True, "two": True, "three": True, "four": False}
    assert by_clip.loc["four", "predicted"] == "drinking beer" and by_clip["top5"].all()
    for clip, scores in zip(("one", "two", "three", "four"), SCORES, strict=True):
        assert softmax(by_clip.loc[clip, "logits"]) == pytest.approx(scores, abs=1e-6)
    low, high = wilson(3, 4)
    assert note["sets"][0]["n"] == 4 and note["sets"][0]["top1"] == 75
    assert note["sets"][0]["top1_low"] == pytest.approx(100 * low)
    assert note["sets"][0]["top1_high"] == pytest.approx(100 * high)
    assert note["sets"][0]["one_clip_points"] == 25


def test_what_the_build_knows_is_filled_in(place):
    _, rows, note = run(place)
    rows = rows.set_index("clip")
    assert rows.loc["one", "file"] == "OccludeNet-D/test/25%/air drumming/0.25_one.mp4"
    assert rows.loc["one", ["scale", "degree", "area_ratio", "actor_hidden"]].tolist() == (
        pytest.approx([0.25, 0.26, 0.3, 0.2])
    )
    assert rows.loc["four", "file"] == "test_25percent/drinking/0.25_four.mp4"
    assert rows.loc["four", "scale"] == 0.25
    assert rows.loc["four", ["degree", "area_ratio", "duration_ratio"]].isna().all()
    assert [(f["rows"], f["known"]) for f in note["files"]] == [(4, 3)]
    _, rows, note = run(place, clips=False)
    assert rows["scale"].isna().all() and note["files"][0]["known"] == 0
    assert set(rows["clip"]) == {"one", "two", "three", "four"}


def test_a_set_decides_which_clip_a_name_is(place):
    """`one.mp4` of K-400 is not the clean twin, though it joins with it as a clip."""
    (place / "list.csv").write_text("one.mp4 0\ntwo.mp4 2\nthree.mp4 1\nfour.mp4 1\n")
    for name, known in (("K-400", 0), ("clean", 3)):
        _, rows, note = run(place, a_dump(place, set=name))
        assert note["files"][0]["known"] == known
        assert set(rows["clip"]) == {"one", "two", "three", "four"}


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [2, 0, 3, 1]])
def test_rows_go_by_the_list(place, order):
    """List and dump in the same other order give the same table."""
    lines = LIST.splitlines()[1:]
    (place / "list.csv").write_text("\n".join(["file,label", *(lines[at] for at in order)]))
    dump(place / "dump.pkl", SCORES[order], np.array([0, 2, 1, 1])[order])
    rows = run(place)[1].set_index("clip")
    assert softmax(rows.loc["two", "logits"]) == pytest.approx(SCORES[1], abs=1e-6)


def test_another_order_is_refused_by_its_labels(place):
    dump(place / "dump.pkl", SCORES[[1, 0, 2, 3]], [2, 0, 1, 1])
    refused(place, r"row 1: wanted air drumming as in .*, got drinking beer")


def test_files_in_the_dump_must_be_those_of_the_list(place):
    files = ["0.25_one.mp4", "0.25_three.mp4", "0.25_two.mp4", "0.25_four.mp4"]
    np.savez(place / "dump.npz", scores=SCORES, files=np.array(files))
    refused(
        place,
        r"row 2: wanted test_25percent/drinking beer/0\.25_two",
        a_dump(place, file=place / "dump.npz"),
    )


@pytest.mark.parametrize("size", [3, 5])
def test_as_many_rows_as_lines(place, size):
    dump(place / "dump.pkl", np.resize(SCORES, (size, 3)), np.resize([0, 2, 1, 1], size))
    refused(place, rf"has {size} rows, .* 4 clips")


def test_label_maps_must_match(place):
    (place / "map.txt").write_text("\n".join(LABELS[:2]))
    refused(place, "has 3 scores a clip, .* 2 labels")
    (place / "map.txt").write_text("\n".join([LABELS[0], LABELS[2], LABELS[1]]))
    # the numbers of list and dump agree, but this build knows the clip
    refused(place, r"0\.25_two\.mp4 is drinking beer in this build, and drinking by")
    run(place, clips=False)  # nobody can tell
    refused(place, "does not name its classes; set label_map", a_dump(place, label_map=None))
    refused(place, "does not name its clips; set list", a_dump(place, list=None))


def test_a_csv_needs_neither_list_nor_map(place):
    text = "file,drinking,air drumming,drinking beer\n0.25_one.mp4,0.2,0.7,0.1\n"
    (place / "dump.csv").write_text(text)
    alone = a_dump(place, file=place / "dump.csv", list=None, label_map=None)
    predicted, rows, _ = run(place, alone)
    assert predicted.about.labels == ("drinking", "air drumming", "drinking beer")
    assert rows.loc[0, ["clip", "label", "predicted"]].tolist() == ["one", *2 * ["air drumming"]]
    refused(place, r"wanted the label of 0\.25_one\.mp4", alone, clips=False)
    refused(
        place, "differ in their classes or in the order", dataclasses.replace(
            alone, label_map=str(place / "map.txt")
        ),
    )  # fmt: skip


def test_probabilities_of_any_sum(place):
    """PySlowFast adds the softmax of all views; a row of zeros is a clip that it did not see."""
    scores = torch.tensor(30 * SCORES, dtype=torch.float32)
    scores[3] = 0
    (place / "dump.pkl").write_bytes(pickle.dumps([scores, torch.tensor([0, 2, 1, 0])]))
    _, rows, note = run(place)
    assert softmax(rows.set_index("clip").loc["two", "logits"]) == pytest.approx(SCORES[1])
    assert len(rows) == 3 and note["skipped"][0]["reason"].startswith("missing: all its scores")


def test_a_probability_of_zero_stays_finite(place):
    dump(place / "dump.pkl", [[1.0, 0.0, 0.0], *SCORES[1:]], [0, 2, 1, 1])
    rows = run(place)[1].set_index("clip")
    assert np.isfinite(rows.loc["one", "logits"]).all()
    assert softmax(rows.loc["one", "logits"]) == pytest.approx([1, 0, 0])


def test_logits_are_kept_and_not_taken_for_probabilities(place, caplog):
    logits = 5 * np.log(SCORES) + 3
    dump(place / "dump.pkl", logits, [0, 2, 1, 1])
    refused(place, r"row 1: wanted probabilities, got -\S+; set scores to logits")
    predicted, rows, _ = run(place, a_dump(place, scores="logits"))
    assert rows.set_index("clip").loc["one", "logits"] == pytest.approx(logits[0], abs=1e-5)
    assert predicted.about.average == "logits" and not caplog.text
    dump(place / "dump.pkl", SCORES + [[0], [1], [2], [3]], [0, 2, 1, 1])
    run(place)
    assert "are they logits?" in caplog.text
    caplog.clear()
    dump(place / "dump.pkl", SCORES, [0, 2, 1, 1])
    run(place, a_dump(place, scores="logits"))
    assert "rows sum to 1: set scores to probabilities" in caplog.text


def test_several_sets_of_a_model_in_one_order_of_labels(place):
    text = "file,drinking beer,air drumming,drinking\none.mp4,0.1,0.7,0.2\n"
    (place / "clean.csv").write_text(text)
    clean = a_dump(place, set="clean", file=place / "clean.csv", list=None, label_map=None)
    predicted, rows, note = run(place, a_dump(place), clean)
    assert predicted.about.labels == LABELS and len(rows) == 5
    assert rows.loc[0, "set"] == "clean"  # scale 0 comes first
    assert softmax(rows.loc[0, "logits"]) == pytest.approx([0.7, 0.2, 0.1])
    assert [entry["set"] for entry in note["sets"]] == ["clean", "D-25"]
    (place / "clean.csv").write_text(text.replace("drinking beer", "waving"))
    refused(place, "name different classes, such as drinking beer, waving", a_dump(place), clean)
    refused(place, "has one of D-25 twice", a_dump(place), a_dump(place))


def test_a_file_listed_twice_counts_once(place):
    lines = LIST.splitlines()
    (place / "list.csv").write_text("\n".join([*lines[:4], lines[3]]))
    _, rows, note = run(place)
    assert len(rows) == 3 and note["skipped"][0]["reason"].startswith("duplicate")
    (place / "list.csv").write_text("\n".join([*lines[:4], lines[3].replace(",1", ",0")]))
    dump(place / "dump.pkl", SCORES, [0, 2, 1, 0])
    refused(place, "has two labels")


def test_a_table_of_evaluate(place):
    rows = [
        build_row("one", LABELS[0], scale)
        | {"logits": [1.0, 2.0, 3.0], "erased_logits": [3.0, 2.0, 1.0]}
        | {"predicted": LABELS[2], "top1": False, "top5": True}
        for scale in (0.0, 0.25)
    ]
    write_predictions(
        rows, ModelInfo("r3d_18", LABELS[::-1], "car", 0, "logits", 10, 3), place / "ours.parquet"
    )
    ours = a_dump(place, file=place / "ours.parquet", list=None, label_map=None)
    predicted, got, _ = run(place, ours)
    assert (predicted.about.model, predicted.about.labels) == ("I3D-R50", LABELS[::-1])
    assert got["set"].tolist() == ["D-25"]
    assert got.loc[0, "erased_logits"].tolist() == [3, 2, 1]
    refused(
        place, "wanted predictions of S, it holds D-25, clean", dataclasses.replace(ours, set="S")
    )
    both = run(place, a_dump(place, set="K-400"), dataclasses.replace(ours, set="clean"))[1]
    turned = both[both["set"] == "clean"].iloc[0]
    assert turned["logits"].tolist() == [3, 2, 1] and turned["erased_logits"].tolist() == [1, 2, 3]


@pytest.mark.parametrize("column", ["logits", "erased_logits"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_table_with_logits_that_are_not_finite_is_refused_everywhere(place, column, value):
    """As a network that has diverged left them before evaluate refused it."""
    finite = {"logits": [1.0, 2.0, 3.0], "erased_logits": None}
    rows = [
        build_row(source, LABELS[0], 0.25) | finite | {"top1": False, "top5": True}
        for source in ("one", "two", "three")
    ]
    rows[1][column] = [0.0, value, 1.0]
    path = place / "ours.parquet"
    write_predictions(rows, ModelInfo("r3d_18", LABELS), path)
    words = rf"0\.25_two\.mp4 of D-25: wanted numbers as {column}, got nan or infinite in 1 rows"
    refused(place, words, a_dump(place, file=path, list=None, label_map=None))
    with pytest.raises(UserError, match=words):
        read_predictions(path)


def test_groups_of_a_dump(place):
    lines = LIST.splitlines()
    groups = ["file,label,performance", *(f"{x},p{n // 2}" for n, x in enumerate(lines[1:]))]
    (place / "list.csv").write_text("\n".join(groups))
    _, rows, note = run(place, a_dump(place, group="performance"))
    assert rows.set_index("clip")["group"].to_dict() == dict(
        zip(("one", "two", "three", "four"), ("p0", "p0", "p1", "p1"), strict=True)
    )
    assert note["sets"][0]["groups"] == 2
    assert run(place, a_dump(place, group="percent/(.)"))[1]["group"].tolist() == [
        "a",
        "d",
        "d",
        "d",
    ]
    assert run(place)[1]["group"].isna().all()
    np.savez(place / "named.npz", scores=SCORES[:1], files=["one.mp4"], labels=[0])
    alone = a_dump(place, file=place / "named.npz", list=None, group="performance")
    refused(place, "wanted a list with the column performance, got no list", alone)
    found = run(place, dataclasses.replace(alone, group="(o)n"))[1]
    assert found["group"].tolist() == ["o"]


def test_models_by_name_and_by_file_name(place):
    assert a_dump(place, model="I3D-R50 (8x8)").slug == "I3D_R50_8x8"
    run(place, a_dump(place, model="X3D S"), model="X3D_S")
    refused(place, r"wanted one of predictions\.dumps \(I3D-R50\), got TSN", model="TSN")
    named = [
        {"model": name, "set": "S", "file": str(place / "dump.pkl")} for name in ("a b", "A_b")
    ]
    with pytest.raises(UserError, match="wanted models whose names differ in letters"):
        load_config({"predictions": {"dumps": named}})


def test_command_line(place):
    given = dataclasses.asdict(a_dump(place))
    command = [
        sys.executable, "-m", "occludenet_build", "predictions", "--model", "I3D-R50",
        "--out", place / "x/I3D_R50.parquet", "--settings",
        json.dumps({"predictions": {"dumps": [given]}}),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "D-25" in done.stderr and "75.0" in done.stderr
    assert len(read_predictions(place / "x/I3D_R50.parquet").rows) == 4
    (place / "dump.pkl").write_bytes(pickle.dumps(logging.Handler))
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "would run logging.Handler" in done.stderr
