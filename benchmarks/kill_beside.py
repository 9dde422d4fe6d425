"""What one SIGKILL does to others: ProcessPoolExecutor, Ray tasks and Optuna on SQLite.

    python benchmarks/kill_beside.py [--jobs 20]

Each runs the same short jobs on two workers; one worker (for Optuna: one of two optimizing
processes) is killed after the third job. Printed: jobs that came to their end, jobs that were lost
or left as if they were running. `kill_storm.py` does the same to Trimtab, 200 times.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

JOB_S = 0.3
_OPTUNA = """
import sys, time, optuna
optuna.logging.set_verbosity(optuna.logging.ERROR)
study = optuna.load_study(study_name="s", storage=sys.argv[1])
def objective(trial):
    time.sleep(float(sys.argv[2]))
    return trial.suggest_float("x", 0, 1)
study.optimize(objective, n_trials=int(sys.argv[3]))
"""


def job(number: int) -> int:
    """Takes `JOB_S` and tells its process."""
    time.sleep(JOB_S)
    return os.getpid()


def pool(jobs: int) -> str:
    """Jobs on a ProcessPoolExecutor, one of whose processes dies."""
    with ProcessPoolExecutor(2) as executor:
        futures = [executor.submit(job, i) for i in range(jobs)]
        victim = futures[2].result()
        os.kill(victim, signal.SIGKILL)
        broken = sum(isinstance(f.exception(), BrokenProcessPool) for f in futures)
    return f"{jobs - broken} of {jobs} done, {broken} lost with BrokenProcessPool"


def ray_tasks(jobs: int) -> str:
    """Ray tasks, one of whose workers dies: Ray tries those again."""
    import ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    remote = ray.remote(job)
    futures = [remote.remote(i) for i in range(jobs)]
    os.kill(ray.get(futures[2]), signal.SIGKILL)
    done = len(ray.get(futures))
    ray.shutdown()
    return f"{done} of {jobs} done while the driver lives; a dead driver takes them along"


def optuna_trials(jobs: int) -> str:
    """Two processes on one study; one dies in the middle of a trial."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        storage = f"sqlite:///{Path(folder) / 'study.db'}"
        study = optuna.create_study(study_name="s", storage=storage)
        words = [sys.executable, "-c", _OPTUNA, storage, str(JOB_S), str(jobs // 2)]
        first, second = subprocess.Popen(words), subprocess.Popen(words)
        while sum(t.state.is_finished() for t in study.trials) < 3:  # noqa: PLR2004
            time.sleep(JOB_S / 3)
        first.kill()
        first.wait()
        second.wait()
        states = Counter(trial.state.name for trial in study.trials)
    return f"{states['COMPLETE']} of {jobs} done, {states['RUNNING']} left RUNNING for ever"


def main() -> None:
    """Kill and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=20)
    given = parser.parse_args()
    for name, play in (("pool", pool), ("Optuna", optuna_trials), ("Ray", ray_tasks)):
        print(f"{name:8} {play(given.jobs)}", flush=True)


if __name__ == "__main__":
    main()
