"""predictions: what a model of another program says of clips, as a table like evaluate's.

Reads  predictions.dumps of --model: each a file of another program for one set (predictions.formats
       says which), the list that it read, its label map; of annotate/clips.parquet, if it is
       given, what is known of the clips.
Writes --out, Parquet, a row per clip (PREDICTIONS of recognition.prediction_table), all sets of
           the model; probabilities become their logarithm, so that the softmax of `logits` are they
       the same name with .json
           sets      as evaluate's: set, scale, n, top1, top5, Wilson intervals, one_clip_points
           skipped   [{set, file, reason}]: rows of zeros, which PySlowFast leaves for a clip that
                     it has not seen, and files that stand in a list twice
           files     [{set, file, rows, known}]: rows that it holds, and how many of them are clips
                     of this build

Rows and list go together by their order: their numbers must be equal, the labels that a dump holds
must be the list's, and the scores of a row as many as the labels. A clip is this build's if one of
the same set has its file's name (without suffix): then its measured occlusion is filled in, and its
label must be the build's. Without Snakemake:

    occludenet predictions --model I3D --out I3D.parquet --settings '{"predictions":
        {"dumps": [{"model": "I3D", "set": "D-25", "file": "i3d_25.pkl", "list": "test_25.csv",
                    "label_map": "k400.txt"}]}}'
"""
