"""Metrics that every episode of the grid domain reports; `episode_metrics` computes them."""

from __future__ import annotations

from trimtab.contracts.spec import Metric

HEADLINE = Metric(
    "cost_l", "L", "min", "fuel + starts + 0.01 L/kWh throughput + 3 L/kWh unserved + terminal"
)
METRICS = (
    HEADLINE,
    Metric("fuel_l", "L", "min", "fuel of turning units"),
    Metric("start_l", "L", "min", "fuel of starts"),
    Metric("terminal_l", "L", "min", "owed for a battery emptier than at the start"),
    Metric("exchange_l", "L", "min", "bought less sold energy, at the price of fuel"),
    Metric("genset_h", "h", "min", "hours that units turned"),
    Metric("genset_kwh", "kWh", "min"),
    Metric("starts", "1", "min"),
    Metric("curtailed_pct", "%", "min", "of available wind and PV"),
    Metric("unserved_kwh", "kWh", "min"),
    Metric("ufls_kwh", "kWh", "min", "of unserved: shed by under-frequency relays"),
    Metric("ufls_events", "1", "min", "stages of under-frequency relays that acted"),
    Metric("surplus_kwh", "kWh", "min", "generation that nothing could take"),
    Metric("dumped_kwh", "kWh", "min"),
    Metric("throughput_kwh", "kWh", "min", "of the battery, both ways, grid side"),
    Metric("efc", "1", "min", "equivalent full cycles"),
    Metric("capacity_loss_pct", "%", "min", "of a new battery, Xu et al. 2018"),
    Metric("co2_kg", "kg", "min"),
    Metric("lcoe", "1/kWh", "min", "running cost per served kWh, in the fuel's currency"),
    Metric("interventions", "1", "min"),
    Metric("intervention_kw", "kW", "min", "mean move of the setpoint per intervention"),
    Metric("reserve_short_min", "min", "min"),
    Metric(
        "lowest_hz",
        "Hz",
        "max",
        "by droop; changes of load and weather count in steps up to 1 min",
    ),
    Metric(
        "steepest_hz_s",
        "Hz/s",
        "min",
        "largest first rate of change, same events",
    ),
    Metric("cvar95_daily_l", "L", "min", "mean of the worst 5 % of days' fuel"),
    Metric("end_soc", "1", "max"),
    Metric("degraded_min", "min", "min", "time outside the shield's promise"),
    Metric("alarms", "1", "min"),
    Metric("trips", "1", "min"),
    Metric("mean_power_min", "min", "min", "time the mean-power rule was relaxed"),
    Metric("overload_relaxed_min", "min", "min", "overload beyond its time"),
    Metric("soc_relaxed_min", "min", "min", "charge used beyond its reserve window"),
    Metric("min_load_min", "min", "min", "units below their least load"),
    Metric("v_min_pu", "pu", "max", "lowest voltage of the network; 1 where none is given"),
    Metric("v_max_pu", "pu", "min", "highest voltage of the network; 1 where none is given"),
    Metric("loading_max_pct", "%", "min", "largest load of a line or transformer"),
    Metric("losses_kwh", "kWh", "min", "of the network, carried by its slack"),
    Metric("network_out_min", "min", "min", "time with a voltage or load outside its limits"),
    Metric("overhaul_share_pct", "%", "min", "of the time to overhaul, most worn unit"),
)
