"""Hardware plug-in: memory controllers and cache hierarchies."""
