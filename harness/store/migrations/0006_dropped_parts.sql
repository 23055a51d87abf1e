-- What was left out of a prompt so that it fits the model's context, and which training a run's weights are of.

ALTER TABLE samples ADD COLUMN shots_dropped INTEGER;
ALTER TABLE samples ADD COLUMN passages_dropped INTEGER;
ALTER TABLE runs ADD COLUMN weights_key VARCHAR;
