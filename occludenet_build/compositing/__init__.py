"""Pasting occluders and erasing actors in a clip's own planes.

Where things stand, before any pixel is decoded
    geometry    a rectangle from a box, and what a scale means
    smooth      the actor's boxes without the detector's jitter
    motion      paths that do not follow the actor
    window      when in a clip the occluder is there
    several     where further occluders stand
    placement   all of it together: rectangles by frame and scale
    target      the size that hides a given share of the actor
    runs        stretches that outputs have in common
Pixels
    cutout      an occluder in the clip's colours, at any size
    layers      several patches as one
    canvas      one frame whose pixels may be changed
    erase       what stands where the actor was
    ahead       patches and ground truth of the next frames
    truth       the ground-truth rows of a clip
One clip
    jobs        from tables to jobs
    clip_job    what is asked, what is answered
    render      from the source to all outputs
"""
