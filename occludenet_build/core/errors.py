"""Errors that a user can act on, and the closed list of reasons why an item failed.

Such errors end in one line on the terminal, never in a traceback.
"""

from __future__ import annotations

import errno
import traceback
from pathlib import Path

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Error numbers for a full disk, an exceeded quota or file-size limit; they stop the whole job."""


class UserError(Exception):
    """The job cannot continue.

    The message names the expected value, the actual value and what to do.
    """


class ItemError(Exception):
    """An item cannot be used: its row gets this reason and the job continues with the next item.

    Raises ValueError for a reason that is not in REASONS.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        if reason not in REASONS:
            raise ValueError(f"{reason!r} is not in the closed list of reasons")
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type[ItemError], tuple[str, str]]:
        return ItemError, (self.reason, self.detail)


def as_item_error(error: Exception) -> ItemError:
    """The ItemError for any exception in the work on one item.

    Its detail has the class of the exception, the first line of its message, and the place in this
    package. Raises `error` itself if it concerns the whole job: a UserError, a full disk, or a
    package that is not installed.
    """
    if isinstance(error, ItemError):
        return error
    of_job = isinstance(error, (UserError, ImportError))
    if of_job or getattr(error, "errno", None) in DISK_FULL:
        raise error
    text = (str(error).strip() or "no message").splitlines()[0][:300]
    name = getattr(error, "filename", None)
    named = f": {name}" if name and str(name) not in text else ""
    return ItemError(
        _reason_of(error), f"{type(error).__name__}: {text}{named} ({_place_of(error)[0]})"
    )


def is_outage(error: Exception) -> bool:
    """Whether an exception says that a disk, mount or server is away or sick."""
    return getattr(error, "errno", None) in _OUTAGES


_OUTAGES = frozenset(
    getattr(errno, name)
    for name in (
        *("EIO", "ESTALE", "ENODEV", "ENXIO", "ENOTCONN", "ETIMEDOUT", "EHOSTDOWN", "ENOMEDIUM"),
        *("EHOSTUNREACH", "ENETDOWN", "ENETUNREACH", "ECONNRESET", "ECONNABORTED", "EREMOTEIO"),
        *("ESHUTDOWN", "EMFILE", "ENFILE"),
    )
    if hasattr(errno, name)
)
"""Error numbers of a disk, mount or server that is away or sick."""

_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
"""Error numbers of a path that leads nowhere."""

_DEFECTS = (NameError, AttributeError, TypeError, NotImplementedError, AssertionError, LookupError)
"""Exceptions that, raised by this package itself, are errors of the program and not of a file."""

_PACKAGE = Path(__file__).resolve().parents[1]


def _reason_of(error: Exception) -> str:
    number = getattr(error, "errno", None)
    if isinstance(error, MemoryError) or number == errno.ENOMEM:
        return "out_of_memory"
    if isinstance(error, FileNotFoundError) or number in _ABSENT:
        return "missing"
    if isinstance(error, PermissionError):
        return "no_permission"
    if is_outage(error):
        return "unreachable"
    return "defect" if isinstance(error, _DEFECTS) and _place_of(error)[1] else "internal"


