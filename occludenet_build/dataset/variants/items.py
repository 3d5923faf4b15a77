"""The clips of the sets that one source clip gives: their ledger keys and their jobs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from occludenet_build.config import Config
from occludenet_build.config.variants import Variants
from occludenet_build.core import ledger, names, seeds, tables
from occludenet_build.core.build import DetailStore, source_identity
from occludenet_build.core.errors import ItemError, UserError, as_item_error
from occludenet_build.core.files import sha256_file
from occludenet_build.core.versions import results_version
from occludenet_build.dataset.variants.compose import Recipe, VariantJob
from occludenet_build.dataset.variants.footage import Footage
from occludenet_build.dataset.variants.pairs import PLATES_SET, swap_sets
from occludenet_build.media.video.encoder import Encoding, available_encoder
from occludenet_build.occlusion.counterfactual import Erasure
from occludenet_build.occlusion.ground_truth import occluder_masks
from occludenet_build.release.terms import greyed_set, set_name, ungreyed_set

Row = dict[str, Any]
TREE = "variants"
"""Folder of the sets, below the build."""
_IMAGES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}


@dataclass(frozen=True)
class Item:
    """One clip of one set, before it is made."""

    set: str
    recipe: Recipe
    row: Row
    """The source clip's row of select."""
    scale: float | None = None
    """greyed: the scale of the occluded clip."""
    pair: Row | None = None
    """The row of PAIRS, if the background is another clip."""
    picture: Path | None = None

    @property
    def name(self) -> str:
        """Its name in the ledger."""
        return f"{self.set}/{self.row['clip']}"

    @property
    def file(self) -> str:
        """Its file, relative to the build folder."""
        return f"{TREE}/{self.set}/{self.row['label']}/{self.row['clip']}.mp4"


def recipes(settings: Variants, scales: Sequence[float]) -> dict[str, Recipe]:
    """Name of each set that the settings ask for -> how it is made."""
    found: dict[str, Recipe] = {}
    kinds = settings.sets
    if "background" in kinds:
        found["background"] = Recipe("background")
    if "human" in kinds:
        found["human"] = Recipe("actor")
    for name in swap_sets(settings):
        if name != PLATES_SET:
            found[name] = Recipe("actor", "clip")
    for kind in ("scuba", "scufo"):
        if kind in kinds:
            for name, scene in _scenes(settings).items():
                found[f"{kind}-{name}"] = Recipe("actor", scene, still=kind == "scufo")
    if "ring" in kinds:
        found |= {"ring": Recipe("ring"), "ring-flat": Recipe("outline")}
    if "greyed" in kinds:
        found |= {greyed_set(set_name(scale)): Recipe("unoccluded") for scale in scales}
    return found


def _scenes(settings: Variants) -> dict[str, str]:
    pictures = {"pictures": "picture"} if settings.pictures else {}
    return {"stripes": "stripes", "plates": "picture"} | pictures


def pictures_of(folder: str | None) -> list[Path]:
    """The image files below variants.pictures, sorted. Raises UserError where there is none."""
    if folder is None:
        return []
    root = Path(folder)
    found = sorted(p for p in names.files_below(root) if p.suffix.lower() in _IMAGES)
    if not found:
        raise UserError(
            f"variants.pictures: wanted image files ({', '.join(sorted(_IMAGES))}) in {root}, got "
            "none; name another folder, or leave it out"
        )
    return [root / path for path in found]


