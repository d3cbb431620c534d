-- Rises when the queues of a topic change.
ALTER TABLE topic ADD COLUMN version BIGINT NOT NULL DEFAULT 0;
