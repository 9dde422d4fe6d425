"""Hardware plug-in: design of memory controllers."""
