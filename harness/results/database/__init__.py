"""The DuckDB index over `results/runs`: schema, ingest, queries. Files are the truth.

from harness.results.database.store import Store
from harness.results.database.ingest import ingest_run, rebuild, sync
from harness.results.database import queries
"""
