"""Several microgrids with tie lines: one agent and one shield per island."""
