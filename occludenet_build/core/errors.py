"""Errors a user can act on. They end in one line on the terminal, never in a traceback."""

from __future__ import annotations


class UserError(Exception):
    """The whole job cannot go on: says what was wanted, what came, what to do."""


class ItemError(Exception):
    """One item cannot be used; it becomes a row with this reason and the job goes on."""

    def __init__(self, reason: str, detail: str = "") -> None:
        if reason not in REASONS:
            raise ValueError(f"{reason!r} is not in the closed list of reasons")
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


REASONS = {
    # acquire, index
    "missing": "the file is not there",
    "empty_file": "the file has 0 bytes",
    "not_a_video": "no demuxer knows the file, or it holds no video stream",
    "unreadable": "the container opens but cannot be read",
    "zero_frames": "not one frame decodes",
    "truncated": "the file ends before the length that its header states",
    "corrupt": "more packets than allowed fail to decode",
    "misplaced": "the file does not stand where the layout has videos",
    "too_large": "the picture or the file is larger than the set limit",
    "duplicate": "the same bytes stand under another name that comes first",
    # detect, select
    "no_actor": "nobody was found in any frame",
    "too_few_actor_frames": "the actor is visible in fewer frames than asked for",
    "no_occluder": "the split holds no occluder of any category",
    "quota": "the class already has its quota of clips",
    "not_published": "the release does not name it",
    "missing_source": "a source clip of the release that is not among the videos",
    "missing_occluder": "the occluder that the release gives the clip is not in the bank",
    # composite, counterfactual, masks
    "target_missed": "no size of the occluder hides the share of the actor that is asked for",
    "no_occluded_frame": "no frame of the composited clip is occluded",
    "source_changed": "the source is not the file that was indexed",
    "unsupported_pixels": "the pixel format has no encoder here",
    "encode_failed": "the encoder or the muxer refused",
    "no_mask": "no mask was found in any frame",
    # occluders
    "crowd": "a crowd annotation, not one object",
    "too_small": "the mask has fewer pixels than asked for",
    "image_missing": "the image is not in the folder",
    "image_unreadable": "the image does not decode or has another size than stated",
    "bad_mask": "the segmentation does not decode or is empty",
}
"""Why an item was skipped or failed: reason -> what it means."""

TRANSIENT = {"missing", "encode_failed", "image_missing"}
"""Reasons that may have passed: such items are tried again on the next run."""
