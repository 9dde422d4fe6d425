"""Cache-hierarchy design: sizes, ways, line, replacement and inclusion on reference streams."""
