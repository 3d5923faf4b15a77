"""Modules of benchmarks/gpu.py.

table      the results in Markdown
task       one measurement: its limits, its clock, its notes
machine    what the machine is: GPUs, versions, missing packages
clips      clips and weights: given ones, or drawn and random ones
detection  detect against its bare model, and decoding alone
masking    the masker SAM, by size of its network
training   training steps with and without CAR, and the loop that reads clips
sharing    two processes of one training
memory     what the stages do where a batch does not fit
"""
