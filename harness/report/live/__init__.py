"""The live page: the report of a command while it is at work, on this machine alone."""
