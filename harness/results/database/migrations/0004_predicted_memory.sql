-- What a run was expected to take at most, beside peak_memory_bytes and peak_device_bytes.

ALTER TABLE runs ADD COLUMN predicted_peak_bytes BIGINT;
