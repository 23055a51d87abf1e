"""Hyperparameter search with Optuna: trials are runs on dev, and test is sealed until the end."""
