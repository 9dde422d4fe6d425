"""The batch front door: one file per command family."""
