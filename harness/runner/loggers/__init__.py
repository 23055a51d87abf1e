"""Experiment trackers, one file each; off unless `--log-to NAME` asks for one.

The run folders stay the truth: a tracker is fed from the same events as the progress on the
terminal, and a tracker that fails is reported once and left alone, never the run with it.
"""
