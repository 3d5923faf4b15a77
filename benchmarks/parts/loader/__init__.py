"""Modules of benchmarks/loader.py.

inputs            clips and frame numbers to read: real clips, or drawn ones
readers           our reader and its rivals, one function each
ffmpeg_libraries  makes torchcodec use the FFmpeg libraries that PyAV ships
timing            interleaved measurements of the readers
"""
