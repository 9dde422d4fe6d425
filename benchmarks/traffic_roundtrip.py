"""Round trip of exports: true delay by the product and by the raw `sumo` binary, same seed.

    python benchmarks/traffic_roundtrip.py [--horizon 3600] [--seed 1] [SCENARIO ...]
        [--controllers NAME ...]

A scenario is a wheel network or ``generated`` (default: cologne8 and generated). Every controller
offered, or those named, is exported and run; the last line is the largest difference, to be at most
1e-9 s.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from trimtab.run.grants import make_controller
from trimtab.run.runner import evaluate
from trimtab_traffic.controllers import entries
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.runconfig import raw_true_delay_s
from trimtab_traffic.scenario import SignalsProblem
from trimtab_traffic.writers import export

TOLERANCE_S = 1e-9


def model(network: str, horizon_s: int) -> SignalsProblem:
    """Problem of a wheel network under `resco`, or of a generated one under `field`."""
    generated: dict[str, Any] = {"columns": 3, "rows": 3, "pedestrians_per_h": 300}
    source = {"generated": generated} if network == "generated" else {"wheel": network}
    profile = "field" if network == "generated" else "resco"
    return SignalsProblem.model_validate(
        {"network": source, "horizon_s": horizon_s, "rules": {"profile": profile}}
    )


def product_delay_s(problem: SignalsProblem, name: str, seed: int) -> float:
    """True delay as the product reports it."""
    entry = entries(problem)[name]
    with SignalControl(problem, entry.interface) as control:
        made = make_controller(control, entry, None, name)
        (record,) = evaluate(control, made, [seed], name=name, shield=control.shield)
    return record.metrics["true_delay_s"]


def main() -> int:
    """Print the table; exit code 1 if a difference is above the tolerance."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", default=["cologne8", "generated"])
    parser.add_argument("--horizon", type=int, default=3600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--controllers", nargs="*", help="those to export, all by default")
    arguments = parser.parse_args()
    worst = 0.0
    print(
        f"{'network':14} {'controller':14} {'product s':>18} {'raw sumo s':>18} {'diff s':>9} CPU"
    )
    for network in arguments.networks:
        problem = model(network, arguments.horizon)
        for name in arguments.controllers or entries(problem):
            started = time.process_time()
            product = product_delay_s(problem, name, arguments.seed)
            with tempfile.TemporaryDirectory() as folder:
                export(problem, name, {}, Path(folder) / "out", seed=arguments.seed)
                raw = raw_true_delay_s(Path(folder) / "out" / "run.sumocfg", arguments.seed)
            difference = abs(product - raw)
            worst = max(worst, difference)
            cpu_s = time.process_time() - started
            print(
                f"{network:14} {name:14} {product:18.12f} {raw:18.12f} {difference:9.1e} "
                f"{cpu_s:.1f}",
                flush=True,
            )
    print(f"largest difference {worst:.1e} s (tolerance {TOLERANCE_S:.0e} s)")
    return int(worst > TOLERANCE_S)


if __name__ == "__main__":
    raise SystemExit(main())
