"""do(B = b'): the actor of a clip before the scenery of another clip.

Half of the training clips of the arms `swap` and `car_swap` (train.swap) show their actor before
the emptied background of another training clip: the other clip's counterfactual, from which its
actor is gone. The label stays, so the scenery no longer tells the action. Within the dilated mask
of the actor all pixels are the clip's own, so an occluder stays where it lies on the actor; what an
occluder hides besides is the new scenery.

Related: ActorCutMix (Zou et al.: Learning Representational Invariances for Data-Efficient Action
Recognition, CVIU 2023, arXiv 2103.16565) with boxes, and FAME (recognition.mixup) with a mask from
motion; here the mask is the actor's, and the scenery has been emptied. The pairs are drawn from all
training clips at load time, not from the batch: a pair is then a function of seed, clip and epoch,
and only the sceneries that are used are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from occludenet_build.config.training import Swap
from occludenet_build.core.seeds import rng
from occludenet_build.media.imaging.fit import cover
from occludenet_build.recognition.clip_table import ClipRow
from occludenet_build.recognition.frame_masks import ActorView


class Swapped(NamedTuple):
    """A clip before another scenery, each uint8 (T, H, W, 3)."""

    clip: np.ndarray
    erased: np.ndarray
    """The same without the actor: the new scenery, and the occluder where it lies on the actor."""


class Sceneries:
    """Draws the clips whose scenery other clips get."""

    def __init__(self, clips: Sequence[ClipRow], settings: Swap, seed: int) -> None:
        """`clips`: all training clips; those with a counterfactual lend their scenery."""
        self.settings, self._seed = settings, seed
        self._lenders = [clip for clip in clips if clip.erased_hash]

    def drawn_for(self, clip: ClipRow, epoch: int) -> ClipRow | None:
        """The clip that lends its scenery to `clip` in this epoch, another source; None: nobody."""
        random = rng(self._seed, clip.file, "swap", str(epoch))
        if not clip.erased_hash or random.random() >= self.settings.probability:
            return None
        others = [random.integers(0, len(self._lenders)) for _ in range(_TRIES)]
        lenders = (self._lenders[int(number)] for number in others)
        return next((lender for lender in lenders if lender.clip != clip.clip), None)

    def can_swap(self, actor: np.ndarray) -> bool:
        """Whether enough is seen of the actor, bool (T, S, S), in a view to be swapped."""
        frames, share = actor.any(axis=(1, 2)).mean(), actor.mean()
        enough = frames >= self.settings.min_frames and share >= self.settings.min_share
        return bool(share > 0 and enough)


_TRIES = 16
"""Draws of a lender; all are the clip's own source only where there are hardly other sources."""


def before_scenery(clip: np.ndarray, view: ActorView, scenery: np.ndarray) -> Swapped:
    """Put the actor of a clip before the frames of a scenery.

    `clip` uint8 (T, H, W, 3); `view`: its actor and hole, bool (T, H, W); `scenery` uint8
    (T, h, w, 3), which is scaled to cover the clip's picture and cropped to its centre.
    """
    covering = np.stack([cover(frame, clip.shape[2:0:-1]) for frame in scenery])
    hidden = view.actor & ~view.hole
    return Swapped(
        np.where(view.actor[..., None], clip, covering),
        np.where(hidden[..., None], clip, covering),
    )
