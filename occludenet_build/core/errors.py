"""Errors a user can act on. They end in one line on the terminal, never in a traceback."""

from __future__ import annotations

import errno

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Error numbers of a disk, a quota or a limit that takes no more: they concern the whole job."""


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
    # downloads
    "bad_url": "not an http or https address",
    "bad_redirect": "a redirect in a circle, too often, or to something that is not http or https",
    "not_found": "the server does not have it (404)",
    "gone": "the server had it once (410)",
    "forbidden": "the server wants a login, or refuses (401, 403, 451)",
    "bad_answer": "the server answers with something that is not a file",
    "bad_certificate": "the server's certificate is not valid",
    "too_many_requests": "the server wants fewer requests (429)",
    "server_error": "the server fails (5xx)",
    "timed_out": "nothing came for too long",
    "connection_lost": "no connection, or it broke before the end",
    "wrong_length": "not the length that was stated or expected",
    "wrong_hash": "not the sha256 that was expected",
    "not_an_image": "no decoder takes the file as a whole picture",
    "not_json": "does not begin and end as JSON does",
    "not_an_archive": "neither tar nor zip",
    "offline": "not here, and downloads are switched off",
    # YouTube
    "login_required": "private, for members or buyers, or for an age that a login proves",
    "live": "a stream that has not ended, or a premiere to come",
    "unavailable": "removed, closed, not for this country, or YouTube does not say why",
    "no_format": "no format of a size that is asked for",
    "bot_check": "YouTube wants a login before it serves anything more to this address",
    "extractor_failed": "yt-dlp does not understand the page; a newer yt-dlp may",
    # archives
    "archive_bomb": "unpacks to more bytes or members than allowed",
    "unsafe_path": "an absolute path, or one that climbs out of the folder",
    "unsafe_name": "control characters, backslashes, or longer than file systems take",
    "unsafe_link": "a link; archives of data need none, and links can point out of the folder",
    "special_file": "a device, a pipe or a socket",
    "name_clash": "the name of another member, but for upper and lower case",
    # detect, select
    "no_actor": "nobody was found in any frame",
    "too_few_actor_frames": "the actor is visible in fewer frames than asked for",
    "no_occluder": "the split holds no occluder of any category",
    "quota": "the class already has its quota of clips",
    "not_published": "the release does not name it",
    "missing_source": "a source clip of the release that is not among the videos",
    "missing_occluder": "the occluder that the release gives the clip is not in the bank",
    # proposals, segments
    "no_boxes": "nobody was looked for in it",
    "ambiguous": "more than one video has this name",
    "outside_video": "the segment does not lie within the video",
    "too_short": "the segment is shorter than asked for",
    "too_long": "the segment is longer than asked for",
    "unknown_class": "the class is none of the dataset's",
    # composite, counterfactual, masks
    "target_missed": "no size of the occluder hides the share of the actor that is asked for",
    "no_occluded_frame": "no frame of the composited clip is occluded",
    "source_changed": "the source is not the file that was indexed",
    "unsupported_pixels": "the pixel format has no encoder here",
    "encode_failed": "the encoder or the muxer refused",
    "no_mask": "no mask was found in any frame",
    # attention
    "zero_map": "no place raises the class's score in the frames that count",
    # occluders
    "crowd": "a crowd annotation, not one object",
    "too_small": "the mask has fewer pixels than asked for",
    "image_missing": "the image is not in the folder",
    "image_unreadable": "the image does not decode or has another size than stated",
    "bad_mask": "the segmentation does not decode or is empty",
    "touches_border": "too much of its outline lies on the photo's border",
    "has_holes": "too much of the mask is holes",
    "fragmented": "the mask lies in pieces",
    "too_thin": "the mask is thinner than asked for",
    "blurred": "its edges are softer than asked for",
    "near_duplicate": "another cut-out shows the same",
    "no_alpha": "an own picture that is no cut-out: no pixel of it is transparent",
}
"""Why an item was skipped or failed: reason -> what it means."""

TRANSIENT = {
    *("missing", "encode_failed", "image_missing"),
    *("too_many_requests", "server_error", "timed_out", "connection_lost", "offline"),
    *("wrong_length", "wrong_hash", "bad_answer", "bad_certificate"),
    *("live", "bot_check", "extractor_failed"),
}
"""Reasons that may have passed: such items are tried again on the next run."""
