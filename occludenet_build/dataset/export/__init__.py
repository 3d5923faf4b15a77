"""export: the dataset in the formats of other programs, each in a folder of its own.

    occludenet export --format mmaction2 --root build --out build/export/mmaction2/export.json

Works on any finished build, without Snakemake. A second run changes nothing; an interrupted one is
finished by the next. What an earlier export has left in its folder and this one does not write is
removed.

Reads   annotate/clips.parquet, annotate/labels.json, annotate/frames/, select/clips.parquet, the
        stores of detect and actor_masks, occluders/occluders.parquet, and the clips; of S, I and M
        measure/<set>/, the tables of segments and recordings, and the clips; for integralaction
        the store of poses, if it is there
Writes  export/<format>/              what the format's module documents
        export/<format>/names.csv     exported name, clip, set, split, class, file in the build
        export/<format>/problems.csv  the clips that were left out, with reason and detail
        export/<format>/licences.csv  the photos of the occluders, with their licences
        export/<format>/export.json   settings, label map and its sha256, counts; written last

Clips whose file is away, or differs from the one that was annotated, are rows of problems.csv.
Label ids are those of annotate/labels.json, or of export.label_maps. S, I and M have ids of their
own in lists of one set; formats that hold all sets in one file number the classes of all sets
(dataset.export.labels).

A format is a module of this package with a function `write(job)`, which returns counts, and a row
of config.export.FORMATS.
"""
