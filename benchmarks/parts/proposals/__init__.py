"""Drawn surveillance scenes with static occluders of known place, and who is hidden how far."""
