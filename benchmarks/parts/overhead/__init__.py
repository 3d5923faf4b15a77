"""Modules of benchmarks/overhead.py.

jobs     shards of drawn clips with their input tables, and the command of composite for each
"""