@dataclass
class ShardItems:
    """The items of one shard, with what their jobs read."""

    config: Config
    root: Path
    masks: Path
    """The folder actor_masks."""
    select: Mapping[str, Row]
    """Source clip of any shard -> its row of select."""
    plates: Mapping[str, Row]
    """Source clip of any shard -> its row of PLATES."""
    pairs: Mapping[tuple[str, str], Row]
    """(set, source clip) -> row of PAIRS."""
    composite: Path
    """composite/S.parquet of the shard."""
    pictures: Sequence[Path] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.occluded = {row["clip"]: row for row in tables.read_rows(self.composite)}
        codec = available_encoder(self.config.composite.codec)
        settings = dataclasses.replace(self.config.composite, codec=codec)
        self.encoding = Encoding.of(settings)
        self._rles = DetailStore(self.masks / "store")
        self._truth = DetailStore(self.composite.parent / "store")
        self._hashes: dict[Path, str | ItemError] = {}

    def items(self, clips: Sequence[str]) -> Iterator[Item]:
        """The items of the usable ones among the clips."""
        wanted = recipes(self.config.variants, self.config.composite.scales)
        for clip in clips:
            if self.plates.get(clip, {}).get("status") == "ok":
                yield from (self._item(name, recipe, clip) for name, recipe in wanted.items())

    def _item(self, name: str, recipe: Recipe, clip: str) -> Item:
        row, scene = self.select[clip], name.partition("-")[2]
        if plain := ungreyed_set(name):
            scales = self.config.composite.scales
            scale = next(scale for scale in scales if set_name(scale) == plain)
            return Item(name, recipe, row, scale=scale)
        if recipe.scene == "clip":
            return Item(name, recipe, row, pair=self.pairs.get((name, clip)))
        if recipe.scene == "picture" and scene == "plates":
            return Item(name, recipe, row, pair=self.pairs.get((PLATES_SET, clip)))
        if recipe.scene == "picture":
            at = seeds.uniform_integer(self.config.seed, clip, "picture") % len(self.pictures)
            return Item(name, recipe, row, picture=self.pictures[at])
        return Item(name, recipe, row)

    def key(self, item: Item) -> str:
        """Hash of everything that determines the clip."""
        row = item.row
        used = [source_identity(row), self.plates[row["clip"]]["masks_hash"], row["label"]]
        used += [item.pair["background_key"] if item.pair else "alone"]
        if item.picture is not None:
            used.append(str(self._hash(item.picture)))
        if item.scale is not None:
            used += self._occluded_hashes(item)
        settings = dataclasses.asdict(self.encoding) | {"pix_fmt": self.config.composite.pix_fmt}
        settings |= {"recipe": dataclasses.asdict(item.recipe)} | self._settings_of(item)
        version = results_version("variants", "clips")
        return ledger.result_key("variants", version, settings, item.set, *used)

    def _settings_of(self, item: Item) -> dict[str, Any]:
        """The settings that this kind of set depends on."""
        own, kind = self.config.variants, item.recipe.kind
        used: dict[str, Any] = {}
        if kind == "background" or item.recipe.scene == "clip":
            used |= {"fill": own.fill, "dilate": self.config.counterfactual.dilate}
            used |= {"seed": self.config.seed} if own.fill == "noise" else {}
        if item.recipe.scene == "clip":
            used |= {"paired": "by time"}
        if item.recipe.scene == "stripes":
            used |= {"seed": self.config.seed}
        if kind in ("ring", "outline"):
            used |= {"ring": own.ring}
        if kind != "background" and item.recipe.scene == "colour":
            used |= {"colour": own.mean_colour}
        return used

    def _occluded_hashes(self, item: Item) -> list[str]:
        row = self.occluded[item.row["clip"]]
        if item.scale not in row["scales"]:
            return ["missing"]
        return [row["file_hashes"][row["scales"].index(item.scale)], row["truth_hash"]]

    def _hash(self, path: Path) -> str | ItemError:
        """The sha256 of a picture of the user, or why it cannot be read."""
        if path not in self._hashes:
            try:
                self._hashes[path] = sha256_file(path)
            except OSError as error:
                self._hashes[path] = as_item_error(error)
        return self._hashes[path]

    def job(self, item: Item, key: str) -> VariantJob:
        """The job that makes an item."""
        row, pair, config = item.row, item.pair, self.config
        known = {"clip": item.name, "key": key, "set": item.set, "source": row["clip"]}
        known |= {"label": row["label"], "split": row["split"]}
        if pair is not None:
            known |= {name: pair[name] for name in ("background", "background_label")}
        elif item.picture is not None:
            known |= {"background": item.picture.name}
        job = VariantJob(
            known=known,
            recipe=item.recipe,
            footage=self._footage(row) if item.scale is None else self._occluded(item),
            file=item.file,
            root=self.root,
            encoding=self.encoding,
            pix_fmt=config.composite.pix_fmt,
            colour=config.variants.mean_colour,
            ring=config.variants.ring,
            erasure=Erasure(
                config.variants.fill, config.counterfactual.dilate, config.seed, row["clip"]
            ),
            seed=config.seed,
        )
        return dataclasses.replace(job, **self._background(item))

    def _background(self, item: Item) -> dict[str, Any]:
        """The fields of a job that name its background."""
        if item.picture is not None:
            found = self._hash(item.picture)
            if isinstance(found, ItemError):
                return {"problem": found}
            return {"picture": item.picture, "picture_hash": found}
        if item.recipe.scene not in ("clip", "picture"):
            return {}
        if item.pair is None:
            wanted = "its class" if "-same-" in item.set else "another class"
            detail = f"no usable clip of {wanted} that is of another source"
            return {"problem": ItemError("no_partner", detail)}
        other = item.pair["background"]
        if item.recipe.scene == "clip":
            return {"behind": self._footage(self.select[other])}
        plate = self.plates[other]
        return {"picture": self.root / plate["file"], "picture_hash": plate["file_hash"]}

    def _footage(self, row: Row) -> Footage:
        return footage_of(row, self._rles)

    def _occluded(self, item: Item) -> Footage:
        """The occluded clip, with the masks of its occluder."""
        row, clip = self.occluded[item.row["clip"]], item.row["clip"]
        if item.scale not in row["scales"]:
            raise UserError(
                f"variants: {clip}: wanted the clip of scale {item.scale:g}, composite made "
                f"{row['scales']}; run composite again"
            )
        at = row["scales"].index(item.scale)
        assert item.scale is not None  # greyed sets have one
        masks = occluder_masks(self._truth, clip, self.composite.stem)
        found = masks.get(round(item.scale, 6), {})
        file = self.root / row["files"][at]
        return Footage(clip, file, row["file_hashes"][at], row["frames"], found)


def footage_of(row: Row, rles: DetailStore) -> Footage:
    """A source clip and its masks. `row`: of select; `rles`: actor_masks/store."""
    masks = rles.masks(row["clip"], row["shard"])
    return Footage(row["clip"], Path(row["path"]), row["sha256"], row["frames"], masks)
