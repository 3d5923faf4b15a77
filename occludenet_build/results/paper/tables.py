"""The paper's Tables 2 to 6, with the accuracies of this build and the printed ones.

    2   top-1 of models by set
    3   mean over models by level of occlusion
    4   CAR and the methods that it is compared with
    5   improvement of CAR over the baseline on the same clips, in points and in clips
    6   the weight alpha of the causal term

Each is a function of Inputs that returns a PaperTable, and raises MissingInput where an input does
not exist.
"""

from __future__ import annotations

import pandas as pd

from occludenet_build.recognition.accuracy import (
    METRICS,
    bootstrap_mean,
    compare_answers,
    one_clip_points,
)
from occludenet_build.recognition.prediction_table import ModelInfo
from occludenet_build.recognition.significance import SEEDS, holm, paired_t
from occludenet_build.results.paper import published
from occludenet_build.results.paper.common_clips import (
    LISTED,
    NO_TOP5,
    CommonClips,
    common_clips,
    is_side_arm,
)
from occludenet_build.results.paper.inputs import Inputs, MissingInput, backbone_of
from occludenet_build.results.paper.table import (
    ABSENT,
    CELL,
    PaperTable,
    by_group_text,
    cells,
    cells_text,
    cells_to_show,
    counts_text,
    line_cells,
    mean_cells,
    mean_of_models,
    table_of_cells,
)

LEVELS = {LISTED: "Unoccluded", "D-25": "Slight", "D-50": "Moderate", "D-75": "Heavy"}
"""Level of Table 3, by column of Table 2."""
INTERVALS = (
    "ours: [Wilson 95 % interval], which holds for these clips and not for another training; by "
    "group: the 95 % bootstrap interval that draws groups of clips that are not independent; ± the "
    "standard deviation over seeds; N clips"
)
COMPARATORS = (
    "stillmix", "fame", "clean", "baseline", "car", "baseline_long", "swap", "car_swap",
)  # fmt: skip
"""Arms of Table 4, in its order, and those that the paper does not have; clean is trained on the
clean twins."""
ARMS = {"baseline": "{}", "car": "{} + CAR"}
"""Name of the row in Table 5, by arm."""
IMPROVEMENT = "{}: improvement"
PAIR = [*CELL, "only_car", "only_baseline", "p", "p_holm"]
"""Columns of Table 5. Of an improvement: `value` in points, `group_low` and `group_high` its
bootstrap interval, `right` CAR's correct clips minus the baseline's, the numbers of clips that only
one of them recognises, and the exact two-sided p of McNemar's test, for each seed; of the mean over
seeds, from 3 on, the p of the paired t test. `p_holm`: p corrected for all that the table shows."""


def table_2(inputs: Inputs) -> PaperTable:
    """Table 2: top-1 of models by set."""
    printed = published.printed_values(2)
    counted = common_clips(inputs)
    top1 = line_cells(counted, _models(inputs), ("top-1",))
    return _table("table_2", "Top-1 accuracy (%) of models by set", printed, top1, counted, inputs)


def table_3(inputs: Inputs) -> PaperTable:
    """Table 3: mean over models by level of occlusion, without those of multiple-choice answers.

    Raises MissingInput where no model has predictions of all levels.
    """
    inputs = inputs.among_all()
    counted = common_clips(inputs)
    found = cells_to_show(line_cells(counted, _models(inputs)))
    by_level = mean_of_models(found, list(LEVELS))
    if by_level.empty:
        raise MissingInput(
            f"Table 3: wanted a model with predictions of all of {', '.join(LEVELS)}, got none; "
            "evaluate one on them (composite.scales 0.25, 0.5, 0.75 and clean twins)"
        )
    per_model = found[found["column"].isin(list(LEVELS))].groupby("row")["column"].nunique()
    models = per_model[per_model == len(LEVELS)].index.tolist()
    rows = [_level(mean, counted, models, inputs) for mean in by_level.to_dict("records")]
    ours = pd.DataFrame(rows, columns=CELL).sort_values("column", key=_by_level)
    notes = [
        f"ours: the mean of {', '.join(models)}; [95 % interval by drawing groups of clips]",
        "; ".join(f"{level}: {name}" for name, level in LEVELS.items()),
        _whose(counted),
        *counted.notes(inputs, LEVELS),
        *_about_top5(found),
    ]
    title = "Mean accuracy (%) of the models by level of occlusion"
    printed = published.printed_values(3)
    printed = printed.assign(row=printed["metric"])
    return table_of_cells("table_3", title, "Accuracy", printed, ours, notes)


