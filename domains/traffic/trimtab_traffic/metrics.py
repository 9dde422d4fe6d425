"""What an episode of signals is judged by. A scenario is checked with this alone: no numpy here."""

from __future__ import annotations

from trimtab.contracts.spec import Metric

HEADLINE = Metric(
    "true_delay_s", "s", "min", "mean delay of all demand, never-inserted vehicles included"
)
TRIP_METRICS = (
    HEADLINE,
    Metric("resco_delay_s", "s", "min", "RESCO formula: mostly blind to never-inserted vehicles"),
    Metric("time_loss_s", "s", "min", "mean time lost while driving"),
    Metric("wait_s", "s", "min", "mean time standing"),
    Metric("max_wait_s", "s", "min", "longest time one vehicle stood"),
    Metric("stops", "1/veh", "min", "mean number of halts"),
    Metric("duration_s", "s", "min", "mean time in the network"),
    Metric("throughput_veh_h", "veh/h", "max", "arrivals per hour of horizon"),
    Metric("demand_veh", "veh", "max", "vehicles that wanted to travel in the horizon"),
    Metric("never_inserted_veh", "veh", "min", "demand that never entered the network"),
    Metric("los", "A=1..F=6", "min", "HCM level of service of the true delay"),
    Metric("bus_delay_s", "s", "min", "mean delay of buses"),
    Metric("emergency_delay_s", "s", "min", "mean delay of inserted emergency vehicles"),
    Metric("emergency_stops", "1/veh", "min", "mean number of halts of emergency vehicles"),
    Metric("pedestrian_delay_s", "s", "min", "mean time lost per person on foot"),
    Metric("co2_g", "g/veh", "min", "mean CO2 per inserted vehicle"),
    Metric("nox_g", "g/veh", "min", "mean NOx per inserted vehicle"),
    Metric("fuel_g", "g/veh", "min", "mean fuel per inserted vehicle"),
)
STUCK_S = 300.0
"""Standing time that counts as stuck, s: SUMO's own default for teleporting a vehicle."""
GRIDLOCK_VEH = 10
"""Vehicles stuck at the end of the horizon from which an episode is called gridlocked."""
STARVED_SHARE = 0.02
"""Share of the demand that may stay outside before an episode is called starved."""

EPISODE_METRICS = (
    Metric("queue_mean_m", "m", "min", "mean queue of an approach lane"),
    Metric("queue_p95_m", "m", "min", "95 % queue of the approach lane where it is longest"),
    Metric("teleports", "1", "min", "vehicles teleported by SUMO"),
    Metric("stuck_veh", "veh", "min", f"vehicles standing for {STUCK_S:g} s or more at the end"),
    Metric("gridlock", "0/1", "min", f"{GRIDLOCK_VEH} or more vehicles are stuck at the end"),
)
