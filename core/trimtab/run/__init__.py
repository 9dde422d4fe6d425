"""Runs: batched rollouts, external simulators, scenario files, jobs and their store."""
