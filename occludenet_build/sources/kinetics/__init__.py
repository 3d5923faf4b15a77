"""kinetics: fetch or find the clips of Kinetics-400, and list which of them are present.

Reads   the official lists (annotations); by kinetics.route the frozen archives, YouTube, or a
        mirror on disk
Writes  <out folder>/clips.parquet     a row per selected clip, schema command.PRESENCE
        <out folder>/classes.csv       split, class, listed, present, replaced, corrupt, missing
                                       (numbers of clips), share (of present clips, 0 to 1); sorted
                                       by the number of missing clips, descending
        <folder>/videos/<split>/<class>/<id>_<start>_<end>.mp4        (not for a mirror)
        <folder>/replacements/<split>/<class>/<id>_<start>_<end>.mp4  (archives: of the pack)

Clips on disk are not fetched again; clips that failed for a transient reason are tried again by the
next start of the workflow, and what a mirror lacks is looked for again once its folders have
changed. Missing clips are rows with a reason, however many: see `command`.

    clip            KineticsClip, a row of the lists; ClipResult, its result; clips by file name
    annotations     the lists, and the selection of clips
    archives, youtube, mirror   one route each: a ClipResult for each selected clip
    mirror_state    whether the folders of a mirror have changed
    candidates      checks of files, and the choice among several files of a clip
    command         command line and tables, the same for all routes
"""
