"""paper: the paper's tables and figures from this build's numbers, the printed ones beside them.

    occludenet paper --root build
        Everything that can be made from what is there.
    occludenet paper --root build --only table_2 figure_4a
        These; what cannot be made ends with one line and exit status 2.

Reads   evaluate/<arm>-<seed>.parquet, predictions/*.parquet, the same of predictions.builds
        annotate/clips.parquet, segments/clips.parquet, occluders/occluders.parquet (Table 1)
        select/clips.parquet, evaluate/<arm>-<seed>.json  what of a set is missing
        and for pictures the clips, annotate/frames/ and attention/
Writes  paper/<table>.csv, .md, .tex   printed and measured numbers in separate blocks; the CSV has
                                       a row per number (columns: accuracy_cells.CELL), that of
                                       Table 1 a row per dataset
        paper/<figure>.svg, .png, .csv
        paper/items.csv                name, status (made, missing), reason; only without --only

Accuracies are of the clips that all models were shown (paper.common), with N, Wilson interval, mean
and standard deviation over seeds. The paper's values come from published/ and from nowhere else;
where ours are missing stands "-".
"""
