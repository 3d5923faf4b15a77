"""Recognition networks: normalised clips float32 (N, 3, T, H, W) to logits float32 (N, K).

registry.py lists and builds the networks and has the parameter names of other projects, spec.py
defines an entry of the registry, weights.py loads checkpoints.
"""
