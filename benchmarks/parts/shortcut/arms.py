"""The compared settings of train and counterfactual, by name, and the network that they train."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from occludenet_build.config import arms
from occludenet_build.config.occlusion import Counterfactual
from occludenet_build.config.training import Augment, Swap, Train

MEDIAN = "median"
"""The fill that leaves no trace of the actor if the camera does not move."""
BASELINE, CAR, ORACLE = "baseline", "car", "oracle"
LONG = "baseline, twice the epochs"
LONG_SWAP = "swap, fill median, twice the epochs"
SWAP, CAR_SWAP = "swap, fill median", "car + swap, fill median"
_OWN = "own"


@dataclass(frozen=True)
class Network:
    """The network that all arms train, and its first weights."""

    backbone: str = "scene3d"
    weights: str | None = None
    """A file; None: random weights, drawn by the seed."""
    weights_sha256: str = ""
    frames: int | None = 8
    size: int | None = 48
    """Side of the crop and height of the world's frames, px; None, as of frames: the backbone's."""
    learning_rate: float = 0.003

    @property
    def settings(self) -> dict[str, Any]:
        """Those settings of train that it determines."""
        return {
            "backbone": self.backbone,
            "frames": self.frames,
            "size": self.size,
            "short_side": self.size,
            "learning_rate": self.learning_rate,
        }


@dataclass(frozen=True)
class Arm:
    """Settings of the product; settings not given have its defaults."""

    arm: str = BASELINE
    """One of train.arms."""
    alpha: float = Train().alpha
    causal_term: str = Train().causal_term
    detach_prediction: bool = Train().detach_prediction
    counterfactual_forward: str = Train().counterfactual_forward
    counterfactual: str = Swap().counterfactual
    """Of a swapped clip: train.swap.counterfactual."""
    label_smoothing: float = Augment().label_smoothing
    fill: str = Counterfactual().fill
    longer: int = 1
    """Epochs of the arm in those of the others."""
    oracle: bool = False
    """Trained with scenery independent of the action: an upper bound."""

    def settings(self, epochs: int, seed: int, network: Network = Network()) -> Train:
        """The settings of train; all arms share the recipe."""
        train = Train(
            **network.settings,
            arms=(self.arm,),
            alpha=self.alpha,
            causal_term=self.causal_term,
            detach_prediction=self.detach_prediction,
            counterfactual_forward=self.counterfactual_forward,
            swap=replace(Swap(), counterfactual=self.counterfactual),
            seeds=(seed,),
            stride=0,
            epochs=epochs,
            batch=8,
            augment=Augment(label_smoothing=self.label_smoothing),
            tensorboard=False,
            device="cpu",
            workers=0,
        )
        lasting = self.longer * arms.epochs(train, self.arm)
        return replace(arms.for_arm(train, self.arm), epochs=lasting)

    @property
    def reads_counterfactuals(self) -> bool:
        """Whether its training needs counterfactual clips."""
        return arms.reads_counterfactuals(self.arm)

    @property
    def swaps(self) -> bool:
        """Whether its clips get the scenery of other clips."""
        return arms.swaps(self.arm)


ARMS = {
    BASELINE: Arm(),
    LONG: Arm("baseline_long"),
    LONG_SWAP: Arm("swap", fill=MEDIAN, longer=2),
    CAR: Arm("car"),
    "car, fill inpaint": Arm("car", fill="inpaint"),
    "car, fill median": Arm("car", fill=MEDIAN),
    "uniform, fill median": Arm("car", causal_term="uniform", fill=MEDIAN),
    "swap, fill inpaint": Arm("swap", fill="inpaint"),
    SWAP: Arm("swap", fill=MEDIAN),
    "car + swap, fill inpaint": Arm("car_swap", fill="inpaint"),
    CAR_SWAP: Arm("car_swap", fill=MEDIAN),
    "car + swap, fill median, own": Arm("car_swap", fill=MEDIAN, counterfactual=_OWN),
    ORACLE: Arm(oracle=True),
    "car + swap, fill inpaint, own": Arm("car_swap", fill="inpaint", counterfactual=_OWN),
    "uniform": Arm("car", causal_term="uniform"),
    "uniform + swap, fill median": Arm("car_swap", causal_term="uniform", fill=MEDIAN),
    "car + swap, fill median, alpha 3": Arm("car_swap", fill=MEDIAN, alpha=3.0),
    "swap": Arm("swap"),
    "car, fill mean": Arm("car", fill="mean"),
    "car, fill median, alpha 5": Arm("car", fill=MEDIAN, alpha=5.0),
    "car, fill median, shared": Arm("car", fill=MEDIAN, counterfactual_forward="shared"),
    "car, ce_y": Arm("car", causal_term="ce_y"),
    "car, fill median, ce_y": Arm("car", causal_term="ce_y", fill=MEDIAN),
}
QUICK = (BASELINE, CAR, SWAP, CAR_SWAP)
USUAL = tuple(ARMS)[: tuple(ARMS).index(ORACLE) + 1]
"""The arms of a full run; --further runs all."""
