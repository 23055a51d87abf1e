-- Which tool's log a run was read from; null for a run of our own.

ALTER TABLE runs ADD COLUMN imported VARCHAR;

-- Documents of benchmarks are named by their contents from here on: everything is read once more.
UPDATE runs SET source = NULL;
DELETE FROM benchmark_folders;
