-- Views that people query first: one row per recipe, and one row per run and metric.

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
    list(r.id ORDER BY r.seed, r.id) AS run_ids
FROM runs AS r
JOIN metrics AS p ON p.run_id = r.id AND p.metric = r.primary_scorer
LEFT JOIN metrics AS strict ON strict.run_id = r.id AND strict.metric = 'valid_strict'
LEFT JOIN metrics AS extracted ON extracted.run_id = r.id AND extracted.metric = 'valid_extracted'
WHERE r.status = 'done' AND r.split = 'test'
GROUP BY
    r.task, r.data_hash, r.model, r.recipe, r.recipe_hash, r.labels, r.example_limit, r.primary_scorer
ORDER BY r.task, r.model, mean DESC, r.recipe, r.recipe_hash;

CREATE VIEW matrix AS
SELECT r.task, r.model, r.recipe, r.labels, r.seed, r.id AS run_id, m.metric, m.mean AS value, m.n,
       CAST(NULL AS DOUBLE) AS stderr
FROM runs AS r JOIN metrics AS m ON m.run_id = r.id
UNION ALL
SELECT r.task, r.model, r.recipe, r.labels, r.seed, r.id, b.task || '/' || b.metric, b.value, b.n, b.stderr
FROM runs AS r JOIN benchmarks AS b ON b.run_id = r.id;
