"""kinetics: the clips of Kinetics-400, by one of three routes, and which of them are there.

Reads   the official lists (annotations); by kinetics.route the frozen archives, YouTube, or a
        mirror on disk
Writes  <out folder>/clips.parquet     a row per wanted clip, columns presence_table.PRESENCE
        <out folder>/classes.csv       split, class, listed, present, replaced, corrupt, missing
                                       (counts of clips), share (of those there, 0 to 1); what lacks
                                       most comes first
        <folder>/videos/<split>/<class>/<id>_<start>_<end>.mp4        (not for a mirror)
        <folder>/replacements/<split>/<class>/<id>_<start>_<end>.mp4  (archives: of the pack)

What is there is not fetched again; what failed for a reason that may pass is tried again. Clips
that are not there are rows with a reason, however many: see `presence_table`.

    clip            Clip, a row of the lists; Found, what a route found of it
    annotations     the lists, and which of their clips are wanted
    naming          which clip a file is, by its name
    archives, youtube, mirror   a route each: a Found for each wanted clip
    candidates      whether files are sound, and which of several is taken
    presence_table  the tables, the same for all routes
"""
