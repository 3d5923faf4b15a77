"""Modules of benchmarks/detect.py.

inputs      clips, weights and pictures: real ones, or drawn ones
stage_run   runs detect on a shard of clips, and measures its parts
bare_model  the bare model on the same batches, and decoding alone
strides     cost and box error with every k-th frame
engine      the stage by another engine: rate, actors, accuracy
accuracy    average precision on COCO's pictures, and people found in the clips
gpu         GPU utilisation
"""
