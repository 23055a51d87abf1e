-- What came before a server's answer, and an answer's share of the wall time where requests overlap.

ALTER TABLE samples ADD COLUMN waited DOUBLE;
ALTER TABLE samples ADD COLUMN retries INTEGER;
ALTER TABLE samples ADD COLUMN clock DOUBLE;
