"""The choices of a run: person detector, masks and occluders, as settings and as lines to print."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from occludenet_build.config import published_files as published
from occludenet_build.config.published_files import PublishedFile
from occludenet_build.core.errors import UserError
from occludenet_build.core.settings import is_url
from occludenet_build.sources.transfer import cache
from occludenet_build.sources.transfer.download import file_name
from occludenet_build.tools.run.obtain import Obtained, obtain, unreachable

TORCHVISION_MODEL = "fasterrcnn_mobilenet_v3_large_fpn"
"""The permissive detector: mAP 32.8 on COCO; SSDLite, a fifth of its size, has 21.3."""
COCO_MEMBER = "instances_val2017.json"
COCO_PIXELS = 15_000
"""Minimum mask of an occluder with --coco, pixels: val2017 has few objects of 30,000."""

FLAGS = ("detector", "permissive", "weights", "masks", "mask_weights", "coco")
"""Options that choose something."""

Sections = dict[str, dict[str, Any]]


@dataclass
class Choice:
    """Settings of a run by section, and what the user is told about them."""

    sections: Sections = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)


def check_flags(args: argparse.Namespace) -> None:
    """Raises UserError for options that contradict each other."""
    for first, second in (
        (args.permissive, args.detector == "yolo" and "--detector yolo"),
        (args.permissive, args.masks == "yolo-seg" and "--masks yolo-seg"),
    ):
        if first and second:
            raise UserError(
                f"--permissive: wanted no AGPL code, got {second}; leave out one of them"
            )
    if args.weights and args.detector == "motion":
        raise UserError("--weights: --detector motion uses none; leave out one of them")
    if args.mask_weights and args.masks == "grabcut":
        raise UserError("--mask-weights: --masks grabcut uses none; leave out one of them")


def earlier_sections(chosen: Path, build: Path, videos: Path) -> Sections | None:
    """The choices of the run that began `build` with these videos; None if there is none.

    Before version 0.3 a run wrote no choice: it was motion, GrabCut and drawn occluders.
    """
    try:
        values = json.loads(chosen.read_text())
    except (OSError, ValueError):
        return None
    begun = any(build.glob("detect/*.parquet"))
    return values if begun and values["acquire"]["videos"] == str(videos) else None


def choose(args: argparse.Namespace, build: Path) -> Choice:
    """Choose by the options, by what is on this machine and by what can be fetched.

    Raises UserError where something that an option names cannot be had.
    """
    choice = Choice()
    detector = choose_detector(args, build, choice)
    choose_masks(args, build, choice, may_fetch=detector != "motion" or args.detector == "motion")
    choose_occluders(args, choice)
    return choice


def choose_detector(args: argparse.Namespace, build: Path, choice: Choice) -> str:
    """Set the section detect; return the name of the backend."""
    if args.weights:
        section = _own_detector(args)
        choice.lines.append(f"people: {section['backend']} with {args.weights}")
    elif args.detector == "motion":
        section = {"backend": "motion"}
        choice.lines.append("people: motion, which refuses most clips, as --detector motion says")
    else:
        section = _published_detector(args, build, choice)
    choice.sections["detect"] = section
    return section["backend"]


def _own_detector(args: argparse.Namespace) -> dict[str, Any]:
    named = args.weights.rpartition("/")[2]
    model = next((m for m, file in published.TORCHVISION.items() if file.name == named), None)
    backend = args.detector or ("torchvision" if args.permissive or model else "yolo")
    section = {"backend": backend, "weights": _file_or_address(args.weights, "--weights")}
    if backend == "torchvision":
        section["torchvision_model"] = model or TORCHVISION_MODEL
    return section


def _file_or_address(named: str, option: str) -> str:
    if is_url(named):
        return named
    path = Path(named).expanduser().resolve()
    if not path.is_file():
        raise UserError(f"{option}: wanted a file or an http(s) address, got {named}, no such file")
    return str(path)


def _published_detector(args: argparse.Namespace, build: Path, choice: Choice) -> dict[str, Any]:
    backend = args.detector or ("torchvision" if args.permissive else "yolo")
    model = {"torchvision_model": TORCHVISION_MODEL} if backend == "torchvision" else {}
    file = published.TORCHVISION[TORCHVISION_MODEL] if model else published.YOLO["yolov5su"]
    had = obtain(file, "detect.weights", build, args.offline, args.dry_run)
    if had.missing is None:
        choice.lines.append(_line("people", backend, file, had))
        return {"backend": backend} | model | _weights(had)
    if args.detector:
        raise UserError(_cannot(f"--detector {backend}", file, had, "--weights"))
    choice.lines += [
        f"people: motion (background subtraction, which refuses most clips); {_why(file, had)}",
        _better(f"--detector {backend}", file, "--weights"),
    ]
    return {"backend": "motion"}


def choose_masks(args: argparse.Namespace, build: Path, choice: Choice, may_fetch: bool) -> None:
    """Set the section actor_masks. Without `may_fetch` only files of this machine are used."""
    backend = args.masks or ("grabcut" if args.permissive else "yolo-seg")
    if args.mask_weights:
        named = _file_or_address(args.mask_weights, "--mask-weights")
        section = {"backend": backend if backend != "grabcut" else "sam", "weights": named}
        choice.lines.append(f"masks: {section['backend']} with {args.mask_weights}")
    elif backend == "grabcut":
        section = {"backend": "grabcut"}
        choice.lines.append("masks: grabcut, without weights; --masks sam is better and slower")
    else:
        section = _published_masker(args, backend, build, choice, may_fetch)
    choice.sections["actor_masks"] = section


def _published_masker(
    args: argparse.Namespace, backend: str, build: Path, choice: Choice, may_fetch: bool
) -> dict[str, Any]:
    file = {
        "yolo-seg": published.YOLO_SEG["yolo11n-seg"],
        "sam": published.SAM["vit_b"],
        "mobile-sam": published.MOBILE_SAM,
    }[backend]
    offline = args.offline or not (may_fetch or args.masks)
    had = obtain(file, "actor_masks.weights", build, offline, args.dry_run)
    if had.missing is None:
        choice.lines.append(_line("masks", backend, file, had))
        return {"backend": backend} | _weights(had)
    if args.masks:
        raise UserError(_cannot(f"--masks {backend}", file, had, "--mask-weights"))
    choice.lines += [
        f"masks: grabcut (rough); {_why(file, had)}",
        _better(f"--masks {backend}", file, "--mask-weights"),
    ]
    return {"backend": "grabcut"}


def choose_occluders(args: argparse.Namespace, choice: Choice) -> None:
    """With --coco set the sections that fetch real occluders into the cache for all builds."""
    if not args.coco:
        choice.lines.append(
            "occluders: the drawn ones of the demo; --coco fetches COCO's annotations "
            f"({published.COCO_ANNOTATIONS.size}) and some hundred photos"
        )
        return
    file, folder = published.COCO_ANNOTATIONS, cache.cache_folder()
    unpacked = folder / "coco" / f"{file_name(file.url, 'instances')}.unpacked" / COCO_MEMBER
    missing = "--offline" if args.offline else unreachable(file.url)
    if missing and not unpacked.exists():
        raise UserError(
            f"--coco: wanted {file.url}: {missing}; leave --coco out, or set "
            "acquire.coco_instances and coco_images to files of yours (docs/fetching.md)"
        )
    choice.lines.append(f"occluders: COCO val2017, in {folder}")
    choice.sections |= {
        "acquire": {"coco_instances": file.url, "coco_member": COCO_MEMBER, "coco_images": None},
        "occluders": {"min_pixels": COCO_PIXELS},
        "download": {"folder": str(folder)},
    }


def _weights(had: Obtained) -> dict[str, str]:
    return {"weights": str(had.path)} if had.path else {}


def _line(what: str, backend: str, file: PublishedFile, had: Obtained) -> str:
    if had.path is None:
        return f"{what}: {backend}, {file.name} ({file.licence})"
    return (
        f"{what}: {backend}, {had.path}, found by its name; its publisher states no hash "
        f"({file.licence})"
    )


def _why(file: PublishedFile, had: Obtained) -> str:
    return f"{file.name} is not on this machine, and was not fetched: {had.missing}"


def _better(option: str, file: PublishedFile, instead: str) -> str:
    return (
        f"  better: connect and add {option}, or get {file.url} ({file.size}, {file.licence}) "
        f"elsewhere and add {instead} FILE"
    )


def _cannot(option: str, file: PublishedFile, had: Obtained, instead: str) -> str:
    return (
        f"{option}: wanted {file.name}; {_why(file, had)}; get {file.url} ({file.size}) elsewhere "
        f"and add {instead} FILE"
    )
