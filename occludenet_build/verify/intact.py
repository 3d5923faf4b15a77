"""One build against its own tables: files, hashes, frames, strays."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from occludenet_build.core import seeds
from occludenet_build.core.files import sha256_file
from occludenet_build.core.pool import in_processes
from occludenet_build.core.progress import progress
from occludenet_build.release.terms import clean_tree, counterfactual_tree
from occludenet_build.verify import Finding, pictures
from occludenet_build.verify.manifests import Build, Output


def check(build: Build, sample: int, threads: int) -> Iterator[Finding]:
    """A finding per file, in no fixed order; `sample` of the files are decoded."""
    drawn = _drawn(build.outputs, sample)
    jobs = ((output, output.file in drawn) for output in build.outputs)
    done = in_processes(_file, jobs, threads)
    yield from progress(done, len(build.outputs), "file")
    yield from _strays(build)


def _drawn(outputs: list[Output], sample: int) -> set[str]:
    """By hash of the name: the same files each time, and on every machine."""
    names = {output.file for output in outputs}
    return set(sorted(names, key=lambda name: seeds.integer(0, name, "verify"))[:sample])


def _file(job: tuple[Output, bool]) -> Finding:
    output, decode = job
    verdict, detail = _verdict(output, decode)
    return Finding("build", verdict, detail, **output.place)


def _verdict(output: Output, decode: bool) -> tuple[str, str | None]:
    if not output.path.is_file():
        return "missing", None
    try:
        found = sha256_file(output.path)
    except OSError as error:
        return "broken", f"does not read: {error.strerror}"
    changed = output.sha256 is not None and found != output.sha256
    hashes = f"sha256 {found}, the row says {output.sha256}" if changed else None
    fault = pictures.fault(output.path, output.frames) if decode else None
    if fault:
        return "broken", "; ".join(filter(None, (fault, hashes)))
    return ("changed", hashes) if changed else ("ok", "decoded" if decode else None)


def _strays(build: Build) -> Iterator[Finding]:
    named = {output.file for output in build.outputs}
    for folder in sorted(_dataset_folders(named)):
        for path in sorted(_videos(build.root / folder)):
            name = path.relative_to(build.root).as_posix()
            if name not in named:
                killed = path.name.startswith(".")
                yield Finding("build", "stray", "left half-written" if killed else None, file=name)


def _dataset_folders(names: set[str]) -> set[str]:
    """Top folders of the named files, and those beside them of kinds that no row names any more.

    >>> sorted(_dataset_folders({"D/train/25%/a/0.25_b.mp4"}))
    ['D', 'D-clean', 'D-counterfactual']
    """
    tops = {PurePosixPath(name).parts[0] for name in names}
    return {tree for top in tops for tree in (top, clean_tree(top), counterfactual_tree(top))}


def _videos(folder: Path) -> Iterator[Path]:
    """Links are not followed: the release's lists have links into the same tree."""
    for parent, _, names in os.walk(folder):
        yield from (Path(parent, name) for name in names if name.endswith(".mp4"))
