"""detect: person boxes in every frame, tracks within each shot, and the actor's track.

Reads  index/shards/S.parquet   the clips of a shard (written by `index`)
       the videos; and the weights (--weights, or detect.weights) or the boxes (detect.boxes)
Writes detect/S.parquet                a row per clip (ROWS below)
       detect/store/S/detail.parquet   a row per box (BOXES below), one row group per clip,
                                       sorted by frame and track

Backends (detect.backend)
  yolo         a model of ultralytics (YOLOv5u and later) with a class named person: a .pt file, or
               its export, .onnx or OpenVINO's .xml. A .pt file is a pickle: it is loaded with
               torch's weights_only and a list of allowed classes; still, use one only from a
               source that you trust.
  torchvision  a detection model of torchvision (detect.torchvision_model), under a permissive
               licence, with the weights that torchvision publishes or others for COCO's categories
  motion       who moves before a scene that can be told, by their silhouette and its motion; the
               score is the contrast to the scene. It needs no weights, compensates a camera that
               shakes, turns or zooms, and refuses clips that it cannot tell (below).
  file         the user's own boxes, CSV or Parquet: clip,frame,x1,y1,x2,y2[,score][,track][,actor].
               All of them are kept.

A model's box counts if its score is at least `score`; a weaker one, down to `low_score`, counts
where it continues a track. A model processes batches with frames of several clips, while threads
decode the next frames. If a device runs out of memory, batches become smaller and at last the CPU
is used; the log says so. With `stride` k the model processes the frames 0, k, 2k, ...: between them
each box is interpolated linearly to the next box of its track, and at the edges of a shot it is
repeated.

Tracks (detect.tracker) end at a shot cut. A person who is not detected for up to a second and
reappears close by keeps their track. A `track` column in the box file is kept unchanged. Boxes are
those of the backend, without the tracker's filtering. Tracks of one person, of which one goes on
where the other ends, at the same place and in the same size, are one track if it is the actor's
(tracking/same_person.py): of two boxes in a frame it keeps the one of the track with the better
scores. Boxes of a file are all kept.

The actor (detect.actor) of a shot is the track with the largest sum over its frames of
  prominent        the box's size (root of its share of the picture) x closeness to the centre
  area_x_duration  box area / picture area
  central          closeness to the centre of the picture
and, when that track ends, the same person under another number, then the best of those that are not
visible at the same time (tracking/actor.py). The actor's track must have boxes for
`min_track_seconds` (or half of a shorter shot) and reach `actor_score` once; boxes from a file need
no score. Other policies are
  all              everybody who meets these limits, as a group: one box around them all, with a
                   track number of its own. The occluder is placed at its centre, and the mask is
                   the union of the members' masks.
  file             the boxes that the column actor of the user's file marks, frame by frame
Gaps of the actor's track up to `max_gap_seconds` are filled by linear interpolation and flagged.
Longer gaps, the time before its first box and after its last, and shots without such a track have
no actor.

A clip without an actor is `skipped: no_actor`; its boxes are kept. The backend motion skips
further clips, of which no box is kept (detectors/motion.py), and the log says how many:
  camera_moves           the camera moves too much to see a scene, or something fills the picture
  no_person_like_motion  nothing that moves is told to be a person; `detail` says why not

A clip that does not decode, or is not the file that was indexed, is `failed`. A clip is processed
again only if its file, the weights, its boxes in the file, a setting that matters or the version of
detect's or the backend's results changes. Device, batch and threads do not matter, although a GPU
differs from a CPU in the last digits (less with `half: false`), and one batch size from another by
rounding.

--threads: CPU threads of a model, and as many that decode for it: on a CPU these alternate with the
model, unless detect.decode_threads gives them their own cores. For motion and file: worker
processes, which take one clip at a time.
"""

from __future__ import annotations

import pyarrow as pa

from occludenet_build.core.ledger import STATUS
from occludenet_build.core.tables import column

ROWS = pa.schema(
    [
        *STATUS,
        column("frames", "int32", "frames of the clip"),
        column("shots", "int32", "shots of the clip: detected cuts and dissolves, plus one"),
        column("boxes", "int32", "rows in BOXES, filled boxes included"),
        column("tracks", "int32", "tracks in all shots together"),
        column(
            "actor_track", "int32", "number of the actor's longest track; null without an actor"
        ),
        column("actor_frames", "int32", "frames with an actor box, filled boxes included"),
        column("filled_frames", "int32", "frames whose actor box is filled"),
        column("boxes_hash", "string", "hash over all boxes of the clip; null if failed"),
        column("backend", "string", "yolo, torchvision, motion or file"),
        column(
            "weights_sha256",
            "string",
            "hash of the weights (OpenVINO: of its 3 files); null without",
        ),
    ]
)
"""The manifest: a row per clip."""

BOXES = pa.schema(
    [
        column("clip", "string", "id of the clip"),
        column("frame", "int32", "frame number from 0, display order"),
        column("shot", "int32", "shot of that frame, from 0"),
        column("x1", "float32", "left edge, pixels of the displayed picture"),
        column("y1", "float32", "top edge, pixels"),
        column("x2", "float32", "right edge, pixels, exclusive"),
        column("y2", "float32", "bottom edge, pixels, exclusive"),
        column("score", "float32", "0 to 1, from the backend; null if filled"),
        column("track", "int32", "track number, unique in the clip; a group has its own"),
        column("actor", "bool", "whether this is the actor's box; at most one per frame"),
        column(
            "filled", "bool", "whether interpolated: in a gap of the actor's track, or by stride"
        ),
    ]
)
"""The boxes: a row per box."""
