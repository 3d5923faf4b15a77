"""moc: train MOC and STADO, and measure what they detect and where their attention is.

    occludenet moc train --network stado --trained-on occluded --seed 0 --root BUILD
        --out moc/stado-occluded-0.pt
    occludenet moc evaluate --model moc/stado-occluded-0.pt --root BUILD
        --out moc/stado-occluded-0.tubes.parquet
    occludenet moc summary --tables moc --out moc/ap.csv

Reads   a build: annotate/clips.parquet and annotate/labels.json, annotate/frames, the stores of
        detect and actor_masks, measure/<set> for S, I, M, occluders/occluders.parquet for static
        occluders, the clips; or moc.truth, a *-GT.pkl with its folder of frames; weights
Writes  <name> = <network>-<trained on>-<seed>
        <name>.pt        a network: {"epoch", "best", "state_dict", ...}, the published envelope
        <name>.csv       its loss curve: loss, hm, mov, wh, mask
        store/<name>/    its checkpoint, from which it resumes, the best network so far if
                         moc.choice wants it, and TensorBoard's board
        <name>.tubes.parquet       the tubes found in all test videos (evaluation.TUBES)
        <name>.attention.parquet   shares of the attention by video (evaluation.ATTENTION); no row
                                   without attention, or without masks of actors
        <name>.json      AP by set with intervals, and what was left out with its reason
        ap.csv, attention.csv, ap.md   all networks (results.py has the columns)

A clip of K frames is read from its video file, or from a folder of pictures. A video that cannot be
read is skipped: training goes on without it, the .json of an evaluation names it.

    sets.py        videos with tubes of the sets that the settings name
    clips.py       training clips: K frames and their targets
    learner.py     a step; which epoch is kept
    training.py    a training, its checkpoint
    detecting.py   from a network and videos to tubelets and attention
    evaluation.py  from these to AP and shares of the attention
    results.py     tables over all networks
"""
