"""Parts of benchmarks/composite.py and benchmarks/encoders.py.

plan       which cases run, over how much
clips      self-made clips and their boxes
shard      the tables of a shard of them, and the room's jobs
worker     what a running worker does for a clip, and its floor
in_worker  the cases inside a running worker
routes     the programs from a source to its occluded clips that are compared
rival      the way that people write, a program of its own
processes  the cases of whole processes
check      whether what is compared is comparable
profile    where the CPU of a worker goes
measure    CPU, wall and memory
footage    what encoders are compared on
encoding   one way to encode a clip
pictures   copies of frames, and how alike two are
"""
