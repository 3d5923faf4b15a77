"""export: the dataset in the formats of other programs, each in a folder of its own.

    occludenet export --format mmaction2 --root build --out build/export/mmaction2/export.json

Reads   annotate/clips.parquet, annotate/labels.json, annotate/frames/, select/clips.parquet, the
        stores of detect and actor_masks, and the clips
Writes  export/<format>/             what the format's module documents
        export/<format>/names.csv    exported name, clip, set, split, class, file in the build
        export/<format>/export.json  settings, label map and its sha256, counts; written last

A format is a module of this package with a function `write(job)`, and a row of
config.export.FORMATS.
"""
