-- How a benchmark was asked, per-document results, and benchmarks of models that belong to no run.

ALTER TABLE benchmarks ADD COLUMN model VARCHAR;
ALTER TABLE benchmarks ADD COLUMN fingerprint VARCHAR;
ALTER TABLE benchmarks ADD COLUMN num_fewshot INTEGER;
ALTER TABLE benchmarks ADD COLUMN example_limit INTEGER;
ALTER TABLE benchmarks ADD COLUMN chat_template BOOLEAN;
ALTER TABLE benchmarks ADD COLUMN task_version VARCHAR;
ALTER TABLE benchmarks ADD COLUMN higher_is_better BOOLEAN;
ALTER TABLE benchmarks ADD COLUMN source VARCHAR;
ALTER TABLE benchmarks ADD COLUMN measured_at TIMESTAMP;
ALTER TABLE benchmarks ADD COLUMN key VARCHAR;

CREATE TABLE benchmark_samples (
    run_id VARCHAR,
    model VARCHAR,
    task VARCHAR,
    metric VARCHAR,
    key VARCHAR,
    document VARCHAR,
    value DOUBLE
);

CREATE TABLE benchmark_folders (
    folder VARCHAR,
    source VARCHAR
);

-- Of the same benchmark and metric, measured twice on one run, the newest stands.
CREATE OR REPLACE VIEW matrix AS
SELECT r.task, r.model, r.recipe, r.labels, r.seed, r.id AS run_id, m.metric, m.mean AS value, m.n,
       CAST(NULL AS DOUBLE) AS stderr
FROM runs AS r JOIN metrics AS m ON m.run_id = r.id
UNION ALL
SELECT r.task, r.model, r.recipe, r.labels, r.seed, r.id, b.task || '/' || b.metric, b.value, b.n, b.stderr
FROM runs AS r JOIN (
    SELECT * FROM benchmarks WHERE run_id IS NOT NULL
    QUALIFY row_number() OVER (
        PARTITION BY run_id, task, metric ORDER BY measured_at DESC NULLS LAST, n DESC
    ) = 1
) AS b ON b.run_id = r.id;