def _by_level(columns: pd.Series) -> pd.Series:
    return columns.map(list(LEVELS.values()).index)


def _level(
    mean: dict[str, object], counted: CommonClips, models: list[str], inputs: Inputs
) -> dict[str, object]:
    """The cell of a level: the mean over models, and its bootstrap interval over clips."""
    rows = counted.rows
    of_level = rows[(rows["column"] == mean["column"]) & rows["name"].isin(models)]
    name = of_level["set"].iloc[0]
    right = of_level.groupby(["clip", "name"])[METRICS[str(mean["metric"])]].mean()
    by_clip = 100 * right.groupby("clip").mean()
    groups = of_level.groupby("clip")["group"].first().loc[by_clip.index]
    random = inputs.random("table_3", str(mean["column"]), str(mean["metric"]))
    resamples = inputs.config.paper.bootstrap
    values = by_clip.to_numpy()
    low, high = bootstrap_mean(values, random, resamples, bounds=(0, 100), groups=groups)
    return {
        "source": "ours", "row": mean["metric"], "column": LEVELS[str(mean["column"])],
        "set": name, "metric": mean["metric"], "value": mean["value"], "low": low, "high": high,
        "clips": len(by_clip), "groups": groups.nunique(), "seeds": 1,
        "left_out": counted.left_out[name],
    }  # fmt: skip


def table_4(inputs: Inputs) -> PaperTable:
    """Table 4: CAR and the methods that it is compared with.

    Raises MissingInput without predictions of an arm in COMPARATORS.
    """
    printed = published.printed_values(4)
    counted = common_clips(inputs)
    columns = list(printed["column"].unique())
    abouts = (one.about for one in inputs.predicted)
    named = {about.name: about.name for about in abouts if about.arm in COMPARATORS}
    found = line_cells(counted, named)
    found = found[found["column"].isin(columns)]
    found = found.sort_values("row", key=lambda rows: rows.map(_arm_order), kind="stable")
    if found.empty:
        raise MissingInput(
            f"Table 4: wanted predictions of some of {', '.join(COMPARATORS)}, got none; add them "
            "to train.arms"
        )
    title = "Top-1 and top-5 accuracy (%) of CAR and what it is compared with"
    return _table("table_4", title, printed, found, counted, inputs)


def _arm_order(row: str) -> tuple[str, int]:
    model, _, arm = row.rpartition(" + ")
    return model, COMPARATORS.index(arm)


def table_5(inputs: Inputs) -> PaperTable:
    """Table 5: improvement of CAR over the baseline on the same clips.

    Raises MissingInput where no seed has predictions of both ARMS.
    """
    counted = common_clips(inputs)
    rows = _rows(counted, inputs)
    pairs = rows.groupby(["line", "column", "seed"])["arm"].transform("nunique") == len(ARMS)
    rows = rows[pairs]
    if rows.empty:
        raise MissingInput(
            "Table 5: wanted predictions of baseline and car of one seed for the same set, got "
            "none; add both to train.arms"
        )
    found = with_holm(_in_order(rows, counted))
    title = "Top-1 accuracy (%) of the baseline and with CAR"
    notes = [
        INTERVALS,
        "improvement: points, clips more right, and p of the exact McNemar test on the same clips "
        f"for each seed; from {SEEDS} seeds on instead p of the paired t test over seeds",
        *_about_holm(found),
        "S-5, S-10: of ours the set S, by the epochs of the training",
        *counted.notes(inputs, rows["shown_as"].unique()),
    ]
    return table_of_cells(
        "table_5", title, "Method", published.printed_values(5), found, notes, _text
    )


