"""attention: class activation maps of a trained network, measured by region and drawn.

    occludenet attention --clips annotate/clips.parquet --root BUILD
        --model train/car-0.pt --out attention/car-0.parquet
        Grad-CAM of one network over the clips of evaluate.split, the occluded and the clean.
    occludenet attention --tables attention/*.parquet --out attention/summary.csv
        Means over all networks, and the difference of every arm to the baseline.

Reads  annotate/clips.parquet, annotate/frames/ beside it (the masks), the clips, a network of train
Writes <arm>-<seed>.parquet    ATTENTION_TABLE below, a row per clip and set; attention.clips
                               limits the number of source clips
       <arm>-<seed>/           two files for each of attention.pictures source clips and each set
           <nr>_<set>.npz      arrays below; `picture` in the table names the file; nr counts
                               from 000
           <nr>_<set>.png      the same as a picture: frames above, below them the map with the
                               outlines of the actor (green) and the occluder (red)
       summary.csv             SUMMARY_COLUMNS below, a row per arm, set and measure

Arrays of an .npz, of the T frames and S x S pixels that the network was given (no pickles):
    frames     uint8 (T, S, S, 3), RGB
    cam        float32 (T, S, S), the map, 0 to 1: its largest value over the clip is 1
    actor      float32 (T, S, S), 0 to 1: share of the pixel that shows the visible actor
    occluder   float32 (T, S, S), 0 to 1: share of the pixel that shows the occluder
    masked     bool (T,), whether the frame has an actor mask; only these frames are measured
    numbers    int32 (T,), the frames' numbers in the clip
    top5       str (K,), labels of the K = 5 largest probabilities (or of all), largest first
    top5_p     float32 (K,), their probabilities
    clip, set, label, target, predicted, arm, backbone   str (), as in the table
    seed       int64 ()

The map is that of Selvaraju et al., "Grad-CAM", ICCV 2017, equations 1 and 2, computed by captum
in three dimensions: the gradient of the class's logit, averaged over the positions of the layer's
output, weights the channels; negative values of the sum become 0; the result is resized to the
clip by linear interpolation in t, y and x. The layer is the backbone's default
(recognition.backbones) or attention.layer. A class token has no position and is left out. Each
clip is seen once, in the middle view and the centre crop, so `p` differs from evaluate's
probability, which is an average over views.

The masks of actor and occluder are scaled and cropped as the pictures are. Frames without an actor
mask count neither for the mass nor for the area, since their background is unknown. Clean twins
have the masks of their own source clip and no occluder.
"""

from __future__ import annotations

import pyarrow as pa

from occludenet_build.core.tables import column

ATTENTION_TABLE = pa.schema(
    [
        column("clip", "string", "id of the source clip"),
        column("set", "string", "clean, D-25, D-50, D-75"),
        column("scale", "float64", "size of the occluder relative to the actor's box; 0: clean"),
        column("file", "string", "the clip, relative to the build's folder"),
        column("arm", "string", "baseline, car, ..."),
        column("seed", "int64", "of the training"),
        column("backbone", "string", "its name in recognition.backbones"),
        column("layer", "string", "the module whose output the map is computed from"),
        column("status", "string", "ok, skipped (nothing to measure) or failed"),
        column("reason", "string", "reason of a status other than ok, from core.errors.REASONS: "
               "no_mask, zero_map, or a decoding error; null if ok"),
        column("detail", "string", "details of the reason; null if ok"),
        column("label", "string", "the clip's class"),
        column("target", "string", "the class whose logit is explained: the label or the "
               "prediction (attention.target)"),
        column("predicted", "string", "the label of the largest logit, in this one view"),
        column("p", "float64", "probability of `label`, softmax in this one view"),
        column("frames", "int32", "number of frames that the network was given"),
        column("masked_frames", "int32", "number of these frames that have an actor mask; all "
               "masses and areas are measured in them"),
        column("mass_actor", "float64", "share of the map's mass on the visible actor; null if the "
               "status is not ok, as for the other masses; the three sum to 1"),
        column("mass_occluder", "float64", "share of the map's mass on the occluder; 0 in clean "
               "clips"),
        column("mass_background", "float64", "share of the map's mass on everything else"),
        column("area_actor", "float64", "share of the picture that is visible actor, which is the "
               "mass that a uniform map has there; null without a mask"),
        column("area_occluder", "float64", "share of the picture that is occluder"),
        column("area_background", "float64", "share of the picture that is neither"),
        column("focus_actor", "float64", "mass_actor / area_actor: 1 is no preference; null where "
               "the area is 0"),
        column("focus_occluder", "float64", "mass_occluder / area_occluder"),
        column("focus_background", "float64", "mass_background / area_background"),
        column("picture", "string", "its .npz, relative to this table's folder; null if not drawn"),
    ]
)  # fmt: skip
"""Schema of <arm>-<seed>.parquet."""

MEASURES = tuple(
    f"{what}_{where}"
    for what in ("mass", "area", "focus")
    for where in ("actor", "occluder", "background")
)
"""The columns of ATTENTION_TABLE that are averaged."""

SUMMARY_COLUMNS = (
    "backbone",
    "arm",
    "set",
    "measure",  # one of MEASURES
    "seeds",  # number of trainings of the arm; a clip's value is the mean over them
    "n",  # number of clips that have the value in every seed
    "groups",  # number of groups of these clips that are not independent (recognition.groups)
    "mean",
    "low",  # 95 % bootstrap interval of the mean, over groups
    "high",
    "median",
    "zero_maps",  # number of clips, over all seeds, whose map is zero in the masked frames
    "unmasked",  # number of clips without an actor mask in any frame
    "failed",  # number of clips that could not be read
    "common",  # number of clips that have the value in the baseline too; empty for the baseline
    "difference",  # mean over the common clips of this arm's value minus the baseline's
    "difference_low",  # 95 % bootstrap interval of the difference, over groups
    "difference_high",
    "p",  # two-sided p of the Wilcoxon signed-rank test of the differences, clip by clip
    "p_holm",  # p, corrected for all p values of the file (Holm)
)
"""Columns of summary.csv; a cell is empty where the value is undefined."""
