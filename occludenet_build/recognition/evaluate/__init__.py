"""evaluate: predictions of a trained network for every clip of a split and of listed sets.

Reads  annotate/clips.parquet, the clips in it, a network written by train, and the lists of
       evaluate.lists. The number and size of the frames come from the network's checkpoint. With
       evaluate.counterfactuals also the clips without their actor: their files, or, where
       counterfactual.files is false, the masks in annotate/frames.
Writes --out, Parquet, one row per clip (recognition.prediction_table: PREDICTIONS)
       the same name with .json
           sets      [{set, scale, n, groups, top1, top5, top1_low, top1_high, top5_low, top5_high,
                     one_clip_points}]: percent of the n clips that could be read, their Wilson
                     intervals (95 %), and the percentage points that one clip is worth; where the
                     clips are of fewer groups (recognition.groups) also the bootstrap intervals
                     that draw groups, top1_group_low, top1_group_high, ...
           tde       with evaluate.counterfactuals, by set and weight of evaluate.tde: top-1 of
                     argmax(p - lambda c), its intervals, and the gain over the plain top-1
                     (evaluate.tde: tde_by_set)
           skipped   [{set, file, reason}]: clips and counterfactuals that could not be read, and
                     lines of a list whose file is missing or is the same file as an earlier line
           split, average, views, crops, backbone, arm, seed
       the same name with .effect.csv, the causal effect of Eq. 1 (evaluate.effect:
           EFFECT_COLUMNS); only a header unless evaluate.counterfactuals is true

The network sees evaluate.views evenly spaced samplings in time of a clip, each in evaluate.crops
crops, and averages their softmax or logits. A counterfactual is seen in the same frames and crops.
Labels are compared by name: a label that the network does not know stops the stage. A clip that
cannot be read has no row, and no other clip replaces it. A logit that is not finite stops the
stage with the clip.
"""
