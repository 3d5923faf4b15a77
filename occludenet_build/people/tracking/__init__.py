"""Shot cuts, tracks within a shot, and the choice of the actor."""
