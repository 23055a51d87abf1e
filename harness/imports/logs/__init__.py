"""One log format a file; a file is found by being there, a plugin by its entry point."""
