"""Grid plug-in: remote microgrids of gensets, battery, wind and PV behind a proven shield."""
