"""Occlusion: chooses occluders and clips, pastes occluders, and makes counterfactuals.

Stages
    occluders             cut-outs of COCO objects
    select                which clips are occluded, and by which cut-out
    leaks                 clips of one split that are also in another split or dataset
    composite             occluded clips, clean twins and counterfactuals
    residual_actor        is the actor still detected in the counterfactuals?
Where an occluder is placed: before any pixel is decoded
    placement             rectangles by frame and scale, further occluders, the time window
    geometry              rectangle of an occluder on a box; smoothing of the actor's boxes
    motion                paths that do not follow the actor
    target_size           the size that hides a given share of the actor
How pixels change: in the clip's own planes
    patches               an occluder in the clip's colours, at any size; several merged into one
    frame_buffer          a frame that patches are pasted on
    counterfactual        the actor erased, do(A = a)
    counterfactual_fills  how the erased pixels are filled
    ground_truth          the ground-truth rows of a clip
One clip
    jobs                  the outputs to make, from the tables of a shard
    render                from the source to all outputs
    clip_results          the rows of composite about a clip
For other programs
    transform             occluders on frames that another program decoded (docs/transform.md)
"""
