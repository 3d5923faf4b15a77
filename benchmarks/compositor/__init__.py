"""Parts of benchmarks/composite.py.

measure   CPU and wall of a command or a function
clips     self-made clips, their boxes, and the tables of a shard
routes    the ways from a source to its occluded clips that are compared
rival     the way that people write, a program of its own
"""
