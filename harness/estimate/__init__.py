"""What something will take, before it is done: memory, parameters, time."""
