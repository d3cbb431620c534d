-- What clients of a group were told (SEED_SPEC 5.7): who keeps its progress, and whether
-- they know where it starts.
ALTER TABLE consumer_group ADD COLUMN pull_mechanism TEXT NOT NULL DEFAULT 'server';
ALTER TABLE consumer_group ADD COLUMN start_by_client BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE consumer_group SET start_by_client = TRUE WHERE start_position = 'earliest';
