"""leaks: what of one split of your clips is known from another, or from another dataset.

Reads  --clips  select/clips.parquet   the chosen clips, and their files
       leaks.lists                     lists of other datasets, if any are given
Writes --out clips.parquet             a row per chosen clip (CLIPS below)
       and beside it
       findings.parquet, findings.csv  a row per finding (FINDINGS)
       lists.parquet                   counts per list, split and class (LISTS)
       summary.json                    counts per check and pair of splits, a note per list

Checks
  same_youtube_id  clips of one YouTube video in two splits, from names like Kinetics gives them
                   (`<11 characters>_<start>_<end>`)
  near_duplicate   two clips in two splits that show the same: at one shift in time, at least
                   `min_frames` pictures and `min_share` of the overlap are the same but for
                   `distance` of the 64 bits of their hashes. Found again after: another encoder or
                   size, other brightness, black bars, small letters, a crop of up to about a tenth,
                   any shift in time. Not found: crops from one side, mirrored pictures.
  in_list          a val or test clip whose YouTube video is in another dataset's training split
                   (or in a list that names no split), or a train clip that is in another's val or
                   test split

A list is a CSV file with a column `youtube_id`, and `time_start` and `split` if there, as all
editions of Kinetics have; or any text with one clip's name in each line. Where no column says the
split, the file's name does, if it holds train, val or test.

Clips are hashed once: again only if the file, `frames_per_second` or the version of
the results changed. Nothing is compared pair by pair: pictures are looked up in an index of hashes,
then the clips that share one are laid over each other. A clip that cannot be read is a row with
its reason.
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
        column("youtube_id", "string", "its YouTube video; null if the name does not say"),
        column("pictures", "int32", "pictures with a hash"),
        column("plain_pictures", "int32", "pictures too plain to be told from others: no hash"),
    ]
)
"""clips.parquet"""

HASHES = pa.schema(
    [
        column("clip", "string", "id of the clip"),
        column("slot", "int32", "k: the picture at k / frames_per_second seconds"),
        column("hash", "uint64", "perceptual hash: equal pictures differ in few of its bits"),
        column("inner_hash", "uint64", "of the middle of the picture, 0.9 of each side"),
    ]
)
"""store/all/detail.parquet, a row per picture"""

FINDINGS = pa.schema(
    [
        column("check", "string", "same_youtube_id, near_duplicate or in_list"),
        column("clip", "string", "a clip"),
        column("split", "string", "its split"),
        column("label", "string", "its class"),
        column("other", "string", "the other clip; in_list: the list"),
        column("other_split", "string", "the other's split; null if the list names none"),
        column("other_label", "string", "the other's class; null for a list"),
        column("youtube_id", "string", "the YouTube video; null if the name does not say"),
        column("pictures", "int32", "near_duplicate: pictures that are the same"),
        column("share", "float64", "near_duplicate: the same, of those where both overlap"),
        column("bits", "float64", "near_duplicate: bits that differ, median over the overlap"),
        column("shift_seconds", "float64", "near_duplicate: time in other less time in clip"),
        column("detail", "string", "in words"),
    ]
)
"""findings.parquet"""

LISTS = pa.schema(
    [
        column("list", "string", "the list's file"),
        column("list_split", "string", "its split; null if it names none"),
        column("split", "string", "split of your clips"),
        column("label", "string", "class of your clips"),
        column("of", "int32", "your clips of that split and class"),
        column("clips", "int32", "those whose YouTube video is in the list's split"),
        column("same_segment", "int32", "those of them that begin at the same second"),
    ]
)
"""lists.parquet, a row per pair that has clips in common"""
