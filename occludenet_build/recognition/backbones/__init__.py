"""Recognition networks by name: clips (N, 3, T, H, W), normalised float32, to logits (N, K).

registry.py lists and builds them, spec.py says what each entry states, weights.py loads
checkpoints, renames.py knows the names in other projects' checkpoints.
"""
