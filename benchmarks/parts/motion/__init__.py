"""Modules of benchmarks/motion.py.

people   where a detector with weights sees people in the clips
pieces   parts of clips, changed: mirrored, faster, cropped, shaken, darker
"""
