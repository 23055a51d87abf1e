"""What is on disk: run folders, pins, trials, the DuckDB index, remote copies. Only this room knows the
layout."""
