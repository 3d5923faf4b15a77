"""Read COCO: its photos, their instances, and the selection of those that a bank needs.

photo       Photo, Instance, and the mask of an instance
instances   the instances file, filtered by category while it is decoded
selection   checks of an instance by size and shape of its mask; the photos that a bank needs

The stage acquire fetches the selected photos, the stage occluders cuts instances out of them.
Neither the file nor its photos are trusted: a fault of the whole file raises UserError, a fault of
an instance or a photo raises ItemError with its reason.
"""
