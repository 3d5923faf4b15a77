"""paper: the paper's tables and figures from the numbers of this build, with the printed numbers.

    occludenet paper --root build
        Make all items whose inputs exist.
    occludenet paper --root build --only table_2 figure_4a
        Make these; an item that cannot be made ends the command with exit status 2.

Reads   evaluate/<arm>-<seed>.parquet, evaluate/<set>/<arm>-<seed>.parquet (S, I, M),
        predictions/*.parquet, the same of predictions.builds
        annotate/clips.parquet, segments/clips.parquet, recordings/clips.parquet,
        measure/<set>/clips.parquet, occluders/occluders.parquet (Table 1)
        select/clips.parquet, evaluate/<arm>-<seed>.json  (clips that are missing in a set)
        and for pictures the clips, annotate/frames/ and attention/
Writes  paper/<table>.csv, .md, .tex   printed and measured numbers in separate blocks; the CSV has
                                       a row per number (columns: paper.table.CELL), that of
                                       Table 1 a row per dataset
        paper/<figure>.svg, .png, .csv
        paper/items.csv                name, status (made, missing), reason; only without --only

Accuracies are of the clips that all models saw (paper.common), with N, number of groups, Wilson
interval, bootstrap interval by group, and mean and standard deviation over seeds. All values of the
paper come from published/. A missing value of this build is "-".
"""
