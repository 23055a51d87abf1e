"""Other tools' logs: one format a file in `logs/`, read as samples and paired by what they show of an example.

Nothing here knows a results folder: `harness.results.imported` writes what is read here as runs.
"""
