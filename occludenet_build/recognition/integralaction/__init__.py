"""integralaction: IntegralAction, RGB and poses of a clip, mixed by a gate that the poses steer.

    occludenet integralaction train --mode rgb_only --clips annotate/clips.parquet
        --labels annotate/labels.json --poses poses --root BUILD --out integralaction/rgb_only-0.pt
    occludenet integralaction train --mode rgb_pose --starts rgb_only-0.pt pose_only-0.pt ...
    occludenet integralaction evaluate --model integralaction/rgb_pose-0.pt
        --clips annotate/clips.parquet --poses poses --root BUILD
        --out integralaction/rgb_pose-0.parquet
    occludenet integralaction evaluate --model snapshot_29.pth.tar --mode rgb_pose
        --labels kinetics.json ...
    occludenet integralaction summary --predictions integralaction/*-0.parquet
        --out integralaction/modes.csv

Reads   annotate/clips.parquet, annotate/labels.json and the clips in them, the poses of the stage
        poses, weights; evaluate with --mode and --labels: a checkpoint that says nothing about
        itself, such as a published one
Writes  <mode>-<seed>.pt       a network: {"epoch", "network", ...}, the published envelope
        <mode>-<seed>.csv      its loss curve: loss, ce, pull (of the gate), gate, without_poses,
                               top1
        store/<mode>-<seed>/   its checkpoint, from which it resumes, and TensorBoard's board
        <mode>-<seed>.parquet  predictions as those of evaluate, with poses found on the shown clip
        <mode>-<seed>.clean.parquet   the same with poses found on the clean twin
                               pose_only and rgb_pose; without the lists
        <mode>-<seed>.gates.parquet   the gate, the number of persons and why there are none, by
                               clip and source
        <mode>-<seed>.json     accuracies by set, and what was left out
        modes.csv, gate.csv    tables over all networks (gates.py has their columns)
        tables.json            both as texts, for the page

A clip without poses is a clip with nobody in its pictures of poses: it has a row, and `found` is 0.
A clip that is too short for a view, or that cannot be read, has none; the .json names it.

Moon, Kwon, Lee and Cho, "IntegralAction: Pose-driven Feature Integration for Robust Human Action
Recognition in Videos", CVPR Workshops 2021 (arXiv 2007.06317). Its code has no licence: nothing
here was written from it, but from the paper and from stated facts (names and shapes of parameters,
figures, formats, outputs on made-up inputs).

    network.py       the network in three modes: rgb_only, pose_only, rgb_pose
    shift.py         its backbones: torchvision's ResNets with a temporal shift
    losses.py        cross entropy, and the pull of the gate towards the poses
    merge.py         official checkpoints, ImageNet start, the merge of rgb_only and pose_only
    render.py        joints -> heat maps and part affinity fields, on the device of the network
    views.py         which frames, which part of the picture, mirrored or not; the warped video
    joints.py        poses of a clip -> joints of a view, in cells of the maps
    poses_in.py      poses of kinetics-skeleton, Mimetics and the stage poses in one form
    pose_sources.py  which of them belong to a clip
    clips.py         data sets; learner.py, training.py: the training
    evaluation.py    answers of a network; evaluated.py: the tables of one evaluation
    gates.py         what the gate does under occlusion, and top-1 by mode; page_tables.py: as texts

From files to logits: N clips of T frames, F = (T - 1) factor + 1 frames with poses, P persons.

    sampling = views.Sampling(frames=8, interval=8, factor=1)
    view = views.drawn_view(random.Random(seed), count, (height, width), sampling)   # in training
    view = views.central_views(count, (height, width), sampling, number=10)[3]       # in tests
    video = views.warped(frames, view)            # of view.frames: uint8 (T, 224, 224, 3)
    persons = poses_in.from_build(manifest, clip, "D-50", (height, width))
    one = joints.of_view(persons, view)          # .places (F, P, 18, 2), .scores (F, P, 18)
    maps = render.pictures(places, scores, side=sampling.cells)  # float32 (N, 52, F, 56, 56)
    network = IntegralAction(classes, "rgb_pose", frame_factor=sampling.factor)
    logits, gate = network(views.as_input(video), maps)
    terms = losses.loss_terms(logits, labels, gate, gate_weight=1.5)

What learns in a mode has requires_grad. rgb_pose starts with merge.load_merge.
As released: IntegralAction(..., dropout=0, frozen_statistics=False), of_view(..., swap="first").
"""
