-- What a model thought aloud before its answer, and how many of its tokens that took.

ALTER TABLE samples ADD COLUMN thoughts VARCHAR;
ALTER TABLE samples ADD COLUMN thought_tokens INTEGER;
