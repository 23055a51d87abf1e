"""Experiment trackers, one file each; off unless `--log-to NAME` asks for one.

The run folders stay the source of truth: a tracker gets the same events as the progress display, and a tracker
that fails is reported once and dropped without affecting the run.
"""
