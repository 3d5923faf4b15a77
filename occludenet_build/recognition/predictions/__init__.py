"""predictions: the predictions of another program as a table like that of evaluate.

Reads  predictions.dumps of --model: for each set a file of another program (predictions.formats
       lists the formats), the list of clips that the program read, and its label map; and, if
       given, annotate/clips.parquet for the measured occlusion of the clips.
Writes --out, Parquet, a row per clip (PREDICTIONS of recognition.prediction_table), all sets of
           the model; of probabilities `logits` holds the logarithm, so their softmax gives the
           probabilities
       the same name with .json
           sets      as in evaluate: set, scale, n, top1, top5, Wilson intervals, one_clip_points
           skipped   [{set, file, reason}]: rows of zeros, which PySlowFast leaves for a clip that
                     it has not seen, and files that a list names twice
           files     [{set, file, rows, known}]: number of rows, and how many of them are clips of
                     this build
           answers   of answers (.jsonl) only: [{set, file, questions, answered, missing, unparsed,
                     chance, letters, right_letters, right_at, unparsed_examples}], see
                     docs/video_llm.md; such models have no top-5, and null `predicted` and
                     `logits` where an answer names no option

Rows are matched with the lines of the list by their order: there must be as many rows as lines, the
labels in the dump must be those of the list, and each row must have one score per label. A clip
belongs to this build if a clip of the same set has the same file name (without suffix): then its
measured occlusion is filled in, and its label must be the build's. Without Snakemake:

    occludenet predictions --model I3D --out I3D.parquet --settings '{"predictions":
        {"dumps": [{"model": "I3D", "set": "D-25", "file": "i3d_25.pkl", "list": "test_25.csv",
                    "label_map": "k400.txt"}]}}'
"""
