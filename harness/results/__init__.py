"""What is on disk: run folders, pins, trials, the DuckDB index, remote copies. The only room that knows."""
