"""acquire: the inputs of a build: your own folders, and what is fetched for you.

    acquire videos   -> videos.parquet        a row per file under acquire.videos
    acquire coco     -> coco.json             the paths of the COCO images and instances, and hashes
                        coco_images.parquet   if images are fetched: a row for each that is wanted
    acquire archives -> archives.json         what came out of the archives of segments.archives
    acquire weights  -> weights/<stage>.json  a weights file with its hash

A videos folder has one of three layouts: `<split>/<class>/<video>` (as Kinetics tools write it),
`<class>/<video>`, or videos alone (one class). Where no folder names the split, it follows from a
hash of the clip's name; two cuts of one YouTube video fall into the same split. Files whose name
begins with a dot are skipped. With --kinetics the videos are the clips of that table.

COCO's instances are a JSON file or a zip that holds it, a file or an address. Its images are a
folder, or fetched: those that the bank needs by the settings of occluders, and no others. What is
fetched goes into --folder, by default coco/ beside --out; the modules `coco` and `coco_images`
document what lies there.

Weights (--stage STAGE, whose settings name them; or --source) are a file or an http(s) address.
What an address brings is fetched once, into the folder of --out, and recorded beside it with its
hash. From then on a different hash stops the build: of the file, of what the address brings, or in
the settings. With download.offline, or --offline, no connection is opened.
"""
