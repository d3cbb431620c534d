-- Which transaction of the books wrote a row last: what goes into the object store next
-- is what has a higher mark than what is there. Of a revision it is the one that closed it.
ALTER TABLE usage_event ADD COLUMN mark BIGINT NOT NULL DEFAULT 0;
CREATE INDEX usage_event_by_mark ON usage_event (mark);
ALTER TABLE usage_calls ADD COLUMN mark BIGINT NOT NULL DEFAULT 0;
CREATE INDEX usage_calls_by_mark ON usage_calls (mark);
ALTER TABLE usage_sample ADD COLUMN mark BIGINT NOT NULL DEFAULT 0;
CREATE INDEX usage_sample_by_mark ON usage_sample (mark);
ALTER TABLE usage_revision ADD COLUMN mark BIGINT NOT NULL DEFAULT 0;
CREATE INDEX usage_revision_by_mark ON usage_revision (mark);
ALTER TABLE bill ADD COLUMN mark BIGINT NOT NULL DEFAULT 0;
CREATE INDEX bill_by_mark ON bill (mark);
