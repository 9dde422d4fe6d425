"""Traffic plug-in: signal control on SUMO networks."""
