"""Hostile input: tasks, models, servers, answers and results of strangers. Every input here is harmless itself; limits are set low."""
