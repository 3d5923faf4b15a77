"""Settings of the derived test sets, and of counterfactuals that another program made."""

from __future__ import annotations

from dataclasses import dataclass

from occludenet_build.config.occlusion import FILLS
from occludenet_build.core.errors import UserError
from occludenet_build.core.settings import require_distinct, setting

KINDS = ("background", "human", "swap", "scuba", "scufo", "ring", "greyed")
"""Kinds of derived sets; a kind may have several sets, such as swap-close-2."""
PAIRINGS = ("random", "close", "far", "same")
"""How the other clip of an action swap is drawn."""


@dataclass(frozen=True)
class Variants:
    """Stage variants: test sets that are derived from the clips of evaluate.split by the masks of
    the actor, for the tests of background bias. evaluate then predicts them too."""

    sets: tuple[str, ...] = setting((), choices=KINDS, empty=True)
    """Kinds of sets to make. background: the actor is erased; human: only the actor is seen; swap:
    the actor before the emptied background of another clip; scuba: before a picture; scufo: one
    frame of a scuba clip, repeated; ring: only a ring around the actor is seen, and that ring
    painted black (ring-flat); greyed: the occluder of the occluded clips is painted over. []: none,
    and the stage does not run."""
    clips: int | None = setting(None, low=1)
    """Number of source clips, drawn by hash; null: all of evaluate.split."""
    fill: str = setting("inpaint", choices=FILLS)
    """Replacement for the pixels of the actor in background and swap; values as in
    counterfactual.fill."""
    mean_colour: tuple[int, ...] = setting((124, 116, 104), low=0, high=255)
    """Colour R, G, B of what is not seen in human, ring and greyed: the mean of the data
    (Kinetics-400: that of ImageNet, by which most networks normalise)."""
    pairs: tuple[str, ...] = setting(("random", "close", "far"), choices=PAIRINGS)
    """How the other clip of a swap is drawn. random: any clip of another class; close, far: one of
    the clips of other classes whose backgrounds differ least or most; same: any other clip of the
    same class, a control for what the swapping itself does."""
    seeds: tuple[int, ...] = setting((1, 2, 3), low=0)
    """Seeds of the pairs; each one gives a set per entry of `pairs`."""
    near: float = setting(0.1, low=0.001, high=1)
    """Share of the clips of other classes that count as close, and as far."""
    pictures: str | None = setting(None, path=True)
    """scuba, scufo: folder of pictures for the sets scuba-pictures and scufo-pictures; null: these
    sets are not made."""
    ring: int = setting(8, low=1, high=500)
    """Width of the ring around the actor's mask, in pixels."""

    def __post_init__(self) -> None:
        require_distinct("variants.sets", self.sets)
        require_distinct("variants.seeds", [str(seed) for seed in self.seeds])
        if len(self.mean_colour) != 3:
            raise UserError(
                "config: variants.mean_colour: wanted three numbers R, G, B, got "
                f"{list(self.mean_colour)}"
            )


@dataclass(frozen=True)
class Outside:
    """Stage outside: counterfactual clips that another program made, such as a video remover."""

    folder: str | None = setting(None, path=True)
    """Folder of these clips, with the names of the build's counterfactuals below
    <dataset>-counterfactual (<split>/<25%>/<class>/<0.25>_<clip>.mp4). annotate then names them
    instead of the build's own, and train and evaluate use them. null: none."""
    dilate: int = setting(8, low=0, high=200)
    """Dilation of the actor's mask, in pixels, inside which a change is expected."""
    threshold: int = setting(20, low=1, high=255)
    """Difference of the luma, of 255, from which a pixel outside the mask counts as changed."""
    max_changed: float = setting(1.0, low=0, high=1)
    """Maximum share of the pixels outside the mask that may change; clips beyond it are left out.
    1: all are used."""
    max_occluder_changed: float = setting(0.25, low=0, high=1)
    """Maximum share of the occluder's pixels over the actor that may change by `threshold` or more:
    a remover must leave the occluder. Clips beyond it are left out. 1: all are used."""
