"""Detection, tracking, the actor's masks, their audit, and proposals for occluded people."""
