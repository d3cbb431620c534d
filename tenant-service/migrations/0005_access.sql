-- The secret of before the last rotation, sealed, and how long it stays valid.
ALTER TABLE app_user ADD COLUMN previous_secret BLOB;
ALTER TABLE app_user ADD COLUMN previous_until BIGINT;
-- Tokens for programs; hash: of what proves it, which is long enough not to be guessed.
CREATE TABLE api_token (
    id             TEXT PRIMARY KEY,
    instance       BIGINT NOT NULL REFERENCES instance (id),
    name           TEXT NOT NULL,
    hash           BLOB NOT NULL,
    scopes         TEXT NOT NULL,
    allowed_topics TEXT NOT NULL,
    allowed_groups TEXT NOT NULL,
    created_at     BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL,
    last_used_at   BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX api_token_by_instance ON api_token (instance);