def _rows(counted: CommonClips, inputs: Inputs) -> pd.DataFrame:
    """Rows of both arms with `line` (the model), `arm` and `column`, which for S has the epochs."""
    facts = {
        one.about.name: (one.about.arm, backbone_of(one), one.about.model, _of_s(one.about.epochs))
        for one in inputs.predicted
        if one.about.arm in ARMS
    }
    rows = counted.rows[counted.rows["name"].isin(list(facts))].copy()
    for at, name in enumerate(("arm", "backbone", "model", "of_s")):
        rows[name] = rows["name"].map({line: fact[at] for line, fact in facts.items()})
    rows["shown_as"] = rows["column"]
    rows["column"] = rows["column"].where(rows["set"] != "S", rows["of_s"])
    # builds share a row and have a column each, as in the paper, unless two have the same column
    several = rows.groupby(["backbone", "column"])["model"].transform("nunique") > 1
    unclear = rows["backbone"].isin(rows.loc[several, "backbone"].unique())
    rows["line"] = rows["backbone"].where(~unclear, rows["model"])
    return rows


def _of_s(epochs: int | None) -> str:
    return "S" if epochs is None else f"S-{epochs}"


def _in_order(rows: pd.DataFrame, counted: CommonClips) -> pd.DataFrame:
    """For each model the cells of the baseline, of CAR, and of the improvement."""
    found = []
    for line, part in rows.groupby("line", sort=False):
        for arm, pattern in ARMS.items():
            of_arm = part[part["arm"] == arm].assign(row=pattern.format(line))
            found.append(cells(of_arm, counted.left_out, ("top-1",)))
        found.append(_improvement(str(line), part, counted))
    return pd.concat([part.reindex(columns=PAIR) for part in found], ignore_index=True)


def _improvement(line: str, part: pd.DataFrame, counted: CommonClips) -> pd.DataFrame:
    single = pd.DataFrame(
        [
            _pair(line, str(column), int(seed), both, counted)
            for (column, seed), both in part.groupby(["column", "seed"], sort=False)
        ],
        columns=PAIR,
    )
    means = mean_cells(single).reindex(columns=PAIR)
    points = {column: part["value"] for column, part in single.groupby("column")}
    means["p"] = [paired_t(points[column]) for column in means["column"]]
    return pd.concat([single, means.astype({"p": float})], ignore_index=True)


def _tested(found: pd.DataFrame) -> pd.DataFrame:
    """The cells whose p is shown: the test over seeds where there is one, else those of each."""
    tested = found[found["p"].notna()]
    most = tested.groupby(["row", "column"])["seeds"].transform("max")
    return tested[tested["seeds"] == most]


def with_holm(found: pd.DataFrame) -> pd.DataFrame:
    """Cells of PAIR with `p_holm`, over all p values that the table shows."""
    tested = _tested(found)
    corrected = pd.Series(holm(tested["p"].tolist()), tested.index, dtype=float)
    return found.assign(p_holm=corrected.reindex(found.index))


def _about_holm(found: pd.DataFrame) -> list[str]:
    number = int(found["p_holm"].notna().sum())
    words = f"Holm: p corrected for the {number} p values of this table (Holm 1979)"
    return [words] if number > 1 else []


def _pair(
    line: str, column: str, seed: int, both: pd.DataFrame, counted: CommonClips
) -> dict[str, object]:
    """The cell of CAR's improvement over the baseline, on the clips that both saw."""
    name = both["set"].iloc[0]
    right = both.pivot(index="clip", columns="arm", values="top1").dropna()
    groups = both.groupby("clip")["group"].first().loc[right.index]
    two = compare_answers(right["car"], right["baseline"], groups)
    low, high = two.by_group or (None, None)
    return {
        "source": "ours", "row": IMPROVEMENT.format(line), "column": column, "set": name,
        "metric": "top-1", "value": two.points, "right": two.only_first - two.only_second,
        "clips": two.clips, "one_clip": one_clip_points(two.clips),
        "groups": two.groups, "group_low": low, "group_high": high,
        "left_out": counted.left_out[name], "seed": seed, "seeds": 1, "p": two.p,
        "only_car": two.only_first, "only_baseline": two.only_second,
    }  # fmt: skip


