"""detect: people in every frame, who is who, and who is the actor.

Reads  index/shards/S.parquet   the clips of a shard (written by `index`)
       the videos, and the weights (--weights, or detect.weights) or the boxes (detect.boxes)
Writes detect/S.parquet                a row per clip (ROWS below)
       detect/store/S/detail.parquet   a row per box (BOXES below), one row group per clip,
                                       sorted by frame and track

Backends (detect.backend)
  yolo    any model of ultralytics (YOLOv5u and later) that knows a class named person: .pt, or an
          export of it, .onnx or OpenVINO's .xml. A .pt is a pickle: it is loaded with torch's
          weights_only and a list of allowed classes; take it only from where you trust all the
          same.
  torchvision  a detector of torchvision (detect.torchvision_model), under a permissive licence,
          with the weights that torchvision publishes, or others for COCO's categories.
  motion  what moves before a fixed camera; the score is the contrast to the scene. No weights.
  file    your own boxes, CSV or Parquet: clip,frame,x1,y1,x2,y2[,score][,track][,actor]. All
          are taken.

Of a model's boxes those of at least `score` count, and weaker ones, down to `low_score`, where they
continue a track. A model sees frames of several clips at once, while threads decode what comes
next; where a device has too little memory it goes on with fewer, at last on the CPU, and says so.
With `stride` k it sees the frames 0, k, 2k, ...: in between, each box goes in a straight line to
the next of its track, and at the edges of a shot it stays as it is.

Tracks (detect.tracker) hold within a shot: they end at a cut. A person who is missed for up to a
second and comes back close by stays the same track. A `track` column in the box file is taken as
it is. Boxes are those of the backend, never what a tracker makes of them.

The actor (detect.actor) is in every shot the track with the largest sum over its frames of
  prominent        the box's size (root of its share of the picture) x closeness to the middle
  area_x_duration  box area / picture area
  central          closeness to the middle of the picture
and, when it ends, the best of those that are not seen at the same time (actor.py). His track must
have boxes for `min_track_seconds` (or half of a shorter shot) and reach `actor_score` once, but
for boxes from a file. Or it is
  all              everybody who is fit in this sense, as a group: one box around them all, with a
                   track of its own. The occluder stands in its middle; masks are made from it
  file             whom the column actor of the user's boxes names, frame by frame
Gaps of the actor's track up to `max_gap_seconds` are filled by a straight line and flagged; longer
gaps, the time before its first box and after its last, and shots without such a track have no
actor.

A clip in which nobody acts is `skipped: no_actor`; its boxes stay. A clip that does not decode, or
is not the file that was indexed, is `failed`. A clip is searched again only if its file, the
weights, its boxes in the file, a setting that matters or the version of detect's results changed;
device, batch and threads do not count, though a GPU differs from a CPU in the last
digits (set `half` if more is to be alike), and one batch from another by what rounding does.

--threads: threads of a model, and as many that decode for it: on a CPU in turn with it, unless
detect.decode_threads gives them cores of their own; worker processes over clips for motion and
file.
"""

from __future__ import annotations

import pyarrow as pa

from occludenet_build.core.ledger import STATUS
from occludenet_build.core.tables import column

ROWS = pa.schema(
    [
        *STATUS,
        column("frames", "int32", "frames of the clip"),
        column("shots", "int32", "shots of the clip: one more than cuts and dissolves were found"),
        column("boxes", "int32", "rows in BOXES, filled ones included"),
        column("tracks", "int32", "tracks, all shots together"),
        column("actor_track", "int32", "the actor's longest track; null if nobody acts"),
        column("actor_frames", "int32", "frames with an actor box, filled ones included"),
        column("filled_frames", "int32", "frames whose actor box is filled in"),
        column("boxes_hash", "string", "hash over all boxes of the clip; null if failed"),
        column("backend", "string", "yolo, torchvision, motion or file"),
        column("weights_sha256", "string", "of the weights (OpenVINO: its 3 files); null: none"),
    ]
)
"""The manifest, a row per clip."""

BOXES = pa.schema(
    [
        column("clip", "string", "id of the clip"),
        column("frame", "int32", "frame number from 0, display order"),
        column("shot", "int32", "shot of that frame, from 0"),
        column("x1", "float32", "left edge, pixels of the displayed picture"),
        column("y1", "float32", "top edge, pixels"),
        column("x2", "float32", "right edge, pixels, exclusive"),
        column("y2", "float32", "bottom edge, pixels, exclusive"),
        column("score", "float32", "0 to 1, as the backend gives it; null if filled"),
        column("track", "int32", "who: unique in the clip; a group has a number of its own"),
        column("actor", "bool", "whether this is the actor; at most one row per frame"),
        column("filled", "bool", "interpolated: in a gap of the actor's track, or by stride"),
    ]
)
"""The boxes, a row per box."""
