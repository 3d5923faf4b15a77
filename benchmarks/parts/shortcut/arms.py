"""The compared settings of train and counterfactual, by name."""

from __future__ import annotations

from dataclasses import dataclass

from occludenet_build.config.occlusion import Counterfactual
from occludenet_build.config.training import Augment, Train

BASELINE, CAR, ORACLE = "baseline", "car", "oracle"
MEDIAN = "median"
"""The fill that leaves no trace of the actor if the camera does not move."""


@dataclass(frozen=True)
class Arm:
    """Settings of the product; settings not given have its defaults."""

    alpha: float = Train().alpha
    """0: no CAR."""
    causal_term: str = Train().causal_term
    detach_prediction: bool = Train().detach_prediction
    counterfactual_forward: str = Train().counterfactual_forward
    label_smoothing: float = Augment().label_smoothing
    fill: str = Counterfactual().fill
    oracle: bool = False
    """Trained with scenery independent of the action: an upper bound."""

    def settings(self, epochs: int, seed: int) -> Train:
        """The settings of train; all arms share the recipe."""
        return Train(
            backbone="tiny3d",  # selects the statistics for the normalisation of pixels
            arms=(CAR if self.alpha else BASELINE,),
            alpha=self.alpha,
            causal_term=self.causal_term,
            detach_prediction=self.detach_prediction,
            counterfactual_forward=self.counterfactual_forward,
            seeds=(seed,),
            frames=8,
            stride=0,
            size=48,
            short_side=48,
            epochs=epochs,
            batch=8,
            learning_rate=0.003,
            augment=Augment(label_smoothing=self.label_smoothing),
            tensorboard=False,
            device="cpu",
            workers=0,
        )


ARMS = {
    BASELINE: Arm(alpha=0.0),
    CAR: Arm(),
    ORACLE: Arm(alpha=0.0, oracle=True),
    "car, fill mean": Arm(fill="mean"),
    "car, fill inpaint": Arm(fill="inpaint"),
    "car, fill median": Arm(fill=MEDIAN),
    "car, fill median, alpha 5": Arm(fill=MEDIAN, alpha=5.0),
    "car, fill median, shared": Arm(fill=MEDIAN, counterfactual_forward="shared"),
    "car, ce_y": Arm(causal_term="ce_y"),
    "car, fill median, ce_y": Arm(fill=MEDIAN, causal_term="ce_y"),
}
QUICK = (BASELINE, CAR)
USUAL = (*QUICK, ORACLE, "car, fill median", "car, fill median, ce_y")
"""The arms of a full run; --further runs all."""