def _text(found: pd.DataFrame) -> str:
    """`+1.33 (+1 clips; p=1; N=75)`; over seeds the mean of the points, the clips of each, and p of
    the test over seeds, or of each seed."""
    if "p" not in found or found["p"].isna().all():
        return cells_text(found)
    (cell,) = cells_to_show(found).to_dict("records")
    tested = _tested(found)
    clips = ", ".join(f"{value:+.0f}" for value in found.loc[found["seed"].notna(), "right"])
    p, corrected = (", ".join(f"{v:.2g}" for v in tested[name]) for name in ("p", "p_holm"))
    words = [f"{clips} clips", f"{'t test ' if tested['seed'].isna().all() else ''}p={p}"]
    if corrected != p:
        words.append(f"Holm {corrected}")
    spread = f" ± {cell['sd']:.2f}" if cell["seeds"] > 1 else ""
    grouped = by_group_text(cell, "+").replace("; ", " [") if cell["groups"] < cell["clips"] else ""
    end = "]" if grouped else ""
    return f"{cell['value']:+.2f}{spread}{grouped}{end} ({'; '.join([*words, counts_text(cell)])})"


def table_6(inputs: Inputs) -> PaperTable:
    """Table 6: accuracies by the weight alpha of the causal term.

    Raises MissingInput without trainings with two values of alpha.
    """
    printed = published.printed_values(6)
    counted = common_clips(inputs)
    found = line_cells(counted, _alphas(inputs))
    found = found[found["column"].isin(list(printed["column"].unique()))]
    if found["row"].nunique() < 2:
        raise MissingInput(
            "Table 6: wanted trainings with two values of alpha on D-25, D-50 or D-75, got "
            f"{found['row'].nunique()}; train baseline and car, or name more in train.alphas"
        )
    alphas = {row: float(row.rsplit(" ", 1)[1]) for row in found["row"].unique()}
    found = found.sort_values("row", key=lambda rows: rows.map(alphas), kind="stable")
    title = "Top-1 and top-5 accuracy (%) by the weight alpha of the causal term"
    printed = printed.assign(row="alpha " + printed["row"])
    return _table("table_6", title, printed, found, counted, inputs, "Alpha")


def _alphas(inputs: Inputs) -> dict[str, str]:
    """Row in Table 6 by the name of the training; arms without alpha are left out."""
    found: dict[str, str] = {}
    lines: dict[str, str] = {}
    # car before car_a1, which may have the same alpha
    for about in sorted((one.about for one in inputs.predicted), key=lambda about: about.arm or ""):
        line = _alpha(about)
        if line is not None and lines.setdefault(line, about.name) == about.name:
            found[about.name] = line
    return found


def _alpha(about: ModelInfo) -> str | None:
    if about.arm == "baseline":
        return f"{about.model}, alpha 0"
    if about.arm is None or not about.arm.startswith("car") or about.alpha is None:
        return None
    return f"{about.model}, alpha {about.alpha:g}"


def _models(inputs: Inputs) -> dict[str, str]:
    """Row by the name of the training, for all except the arms of Table 6 and of one scale."""
    abouts = (one.about for one in inputs.predicted)
    return {about.name: about.name for about in abouts if not is_side_arm(about)}


def _table(
    name: str,
    title: str,
    printed: pd.DataFrame,
    found: pd.DataFrame,
    counted: CommonClips,
    inputs: Inputs,
    first: str = "Method",
) -> PaperTable:
    notes = [INTERVALS, *counted.notes(inputs, found["column"].unique()), *_about_top5(found)]
    if LISTED in set(found["column"]):
        notes.append(_whose(counted))
    return table_of_cells(name, title, first, printed, found, notes)


def _about_top5(found: pd.DataFrame) -> list[str]:
    return [f'{NO_TOP5} ("{ABSENT}")'] if found["value"].isna().any() else []


def _whose(counted: CommonClips) -> str:
    sets = counted.rows.loc[counted.rows["column"] == LISTED, "set"]
    if sets.iloc[0] == LISTED:
        return f"{LISTED}: of ours the list of that name"
    return f"{LISTED}: of ours the clean twins of the occluded clips, as in the paper"
