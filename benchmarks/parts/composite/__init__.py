"""Modules of benchmarks/composite.py, encoders.py and instructions.py.

cases            which cases run, on how many clips and frames
synthetic_clips  drawn source clips with boxes and masks
shard_tables     the input tables of a shard of these clips
floor            composite for one clip, and the same-content floor it is compared with
worker_cases     measurements inside a running worker
commands         the compared commands: the stage, plain ffmpeg, OpenCV, ffmpeg's overlay filter
opencv_rival     the OpenCV implementation, a program of its own
process_cases    measurements of whole processes
check            checks that compared outputs have the same content
profile          share of each part in the CPU time of a worker
footage          decoded clips for the comparison of encoder settings
encoding         encodes a clip with one setting: CPU time, bytes, SSIM
frames           copies of frames, and SSIM
"""
