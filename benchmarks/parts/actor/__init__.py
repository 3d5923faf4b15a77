"""Modules of benchmarks/actor.py.

detections  the person boxes of a clip, from the model or from a cache
truth       boxes of the actor in some frames, written by hand, and what is compared with them
truth.csv   these boxes: sha256 of the clip, its name, frame, x1 y1 x2 y2 in pixels. Read off a grid
            over the frame, without any detection in it, to about 10 pixels
"""
