"""Parts of benchmarks/detect.py.

material   clips, weights and pictures: the real ones, or drawn ones
room       the room's command over a shard of clips, and what its time goes into
floor      the bare model over the same batches, and decoding alone
strides    cost and box error of every k-th frame
accuracy   average precision on COCO's pictures, people in the clips
gpu        how busy a GPU is
"""
