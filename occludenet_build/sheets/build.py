"""What a build holds of one clip: where its files and its rows are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from occludenet_build.core.build import Build
from occludenet_build.core.errors import UserError

Row = dict[str, Any]


@dataclass(frozen=True)
class Clip:
    """One clip: its source, and what the stages wrote about it."""

    name: str
    source: Path
    frames: int
    fps: float
    root: Path
    detect_shard: str
    shard: str | None = None
    """Of the stages that make clips; None: the clip was not chosen."""
    occluded: dict[float, str] = field(default_factory=dict)
    """Scale -> file, relative to the build."""
    erased: dict[float, str] = field(default_factory=dict)

    def boxes(self) -> list[Row]:
        """Rows of detect.BOXES, everybody's."""
        return self._detail("detect", self.detect_shard)

    def masks(self) -> list[Row]:
        """Rows of actor_masks.DETAIL."""
        return self._detail("actor_masks", self.shard)

    def truth(self) -> list[Row]:
        """Rows of composite's ground truth, all scales."""
        return self._detail("composite", self.shard)

    def _detail(self, stage: str, shard: str | None) -> list[Row]:
        found = Build(self.root).detail(stage, shard, self.name) if shard else None
        return found.to_pylist() if found is not None else []


def clips_of(root: Path, names: Iterable[str]) -> list[Clip]:
    """The named clips, or all that were searched for people if none is named.

    Raises UserError where `root` is no build or has no such clip.
    """
    build = Build(root, "--build")
    index, searched = build.by_clip("index"), build.by_clip("detect")
    if not index:
        raise UserError(f"--build: wanted the folder of a build with an index, got {root}")
    wanted = list(dict.fromkeys(names)) or sorted(searched)
    unknown = [name for name in wanted if name not in searched or name not in index]
    if unknown:
        raise UserError(
            f"--clip: wanted clips that detect has searched, got {', '.join(unknown)}; "
            f"{root}/detect has {len(searched)}, such as {', '.join(sorted(searched)[:3])}"
        )
    chosen = {c: row for c, row in build.by_clip("select").items() if row["status"] == "ok"}
    occluded, erased = build.by_clip("composite"), build.by_clip("counterfactual")
    return [
        _clip(root, index[name], chosen.get(name), occluded.get(name), erased.get(name))
        for name in wanted
    ]


def _clip(
    root: Path, index: Row, chosen: Row | None, occluded: Row | None, erased: Row | None
) -> Clip:
    return Clip(
        name=index["clip"],
        source=Path(index["path"]),
        frames=index["frames"] or 0,
        fps=index["fps"] or 0.0,
        root=root,
        detect_shard=chosen["detect_shard"] if chosen else index["shard"],
        shard=chosen["shard"] if chosen else None,
        occluded=_files(occluded),
        erased=_files(erased),
    )


def _files(row: Row | None) -> dict[float, str]:
    if row is None or not row["files"]:
        return {}
    return dict(sorted(zip(row["scales"], row["files"], strict=True)))
