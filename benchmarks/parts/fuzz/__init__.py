"""Parts of benchmarks/fuzz.py, which tests/faults/test_fuzz.py shares."""
