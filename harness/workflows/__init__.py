"""What each command does, once, for the command line and the Python API alike."""
