"""Turns the files engineers have into the network, demand and programs that SUMO runs."""
