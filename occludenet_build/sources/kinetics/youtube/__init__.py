"""Route youtube: download each YouTube video completely, and cut its clip.

One video at a time, with a pause after each; the clip is cut during the pause. Every clip of
Kinetics-400 has its own video, so no video is downloaded twice.

    <folder>/<split>/<class>/<id>_<start>_<end>.mp4   the clips
    <folder>/.youtube/store/    the ledger: a row per clip that was ever requested
    <folder>/.youtube/work/     the current video; removed at the end of the run or by the next run

Not requested again: a clip that this route made with the same id, times, height, crf and address,
if its file has its recorded size; a file without a row in the ledger, which another route or a
killed run left (files are always complete); a permanent failure. Transient failures
(core.errors.TRANSIENT) are requested again in each run.

    fetch      fetch_clips: a ClipResult for each clip; the cut, the pauses, and when to stop
    ledger     the ledger of clips
    access     JavaScript runtimes, plug-ins, proxy and tokens for yt-dlp
    ytdlp      download of one video by yt-dlp in a process of its own
    messages   reasons of the error messages of yt-dlp
    child      program that is started for each video; imports nothing of this package
"""
