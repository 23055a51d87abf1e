"""One options class a command: its fields are the command's options and the Python function's arguments."""