def _place_of(error: Exception) -> tuple[str, bool]:
    """(file:line of the last line of this package, whether that line itself raised)."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(_PACKAGE)]
    if not own:
        return "outside of this package", False
    file = Path(own[-1].filename).relative_to(_PACKAGE.parent)
    return f"{file}:{own[-1].lineno}", own[-1] is frames[-1]


REASONS = {
    # any stage
    "no_permission": "the file exists, but may not be read",
    "unreachable": "reading failed: the disk, mount or server of the file is away or sick",
    "too_slow": "the item took longer than failures.item_minutes",
    "out_of_memory": "the item needs more memory than there is, or than failures.worker_memory_mb",
    "worker_killed": "the worker process was killed, probably because memory ran out",
    "crashed": "the worker process crashed, in a library",
    "internal": "an unexpected error; the detail names it",
    "defect": "an error of this program; the detail names it, please report it",
    # acquire, index
    "missing": "the file does not exist",
    "not_utf8": "the name of the file, or of a folder above it, is not UTF-8",
    "empty_file": "the file has 0 bytes",
    "not_a_video": "unknown file format, or no video stream",
    "unreadable": "the container opens but cannot be read",
    "no_decoder": "the video is in a codec that the libraries here cannot decode",
    "bad_times": "the frame times are absurd: index.min_fps, index.max_fps, index.max_gap",
    "zero_frames": "no frame decodes",
    "truncated": "the file is shorter than its header states",
    "corrupt": "more packets fail to decode than allowed",
    "misplaced": "the file is not in a folder where the layout expects videos",
    "too_large": "the frame or the file is larger than the limit in the settings",
    "duplicate": "another file with the same bytes precedes it",
    # downloads
    "bad_url": "not an http or https address",
    "bad_redirect": "circular or too many redirects, or a redirect that is not http or https",
    "not_found": "the file does not exist on the server (404)",
    "gone": "the file was removed from the server (410)",
    "forbidden": "the server requires a login or denies access (401, 403, 451)",
    "bad_answer": "the response of the server is not a file",
    "bad_certificate": "the server's certificate is not valid",
    "too_many_requests": "the server limits the request rate (429)",
    "server_error": "the server reports an internal error (5xx)",
    "timed_out": "the server sent nothing within the timeout",
    "connection_lost": "no connection, or the connection was lost",
    "wrong_length": "the length differs from the stated or expected one",
    "wrong_hash": "the sha256 differs from the expected one",
    "not_an_image": "the file does not decode as an image",
    "not_json": "the file does not begin and end like JSON",
    "not_an_archive": "the file is neither a tar nor a zip archive",
    "offline": "the file is missing and downloads are disabled",
    # YouTube
    "login_required": "private, restricted to members or buyers, or age-restricted",
    "live": "a live stream that has not ended, or a future premiere",
    "unavailable": "removed, blocked in this country, or unavailable for an unknown reason",
    "no_format": "no format within the size limit",
    "bot_check": "YouTube requires a login from this IP address",
    "extractor_failed": "yt-dlp cannot parse the page; a newer version may",
    # archives
    "archive_bomb": "the archive unpacks to more bytes or members than allowed",
    "unsafe_path": "an absolute path, or a path that leaves the folder",
    "unsafe_name": "control characters, backslashes, or a name too long for file systems",
    "unsafe_link": "a link; links may point out of the folder and data archives need none",
    "special_file": "a device, pipe or socket",
    "name_clash": "the name equals that of another member except for case",
    # detect, select
    "no_actor": "no person was detected in any frame",
    "camera_moves": "backend motion: the camera moves too much, or something fills the picture",
    "no_person_like_motion": "backend motion: nothing that moves is told to be a person",
    "too_few_actor_frames": "the actor is visible in fewer frames than required",
    "no_occluder": "the split has no occluder of any category",
    "quota": "the quota of the class is already filled",
    "not_published": "the clip is not in the release",
    "missing_source": "a source clip of the release is not among the videos",
    "missing_occluder": "the occluder of the clip in the release is not in the bank",
    # proposals, segments
    "no_boxes": "the video was not searched for people",
    "ambiguous": "several videos have this name",
    "outside_video": "the segment is not within the video",
    "too_short": "the segment is shorter than the minimum",
    "too_long": "the segment is longer than the maximum",
    "unknown_class": "the class is not a class of the dataset",
    # recordings
    "offset_unsure": "when a view was recorded, relative to another one, is not sure",
    "no_common_time": "the views of the take share no time",
    "missing_view": "the take lacks a view that the set has",
    "other_resolution": "the recording has another resolution than the set",
    "no_sound": "the clip has no sound",
    "silent": "the sound is silent",
    "too_dark": "too much of the picture is black",
    "too_bright": "too much of the picture is white",
    "frozen": "the picture does not change for too long",
    # composite, counterfactual, masks
    "target_missed": "no occluder size hides the required share of the actor",
    "no_occluded_frame": "no frame of the clip is occluded",
    "source_changed": "the source differs from the indexed file",
    "occluder_changed": "the cut-out differs from the one in the table of occluders",
    "unsupported_pixels": "no encoder supports the pixel format",
    "encode_failed": "the encoder or the muxer refused",
    "no_mask": "no mask was found in any frame",
    "not_erased": "too many frames that may show the actor have no mask to erase them by",
    # recordings, anonymity
    "no_consent": "somebody in the clip does not consent to its use, or is not asked",
    "not_anonymised": "in too many frames nobody was found whose face or head could be hidden",
    # poses
    "no_poses": "poses.file has no poses of the clip",
    "bad_poses": "the clip's file of poses is not in the format of kinetics-skeleton",
    # variants, outside
    "no_partner": "no other clip can give the background",
    "not_outside": "outside.folder has no clip of this name",
    "other_frames": "the clip has another number of frames, or other times, than ours",
    "other_size": "the picture has another size than ours",
    "changes_background": "too much of the picture outside the actor was changed",
    "changes_occluder": "too much of the occluder was changed with the actor",
    # export
    "clip_changed": "the clip differs from the one in the table of annotations",
    "too_few_frames": "the program that reads the format leaves out clips of so few frames",
    "name_taken": "the program that reads the format would mistake the clip for another one",
    # attention
    "zero_map": "the Grad-CAM map is zero in all evaluated frames",
    # occluders
    "crowd": "a crowd annotation, not one object",
    "too_small": "the mask has fewer pixels than the minimum",
    "image_missing": "the image file does not exist",
    "image_unreadable": "the image does not decode, or its size differs from the stated one",
    "bad_mask": "the segmentation does not decode or is empty",
    "touches_border": "too much of the outline is on the border of the photo",
    "has_holes": "holes cover too much of the mask",
    "fragmented": "the mask is split into several components",
    "too_thin": "the mask is thinner than the minimum",
    "blurred": "the edges are more blurred than the maximum",
    "near_duplicate": "another cut-out shows the same object",
    "no_alpha": "the user's image is not a cut-out: it has no transparent pixel",
}
"""Reason why an item was skipped or failed -> its meaning."""

TRANSIENT = {
    *("missing", "no_permission", "unreachable", "source_changed", "occluder_changed"),
    *("clip_changed", "too_slow", "out_of_memory", "worker_killed", "internal", "defect"),
    *("too_many_requests", "server_error", "timed_out", "connection_lost", "offline"),
    *("wrong_length", "wrong_hash", "bad_answer", "bad_certificate"),
    *("live", "bot_check", "extractor_failed"),
}
"""Reasons that may be temporary: such items are retried in the next run."""

OF_ITEM = frozenset({"internal", "defect", "out_of_memory"})
"""Those of TRANSIENT that tell of the item itself, or of the program, and of no outage."""
