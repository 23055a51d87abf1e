-- A model is its weights, and a score is how it was made: the leaderboard folds only seeds of the same.

DROP VIEW leaderboard;

CREATE VIEW leaderboard AS
SELECT
    r.task,
    r.data_hash,
    r.model,
    r.recipe,
    r.recipe_hash,
    r.labels,
    r.example_limit,
    count(*) AS seeds,
    min(p.n) AS n,
    r.primary_scorer,
    avg(p.mean) AS mean,
    CASE WHEN count(*) > 1 THEN stddev_samp(p.mean) END AS seed_sd,
    avg(strict.mean) AS valid_strict,
    avg(extracted.mean) AS valid_extracted,
    avg(r.train_seconds) AS train_seconds,
    max(r.trainable_parameters) AS trainable_parameters,
    max(coalesce(r.peak_device_bytes, r.peak_memory_bytes)) AS peak_memory_bytes,
    avg(r.prompt_tokens_mean) AS prompt_tokens,
    avg(1 / nullif(r.throughput, 0)) AS answer_seconds,
    max(r.bytes_to_ship) AS bytes_to_ship,
    list(r.id ORDER BY r.seed, r.id) AS run_ids,
    r.model_fingerprint,
    r.task_version,
    r.scorers
FROM (
    SELECT *, CAST(record -> '$.task.scorers' AS VARCHAR) AS scorers FROM runs
) AS r
JOIN metrics AS p ON p.run_id = r.id AND p.metric = r.primary_scorer
LEFT JOIN metrics AS strict ON strict.run_id = r.id AND strict.metric = 'valid_strict'
LEFT JOIN metrics AS extracted ON extracted.run_id = r.id AND extracted.metric = 'valid_extracted'
WHERE r.status = 'done' AND r.split = 'test'
GROUP BY
    r.task, r.task_version, r.data_hash, r.model, r.model_fingerprint, r.recipe, r.recipe_hash, r.labels,
    r.example_limit, r.primary_scorer, r.scorers
ORDER BY r.task, r.model, mean DESC, r.recipe, r.recipe_hash, r.model_fingerprint, r.scorers;
