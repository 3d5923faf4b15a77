"""Modules that the benchmarks share: a folder per benchmark script, and `measure`."""
