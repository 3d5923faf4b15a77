"""Route youtube: each clip is cut out of its YouTube video, which is fetched whole.

One video at a time, with a pause after each, in the time of which its clip is cut. Every clip of
Kinetics-400 is of a video of its own, so no video is fetched twice.

    <folder>/<split>/<class>/<id>_<start>_<end>.mp4   the clips
    <folder>/.youtube/store/    the ledger, a row per clip that was ever asked for
    <folder>/.youtube/work/     the video in hand; gone after the run, or at the next one's start

Not asked for again: a clip that this route has made with the same id, times, height, crf and
address, while its file is there as it was; a file that this route knows nothing of, as another
route or a kill between two steps leaves it (all write whole files only); what failed for good.
What may have passed (core.errors.TRANSIENT) is asked for again in each run.

    fetch      fetch_clips: a Found for each clip; the pauses, and when to stop asking
    ledger     what is known of the clips
    ytdlp      one video as a file, by yt-dlp as a program of its own
    messages   the reason that yt-dlp's messages tell of
    cut        the clip out of the whole video
    child      started for each video; loads nothing of this package
"""
