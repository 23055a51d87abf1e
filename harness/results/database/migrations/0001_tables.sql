-- Tables: one row per run, answer, score, training step, retrieved passage, metric.
-- Append-only: to change the schema, add a file with the next number.

CREATE TABLE runs (
    id VARCHAR PRIMARY KEY,
    key VARCHAR,
    experiment VARCHAR,
    task VARCHAR,
    task_version INTEGER,
    data_hash VARCHAR,
    primary_scorer VARCHAR,
    margin DOUBLE,
    recipe VARCHAR,
    recipe_hash VARCHAR,
    labels INTEGER,
    model VARCHAR,
    model_fingerprint VARCHAR,
    seed INTEGER,
    split VARCHAR,
    example_limit INTEGER,
    status VARCHAR,
    started_at TIMESTAMP,
    finished_at TIMESTAMP,
    seconds DOUBLE,
    error VARCHAR,
    n_samples INTEGER,
    n_scored INTEGER,
    n_invalid INTEGER,
    n_error INTEGER,
    n_truncated INTEGER,
    train_seconds DOUBLE,
    trainable_parameters BIGINT,
    total_parameters BIGINT,
    train_steps INTEGER,
    train_tokens BIGINT,
    best_step INTEGER,
    best_dev_score DOUBLE,
    best_dev_loss DOUBLE,
    n_dropped INTEGER,
    bytes_to_ship BIGINT,
    answer_seconds DOUBLE,
    throughput DOUBLE,
    latency_p50 DOUBLE,
    latency_p95 DOUBLE,
    batch_size INTEGER,
    tokens_in_mean DOUBLE,
    tokens_out_mean DOUBLE,
    prompt_tokens_mean DOUBLE,
    peak_memory_bytes BIGINT,
    peak_device_bytes BIGINT,
    git_sha VARCHAR,
    git_dirty BOOLEAN,
    command VARCHAR,
    record JSON,
    problems VARCHAR[],
    source VARCHAR
);

CREATE TABLE samples (
    run_id VARCHAR,
    sample_id VARCHAR,
    position INTEGER,
    input JSON,
    target JSON,
    group_id VARCHAR,
    meta JSON,
    context_ids VARCHAR[],
    prompt VARCHAR,
    shots VARCHAR[],
    output VARCHAR,
    tokens_in INTEGER,
    tokens_out INTEGER,
    seconds DOUBLE,
    finish_reason VARCHAR,
    cached BOOLEAN,
    error VARCHAR,
    strict_status VARCHAR,
    strict_reason VARCHAR,
    strict_path VARCHAR,
    extracted_status VARCHAR,
    extracted_reason VARCHAR,
    extracted_path VARCHAR,
    extracted_value JSON,
    failure VARCHAR
);

CREATE TABLE scores (
    run_id VARCHAR,
    sample_id VARCHAR,
    scorer VARCHAR,
    status VARCHAR,
    value DOUBLE,
    reason VARCHAR,
    version INTEGER
);

CREATE TABLE train_steps (
    run_id VARCHAR,
    stage VARCHAR,
    step INTEGER,
    epoch DOUBLE,
    loss DOUBLE,
    learning_rate DOUBLE,
    grad_norm DOUBLE,
    tokens BIGINT,
    seconds DOUBLE,
    dev_loss DOUBLE,
    dev_score DOUBLE
);

CREATE TABLE retrievals (
    run_id VARCHAR,
    sample_id VARCHAR,
    rank INTEGER,
    document VARCHAR,
    title VARCHAR,
    text VARCHAR,
    score DOUBLE,
    gold BOOLEAN
);

CREATE TABLE metrics (
    run_id VARCHAR,
    metric VARCHAR,
    mean DOUBLE,
    n INTEGER
);

CREATE TABLE benchmarks (
    run_id VARCHAR,
    task VARCHAR,
    metric VARCHAR,
    value DOUBLE,
    stderr DOUBLE,
    n INTEGER
);

CREATE TABLE trials (
    study VARCHAR,
    number INTEGER,
    state VARCHAR,
    value DOUBLE,
    objectives JSON,
    params JSON,
    run_id VARCHAR,
    started_at TIMESTAMP,
    seconds DOUBLE,
    error VARCHAR
);

CREATE TABLE pins (
    name VARCHAR,
    run_id VARCHAR,
    key VARCHAR,
    task VARCHAR,
    recipe VARCHAR,
    model VARCHAR,
    primary_scorer VARCHAR,
    mean DOUBLE,
    n INTEGER,
    created_at TIMESTAMP,
    path VARCHAR
);
