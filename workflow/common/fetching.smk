# What acquire and kinetics are asked for: only what decides which files these are.


def acquire_settings(*names):
    """Those settings of acquire that a part of it depends on, and the seed."""
    whole = settings.room_settings(CONFIG, "acquire")
    part = {name: whole["acquire"][name] for name in names}
    return as_param(whole | {"acquire": part})


def coco_settings(wildcards):
    """Only what decides which files of COCO these are."""
    needed("acquire", "coco_instances")
    acquire = settings.room_settings(CONFIG, "acquire")["acquire"]
    part = {
        "acquire": {
            key: acquire[key]
            for key in ("coco_instances", "coco_member", "coco_sha256", "coco_images")
        }
    }
    fetches_images = CONFIG.acquire.coco_images is None or is_url(
        CONFIG.acquire.coco_images
    )
    if fetches_images:
        bank = settings.room_settings(CONFIG, "occluders")["occluders"]
        part["occluders"] = {
            key: bank[key] for key in ("categories", "min_pixels", "gates")
        }
    return settings.canonical(part)


def coco_bytes(wildcards):
    """The size of the user's own instances file, and whether what was fetched is still there."""
    note = Path(f"{BUILD}/acquire/coco.json")
    noted = json.loads(note.read_text()) if note.exists() else {}
    if not all(Path(noted[key]).exists() for key in ("images", "instances") if noted):
        return -1
    named = CONFIG.acquire.coco_instances
    return 0 if is_url(named) else Path(named).stat().st_size


def videos_listing(wildcards):
    """What stands in the user's folder; with Kinetics the table that is an input says it."""
    return "" if KINETICS else listing_digest(needed("acquire", "videos"))
