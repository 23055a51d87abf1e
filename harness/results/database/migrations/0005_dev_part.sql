-- Of how many dev examples dev_score is the mean, where the part of dev that is scored grows.

ALTER TABLE train_steps ADD COLUMN dev_part INTEGER;
