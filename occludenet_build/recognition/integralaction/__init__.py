"""IntegralAction: RGB and poses of a clip, put together by a gate that the poses steer.

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

What learns in a mode has requires_grad. A stage rgb_pose starts with merge.load_merge.
As released: IntegralAction(..., dropout=0, frozen_statistics=False), of_view(..., swap="first").
"""
