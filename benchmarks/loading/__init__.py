"""Parts of benchmarks/loader.py.

material   clips and the frames that are wanted of them: real clips, or self-made ones
readers    ours and its rivals, one function each
libraries  lets torchcodec run on the FFmpeg that PyAV brings along
turns      readers turn by turn over the same jobs, and what they cost
"""
