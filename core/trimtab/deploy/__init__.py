"""Policies out of Python: dependency-free inference and exported weights."""
