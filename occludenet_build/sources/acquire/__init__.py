"""acquire: list the inputs of a build, and download those that are addresses.

    acquire videos   -> videos.parquet        a row per file under acquire.videos
    acquire coco     -> coco.json             the paths of the COCO images and instances, and hashes
                        coco_images.parquet   if images are fetched: a row per needed image
    acquire archives -> archives.json         the videos in the archives of segments.archives
    acquire weights  -> weights/<stage>.json  a weights file with its hash
    acquire engine   -> engines/<stage>.json  its library and export (core.engines)
    acquire release  -> <split>_d.csv         OccludeNet-D's annotations (select.published)
    videos, archives -> ucf_crime*.csv        of UCF-Crime: which of its videos are there

A videos folder has one of three layouts: `<split>/<class>/<video>` (as Kinetics tools write it),
`<class>/<video>`, or videos alone (one class). Where no folder names the split, it follows from a
hash of the clip's name; two cuts of one YouTube video fall into the same split. Files whose name
begins with a dot are skipped. Links to folders are followed. With --kinetics the videos are the
clips of that table.

A row that is failed here is so by what the listing itself saw, and index does not look at it:
misplaced, not_utf8 (a name that no table can hold), missing (a link that leads nowhere, as those of
git-annex and DVC may), no_permission and unreachable (a folder that cannot be listed, a file whose
folder cannot be entered). The next start lists anew. A file that is ok here and missing in index
was there before: an outage.

COCO's instances are a JSON file or a zip that contains it, as a local file or an address. Its
images are a local folder, or fetched: only those that the bank needs by the settings of occluders.
Downloads go into --folder, by default coco/ beside --out; the modules `coco` and `coco_images`
document the files there.

Weights (--stage STAGE, whose settings name them; or --source) are a file or an http(s) address. An
address is fetched once, into the folder of --out, and recorded beside it with its hash. From then
on a different hash, of the file, of a new download or in the settings, stops the build. With
download.offline, or --offline, no connection is opened.
"""
