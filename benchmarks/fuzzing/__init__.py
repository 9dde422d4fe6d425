"""Coverage-guided fuzzing of whatever reads a user's file: see `benchmarks/fuzz.py`."""
