"""sheets: contact sheets of the clips of a build, to look at.

Reads the tables and videos of BUILD, as far as they are there: detect alone will do. Writes a JPEG
per clip, DIR/<clip>.jpg, whose rows show the same frames:

    boxes           the source with everybody's box and track number; the actor's box is thick, and
                    orange where it is filled in
    mask            the source with the outline of the actor's mask
    25%, 50%, ...   the occluded clips, with the outline of the occluder where there is ground truth
    counterfactual  the clip without its actor, at the middle scale

Above them are the numbers of the frames and, of a clip with cuts, of their shots. What a build has
not made is no row; a file that does not read is a row that says so. A sheet that exists is written
anew. Nothing is drawn by chance, and nothing in BUILD is changed.
"""
