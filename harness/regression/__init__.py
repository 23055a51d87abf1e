"""Regressions: pins, the gate, what changed, the noise floor, upgrades and history.

Works on the files of run folders and on committed pins; nothing here opens DuckDB.
"""
