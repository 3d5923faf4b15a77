"""Pasting occluders and erasing actors in a clip's own planes, for the rooms that write clips.

geometry   where the occluder stands, from the actor's box
cutout     the occluder in the clip's colours, at any size
canvas     one frame whose pixels may be changed
erase      what stands where the actor was
ahead      patches and ground truth of the next frames
truth      the ground-truth rows of a clip
render     one clip from the source to all its outputs
"""
