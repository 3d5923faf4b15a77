# The rooms that look again: audit with another detector, leftover at clips with other fills.


def audit_weights(wildcards):
    """The note about the second detector's weights, which are asked for only if audit is."""
    note = weights_of("audit")
    if note:
        needed("audit", "weights")
    return note


def audit_settings(wildcards):
    """detect's, but for the detector."""
    second = dataclasses.replace(
        CONFIG.detect,
        backend=CONFIG.audit.backend,
        weights=CONFIG.audit.weights,
        weights_sha256=CONFIG.audit.weights_sha256,
        torchvision_model=CONFIG.audit.torchvision_model,
        image_size=CONFIG.audit.image_size,
        boxes=None,
        actor="prominent" if CONFIG.detect.actor == "file" else CONFIG.detect.actor,
    )
    changed = dataclasses.replace(CONFIG, detect=second)
    return settings.canonical(settings.room_settings(changed, "detect"))


OTHER_FILLS = set(CONFIG.leftover.fills) - {"none", CONFIG.counterfactual.fill}


def filled_settings(wildcards):
    """composite's, with another fill; the clips are made for this room alone."""
    other = dataclasses.replace(CONFIG.counterfactual, fill=wildcards.fill, files=True)
    changed = dataclasses.replace(CONFIG, counterfactual=other)
    return settings.canonical(settings.room_settings(changed, "composite"))


def filled_clips(wildcards):
    """The occluded clips, the counterfactuals as built, or those with another fill."""
    if wildcards.fill == "none":
        return f"{BUILD}/composite/{wildcards.shard}.parquet"
    folder = f"leftover/fills/{wildcards.fill}/" * (wildcards.fill in OTHER_FILLS)
    return f"{BUILD}/{folder}counterfactual/{wildcards.shard}.parquet"
