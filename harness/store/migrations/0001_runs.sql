-- Migration 1. Migrations are append-only: columns are added, never renamed.
CREATE TABLE runs (
  id VARCHAR PRIMARY KEY, key VARCHAR, status VARCHAR, experiment VARCHAR,
  task VARCHAR, task_version INTEGER, data_hash VARCHAR, primary_scorer VARCHAR, margin DOUBLE,
  recipe VARCHAR, recipe_config JSON, model VARCHAR, model_fingerprint VARCHAR,
  seed INTEGER, split VARCHAR, limit_n INTEGER, labels INTEGER,
  started_at VARCHAR, finished_at VARCHAR, seconds DOUBLE, error VARCHAR,
  train_seconds DOUBLE, train_steps BIGINT, train_tokens BIGINT, trainable_parameters BIGINT,
  total_parameters BIGINT, best_dev_score DOUBLE, bytes_to_ship BIGINT,
  answer_seconds DOUBLE, tokens_in_mean DOUBLE, tokens_out_mean DOUBLE,
  latency_p50 DOUBLE, latency_p95 DOUBLE, throughput DOUBLE,
  peak_memory_bytes BIGINT, peak_device_bytes BIGINT,
  n_scored INTEGER, n_invalid INTEGER, n_error INTEGER, n_truncated INTEGER,
  git_sha VARCHAR, git_dirty BOOLEAN, versions JSON, machine JSON, command VARCHAR, metrics JSON, parity JSON
);
CREATE TABLE samples (
  run_id VARCHAR, sample_id VARCHAR, input JSON, target JSON, example_group VARCHAR, meta JSON,
  prompt VARCHAR, output VARCHAR, tokens_in INTEGER, tokens_out INTEGER, seconds DOUBLE,
  finish_reason VARCHAR, cached BOOLEAN, error VARCHAR,
  strict_status VARCHAR, strict_reason VARCHAR, strict_path VARCHAR,
  extracted_status VARCHAR, extracted_reason VARCHAR, extracted_path VARCHAR, value JSON,
  shots VARCHAR[], failure VARCHAR
);
CREATE TABLE scores (
  run_id VARCHAR, sample_id VARCHAR, scorer VARCHAR, status VARCHAR, value DOUBLE, reason VARCHAR, version INTEGER
);
CREATE TABLE retrievals (
  run_id VARCHAR, sample_id VARCHAR, rank INTEGER, document VARCHAR, title VARCHAR, score DOUBLE, gold BOOLEAN
);
CREATE TABLE train_steps (
  run_id VARCHAR, stage VARCHAR, step INTEGER, epoch DOUBLE, loss DOUBLE, learning_rate DOUBLE,
  grad_norm DOUBLE, tokens BIGINT, seconds DOUBLE, dev_loss DOUBLE, dev_score DOUBLE
);
CREATE TABLE trials (
  study VARCHAR, number INTEGER, state VARCHAR, value DOUBLE, params JSON, run_id VARCHAR, seconds DOUBLE
);
CREATE TABLE pins (name VARCHAR, run_id VARCHAR, pinned_at VARCHAR, file VARCHAR);
CREATE TABLE benchmarks (
  run_id VARCHAR, task VARCHAR, metric VARCHAR, value DOUBLE, stderr DOUBLE, n INTEGER
);
CREATE VIEW matrix AS
  SELECT r.id AS run_id, r.task, r.model, r.recipe, r.labels, r.seed, s.scorer AS metric,
         avg(s.value) AS mean, count(s.value) AS n, count(*) FILTER (s.status = 'invalid') AS n_invalid
  FROM runs r JOIN scores s ON s.run_id = r.id
  WHERE r.status = 'done'
  GROUP BY ALL;
CREATE VIEW leaderboard AS
  SELECT r.task, r.model, r.recipe, r.labels, r.split, r.primary_scorer AS metric,
         count(DISTINCT r.seed) AS seeds, count(s.value) // count(DISTINCT r.id) AS n,
         avg(s.value) AS mean,
         avg(CAST(x.strict_status = 'valid' AS INTEGER)) AS valid_strict,
         avg(CAST(x.extracted_status = 'valid' AS INTEGER)) AS valid_extracted,
         avg(r.train_seconds) AS train_seconds, avg(r.tokens_in_mean) AS prompt_tokens,
         avg(1 / r.throughput) AS seconds_per_answer, max(r.peak_memory_bytes) AS peak_memory_bytes,
         max(r.trainable_parameters) AS trainable_parameters
  FROM runs r
  JOIN scores s ON s.run_id = r.id AND s.scorer = r.primary_scorer
  JOIN samples x ON x.run_id = r.id AND x.sample_id = s.sample_id
  WHERE r.status = 'done' AND s.status != 'error'
  GROUP BY ALL
  ORDER BY r.task, r.model, mean DESC;
