"""The live page: the report of a command while it runs, on this machine only."""
