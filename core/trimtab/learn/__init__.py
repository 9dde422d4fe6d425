"""Learning algorithms on torch; one algorithm, one file."""
