"""Trimtab: turn big systems with small, proven controllers."""

__version__ = "0.1.0"
