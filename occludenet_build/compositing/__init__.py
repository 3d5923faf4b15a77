"""The compositor: pastes occluders and erases actors, in a clip's own planes.

Where occluders stand, before any pixel is decoded
    placement       all of it together: rectangles by frame and scale; further occluders, the time
                    window
    geometry        the rectangle of an occluder on a box, and what a scale means
    box_smoothing   the actor's boxes without the detector's jitter
    motion          paths that do not follow the actor
    target          the size that hides a given share of the actor
    segments        stretches of the clip that several outputs have in common
Pixels
    patches         an occluder in the clip's colours, at any size; several as one
    patch_prefetch  the patches and ground truth of the next frames
    frame_buffer    one frame whose pixels may be changed
    erasing         counterfactuals: the actor's pixels replaced, do(A = a)
    erasing_fills   what stands in the hole, by name
    ground_truth    the ground-truth rows of a clip
One clip
    jobs            what is asked for, made from the tables of a shard
    render          from the source to all outputs
"""
