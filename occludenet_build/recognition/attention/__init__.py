"""attention: where a trained network looks, as shares of its map's mass, and as pictures.

    occludenet attention --clips annotate/clips.parquet --root BUILD
        --model train/car-0.pt --out attention/car-0.parquet
        Grad-CAM of one network over the clips of evaluate.split, the occluded and the clean.
    occludenet attention --tables attention/*.parquet --out attention/summary.csv
        Means of all networks, and every arm against the baseline.

Reads  annotate/clips.parquet, annotate/frames/ beside it (the masks), the clips, a network of train
Writes <arm>-<seed>.parquet    CLIPS below, a row per clip of a set; the drawn ones only, if
                               attention.clips says so
       <arm>-<seed>/           for attention.pictures source clips, of each set
           <nr>_<set>.npz      arrays below; `picture` in the table names the file; nr is from 000
           <nr>_<set>.png      the same to look at: frames, and under them the map with the outlines
                               of the actor (green) and the occluder (red)
       summary.csv             SUMMARY below, a row per arm, set and measure

Arrays of an .npz, of the T frames and S x S pixels that the network was given (no pickles):
    frames     uint8 (T, S, S, 3), RGB
    cam        float32 (T, S, S), the map, 0 to 1: its largest value over the clip is 1
    actor      float32 (T, S, S), 0 to 1: share of the pixel that shows the visible actor
    occluder   float32 (T, S, S), the same of the occluder
    masked     bool (T,), the frame has an actor mask, so that it counts
    numbers    int32 (T,), the frames' numbers in the clip
    top5       str (K,), labels of the K = 5 largest probabilities (or of all), largest first
    top5_p     float32 (K,), their probabilities
    clip, set, label, target, predicted, arm, backbone   str (), as in the table
    seed       int64 ()

The map is that of Selvaraju et al., "Grad-CAM", ICCV 2017, equations 1 and 2, by captum, in
three dimensions: the gradient of the class's logit, averaged over the places of the layer's
output, weights its channels; the sum's negative part is cut off; what is left is brought to the
size of the clip linearly in t, y and x. The layer is the backbone's own (recognition.backbones)
or attention.layer; of a class token there is no place. Each clip is seen once, in the middle view
and the centre crop, so that `p` is not quite evaluate's, which averages views.

The actor's and the occluder's masks go through the scaling and the crop of the pictures. Frames
without an actor mask are left out, of the mass and of the area: there is no telling what of them
is background. Clean twins have the masks of their own source and no occluder.
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
        column("layer", "string", "the module whose output is weighted"),
        column("status", "string", "ok, skipped (nothing to measure) or failed"),
        column("reason", "string", "why not ok, from core.errors.REASONS: no_mask, zero_map, or "
               "why the clip does not decode; null if ok"),
        column("detail", "string", "what exactly happened; null if ok"),
        column("label", "string", "what the clip shows"),
        column("target", "string", "the class whose logit is explained: the label or the "
               "prediction (attention.target)"),
        column("predicted", "string", "the label of the largest logit, in this one view"),
        column("p", "float64", "probability of `label`, softmax in this one view"),
        column("frames", "int32", "frames that the network was given"),
        column("masked_frames", "int32", "those with an actor mask: all below is of these"),
        column("mass_actor", "float64", "share of the map's mass on the visible actor; null if not "
               "ok, as the other masses; the three sum to 1"),
        column("mass_occluder", "float64", "the same of the occluder; 0 in clean clips"),
        column("mass_background", "float64", "the same of everything else"),
        column("area_actor", "float64", "share of the picture that is visible actor: what a map "
               "without a preference would give; null without a mask"),
        column("area_occluder", "float64", "the same of the occluder"),
        column("area_background", "float64", "the same of everything else"),
        column("focus_actor", "float64", "mass_actor / area_actor: 1 is no preference; null where "
               "the area is 0"),
        column("focus_occluder", "float64", "mass_occluder / area_occluder"),
        column("focus_background", "float64", "mass_background / area_background"),
        column("picture", "string", "its .npz, relative to this table's folder; null if not drawn"),
    ]
)  # fmt: skip
"""<arm>-<seed>.parquet"""

MEASURES = tuple(
    f"{what}_{where}"
    for what in ("mass", "area", "focus")
    for where in ("actor", "occluder", "background")
)
"""The columns of CLIPS that are averaged."""

SUMMARY_COLUMNS = (
    "backbone",
    "arm",
    "set",
    "measure",  # one of MEASURES
    "seeds",  # trainings of the arm; a clip's value is the mean over them
    "n",  # clips that have the value in every seed
    "mean",
    "low",  # 95 % bootstrap interval of the mean, over clips
    "high",
    "median",
    "zero_maps",  # clips, of all seeds, whose map is zero in the masked frames
    "unmasked",  # without an actor mask in any frame
    "failed",  # that could not be read
    "common",  # clips that have the value in the baseline too; empty in the baseline's own rows
    "difference",  # mean over these of this arm's value less the baseline's
    "difference_low",  # 95 % bootstrap interval of it, over clips
    "difference_high",
    "p",  # Wilcoxon signed-rank test, two-sided, of the differences
)
"""Columns of summary.csv; a cell is empty where there is nothing to say."""
