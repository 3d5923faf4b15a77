"""detect: people in every frame, who is who, and who is the actor.

Reads  index/shards/S.parquet   the clips of a shard (written by `index`)
       the videos, and the weights (--weights, or detect.weights) or the boxes (detect.boxes)
Writes detect/S.parquet                a row per clip (ROWS below)
       detect/store/S/detail.parquet   a row per box (BOXES below), one row group per clip,
                                       sorted by frame and track

Backends (detect.backend)
  yolo    any .pt that ultralytics loads and that knows a class named person. Weights are pickles:
          they are loaded with torch's weights_only and a list of allowed classes; take them only
          from where you trust all the same. Boxes of at least `score`, and weaker ones, down to
          `low_score`, where they continue a track.
  motion  what moves before a fixed camera; the score is the contrast to the scene. No weights.
  file    your own boxes, CSV or Parquet: clip,frame,x1,y1,x2,y2[,score][,track]. All are taken.

Tracks hold within a shot: they end at a hard cut. A person who is missed for up to a second and
comes back close by stays the same track. A `track` column in the box file is taken as it is.

The actor (detect.actor) is one track in every shot:
  area_x_duration  the one with the largest sum of box area / picture area over its frames
  central          the one with the largest sum of closeness to the middle of the picture
His track must have boxes for `min_track_seconds` (or half of a shorter shot) and reach
`actor_score` once, but for boxes from a file. Gaps of the actor's track up to
`max_gap_seconds` are filled by a straight line and flagged; longer gaps, the time before its first
box and after its last, and shots without such a track have no actor.

A clip in which nobody acts is `skipped: no_actor`; its boxes stay. A clip that does not decode, or
is not the file that was indexed, is `failed`. A clip is searched again only if its file, the
weights, its boxes in the file, a setting that matters or the code changed; device, batch and
threads do not count, though a GPU differs from a CPU in the last digits.

--threads: threads of torch for yolo; worker processes over clips for motion and file.
"""

from __future__ import annotations

import pyarrow as pa

from occludenet_build.core.ledger import STATUS
from occludenet_build.core.tables import column

ROWS = pa.schema(
    [
        *STATUS,
        column("frames", "int32", "frames of the clip"),
        column("boxes", "int32", "rows in BOXES, filled ones included"),
        column("tracks", "int32", "tracks, all shots together"),
        column("actor_track", "int32", "the actor's longest track; null if nobody acts"),
        column("actor_frames", "int32", "frames with an actor box, filled ones included"),
        column("filled_frames", "int32", "frames whose actor box is filled in"),
        column("boxes_hash", "string", "hash over all boxes of the clip; null if failed"),
        column("backend", "string", "yolo, motion or file"),
        column("weights_sha256", "string", "of the weights; null if the backend has none"),
    ]
)
"""The manifest, a row per clip."""

BOXES = pa.schema(
    [
        column("clip", "string", "id of the clip"),
        column("frame", "int32", "frame number from 0, display order"),
        column("x1", "float32", "left edge, pixels of the displayed picture"),
        column("y1", "float32", "top edge, pixels"),
        column("x2", "float32", "right edge, pixels, exclusive"),
        column("y2", "float32", "bottom edge, pixels, exclusive"),
        column("score", "float32", "0 to 1, as the backend gives it; null if filled"),
        column("track", "int32", "who: unique in the clip"),
        column("actor", "bool", "whether this is the actor; at most one row per frame"),
        column("filled", "bool", "interpolated in a gap of the actor's track"),
    ]
)
"""The boxes, a row per box."""
