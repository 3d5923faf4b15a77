"""leaks: clips of one split that are also in another split, or in another dataset.

Reads  --clips  select/clips.parquet   the chosen clips and their files
       leaks.lists                     lists of other datasets, if any
Writes --out clips.parquet             a row per chosen clip (CLIPS below)
       and next to it
       findings.parquet, findings.csv  a row per finding (FINDINGS)
       lists.parquet                   counts per list, split and class (LISTS)
       summary.json                    counts per check and pair of splits, a note per list

Checks
  same_youtube_id  clips of one YouTube video in two splits, from names like Kinetics gives them
                   (`<11 characters>_<start>_<end>`)
  near_duplicate   two clips in two splits that show the same: at one shift in time, at least
                   `min_frames` pictures and `min_share` of the overlap have hashes that differ in
                   at most `distance` of 64 bits. Robust to: another encoder or size, brightness,
                   black bars, small text, a crop of up to about a tenth, any shift in time. Not
                   found: crops from one side, mirrored pictures.
  in_list          a val or test clip whose YouTube video is in another dataset's training split
                   (or in a list without a split), or a train clip that is in another dataset's val
                   or test split

A list is a CSV file with a column `youtube_id` and optional columns `time_start` and `split`, as in
all editions of Kinetics, or a text file with one clip name per line. Without a column, the split is
that in the file's name: train, val or test.

Each clip is hashed once, and again only if its file, `frames_per_second` or the results version
changes. An index of hashes replaces the comparison of all pairs: clips that share a hash are then
compared at the shifts in question. A clip that cannot be read is a row with its reason.
"""

from __future__ import annotations

import pyarrow as pa

from occludenet_build.core.ledger import STATUS
from occludenet_build.core.tables import column

CLIPS = pa.schema(
    [
        *STATUS,
        column("split", "string", "train, val or test"),
        column("label", "string", "class name"),
        column("youtube_id", "string", "its YouTube video; null if its name has none"),
        column("pictures", "int32", "pictures with a hash"),
        column(
            "plain_pictures", "int32", "pictures without a hash, as they have too little contrast"
        ),
    ]
)
"""Columns of clips.parquet, a row per chosen clip."""

HASHES = pa.schema(
    [
        column("clip", "string", "id of the clip"),
        column("slot", "int32", "k: the picture at k / frames_per_second seconds"),
        column("hash", "uint64", "perceptual hash; hashes of similar pictures differ in few bits"),
        column("inner_hash", "uint64", "perceptual hash of the middle, 0.9 of each side"),
    ]
)
"""Columns of store/all/detail.parquet, a row per picture."""

FINDINGS = pa.schema(
    [
        column("check", "string", "same_youtube_id, near_duplicate or in_list"),
        column("clip", "string", "id of the clip"),
        column("split", "string", "its split"),
        column("label", "string", "its class"),
        column("other", "string", "the other clip; in_list: the list"),
        column("other_split", "string", "the other's split; null if the list names none"),
        column("other_label", "string", "the other's class; null for a list"),
        column("youtube_id", "string", "the YouTube video; null if the name has none"),
        column("pictures", "int32", "near_duplicate: number of equal pictures"),
        column("share", "float64", "near_duplicate: equal pictures, share of the overlap"),
        column("bits", "float64", "near_duplicate: differing bits, median over the overlap"),
        column(
            "shift_seconds", "float64", "near_duplicate: time in the other clip less time in clip"
        ),
        column("detail", "string", "description of the finding"),
    ]
)
"""Columns of findings.parquet, a row per finding."""

LISTS = pa.schema(
    [
        column("list", "string", "the list's file"),
        column("list_split", "string", "its split; null if it names none"),
        column("split", "string", "split of your clips"),
        column("label", "string", "class of your clips"),
        column("of", "int32", "number of your clips of that split and class"),
        column("clips", "int32", "your clips whose YouTube video is in the list's split"),
        column("same_segment", "int32", "those of them that start at the same second"),
    ]
)
"""Columns of lists.parquet, a row per list split, split and class with common clips."""
