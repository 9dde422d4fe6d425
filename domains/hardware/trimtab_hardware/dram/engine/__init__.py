"""The compiled simulator: event kernel, front end, banks, bus, refresh, controller pass."""
