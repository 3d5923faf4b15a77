"""evaluate: what a trained network says about every clip of a split, and of listed sets.

Reads  annotate/clips.parquet, the clips in it, a network written by train, the lists of
       evaluate.lists. How many frames the network sees and how large is its own matter and comes
       from its checkpoint. With evaluate.counterfactuals also the clips without their actor, from
       files or, where counterfactual.files is false, by the masks in annotate/frames.
Writes --out, Parquet, a row per clip, each clip once (recognition.prediction_table: PREDICTIONS)
       the same name with .json
           sets      [{set, scale, n, top1, top5, top1_low, top1_high, top5_low, top5_high,
                     one_clip_points}]: percent of the n clips that could be read, their Wilson
                     intervals (95 %), and how many points one clip is
           skipped   [{set, file, reason}]: clips, and counterfactuals, that could not be read;
                     lines of a list whose file is missing, or linked to one that comes first
           split, average, views, crops, backbone, arm, seed
       the same name with .effect.csv, the causal effect of Eq. 1 (evaluate.effect: COLUMNS); only
           a header unless evaluate.counterfactuals is true

A clip is seen in evaluate.views even samplings in time and evaluate.crops crops; softmax or
logits of these are averaged; its counterfactual is seen in the same frames and crops. Labels are
compared by name: a label that the network does not know stops the room. A clip that cannot be
read has no row and none takes its place.
"""
