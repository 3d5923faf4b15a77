# Long videos, in a place of their own.


# Surveillance videos are listed, indexed and searched like all others, but all of them, and in a
# place of their own.
SURVEILLANCE = f"{BUILD}/surveillance"
SURVEILLANCE_VIDEOS = (
    f"{FETCHED}/surveillance/videos"
    if CONFIG.segments.archives
    else CONFIG.segments.videos
)
SURVEILLANCE_FETCHED = (
    [f"{SURVEILLANCE}/archives.json"] if CONFIG.segments.archives else []
)
SURVEILLANCE_CONFIG = dataclasses.replace(
    CONFIG,
    acquire=dataclasses.replace(
        CONFIG.acquire, videos=SURVEILLANCE_VIDEOS, layout="auto"
    ),
    # a group of everybody would be proposed as one more person
    detect=dataclasses.replace(
        CONFIG.detect,
        actor="prominent" if CONFIG.detect.actor == "all" else CONFIG.detect.actor,
    ),
    select=settings.Select(quota=settings.Quota(None, None, None)),
)


def surveillance_settings(room):
    return as_param(settings.room_settings(SURVEILLANCE_CONFIG, room))


def surveillance_listing(wildcards):
    """As of the videos; what came out of archives stands in a table that is an input."""
    return "" if SURVEILLANCE_FETCHED else listing_digest(needed("segments", "videos"))


def segments_table(wildcards):
    """The user's table, or the one that he filled in; asked for only if segments are."""
    surveillance_listing(wildcards)
    review = f"{BUILD}/proposals/review.csv"
    if CONFIG.segments.table is None and not Path(review).exists():
        stop(
            f"config: segments.table: wanted a CSV file, got nothing, and there is no {review}; "
            "set it, or run proposals first and decide"
        )
    return CONFIG.segments.table or review
