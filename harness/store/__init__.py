"""The DuckDB index over `results/runs`: schema, ingest, queries. Files are the truth.

from harness.store.store import Store
from harness.store.ingest import ingest_run, rebuild, sync
from harness.store import queries
"""
