"""moc: tubes of actions for MOC, STADO and other action detectors, as UCF101-24 has them.

    <set>/rgb-images/<class>/<clip>/00001.jpg    the frames, from 00001
    <set>/OccludeNet-GT.pkl                      split 1: train, and test
    <set>/OccludeNet-val-GT.pkl                  split 1: train, and val in the place of test; only
                                                 where the set has clips in val

Keys and rows of the pickles: media.tubes. Boxes are the detector's of the actor; a clip without
K = 7 consecutive frames with a box is left out, as no tubelet of MOC fits into it. `gt_occ` is
STADO's mask of one frame, the one with the largest box; `gt_visible`, ours, has the visible actor
of every frame, for a mask-guided attention that is right in each of them. Both only with masks.
media.tubes.read_tubes reads the files without running them; Python 2 and numpy 1 read them too.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from occludenet_build.core.errors import UserError
from occludenet_build.dataset.clips import ExportClip, by_split
from occludenet_build.dataset.export.job import Job
from occludenet_build.dataset.export.objects import frames_at, sequence_names
from occludenet_build.dataset.tubes import actor_tubes, occluded_box, visible_by_frame
from occludenet_build.media.tubes import SHORTEST, TubeTruth

_FIRST, _OTHER = "train", {"test": "OccludeNet-GT.pkl", "val": "OccludeNet-val-GT.pkl"}


def write(job: Job) -> dict[str, Any]:
    """Write the format; returns the counts for export.json.

    Raises UserError where the label ids do not number the classes from 0.
    """
    counts: Counter[str] = Counter()
    names = sequence_names(job)
    videos = {c.name: f"{job.class_names[c.label]}/{names[c.name]}" for c in job.clips}
    by_set: dict[str, dict[str, list[ExportClip]]] = defaultdict(dict)
    fits = _with_tubes(job, job.clips)
    paths = {clip.name: f"{clip.set}/rgb-images/{videos[clip.name]}" for clip in fits}
    for set_, split, kept in by_split(frames_at(job, fits, paths, "{:05d}.jpg", 1)):
        by_set[set_][split] = kept
        counts["videos"] += len(kept)
    for set_, splits in by_set.items():
        for other, file in _OTHER.items():
            if other == "test" or splits.get(other):
                truth = _truth(job, set_, splits.get(_FIRST, []), splits.get(other, []), videos)
                job.output.bytes(f"{set_}/{file}", truth.write())
                counts["pickles"] += 1
    return dict(counts)


def _with_tubes(job: Job, clips: Sequence[ExportClip]) -> list[ExportClip]:
    kept = []
    for clip in clips:
        frames = job.build.frames(clip)
        if actor_tubes(frames):
            kept.append(clip)
        else:
            reason = "too_few_frames" if any(f.box is not None for f in frames) else "no_actor"
            job.leave_out(clip, reason, f"a tube takes {SHORTEST} consecutive frames with a box")
    return kept


def _truth(
    job: Job,
    set_: str,
    train: Sequence[ExportClip],
    test: Sequence[ExportClip],
    videos: dict[str, str],
) -> TubeTruth:
    truth = TubeTruth(
        labels=_labels(job, set_),
        train_videos=[[videos[clip.name] for clip in train]],
        test_videos=[[videos[clip.name] for clip in test]],
        nframes={},
        resolution={},
        gttubes={},
    )
    for clip in (*train, *test):
        video, frames = videos[clip.name], job.build.frames(clip)
        truth.nframes[video] = clip.frames
        truth.resolution[video] = (clip.height, clip.width)
        truth.gttubes[video] = {job.label_id(clip): actor_tubes(frames)}
        if visible := visible_by_frame(frames):
            truth.gt_visible[video] = visible
            truth.gt_occ[video] = occluded_box(clip, frames)
    return truth


def _labels(job: Job, set_: str) -> list[str]:
    """Class names in the order of their ids; also those of which there is no clip."""
    ids = job.labels_of(set_)
    if sorted(ids.values()) != list(range(len(ids))):
        raise UserError(
            f"export.label_maps: wanted ids 0 to {len(ids) - 1} for moc, whose labels are a list, "
            f"got {sorted(ids.values())[:8]}; complete the map"
        )
    return sorted(ids, key=ids.__getitem__)
