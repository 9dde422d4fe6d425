"""DRAM memory-controller design: parts, traces, engine, spaces."""
