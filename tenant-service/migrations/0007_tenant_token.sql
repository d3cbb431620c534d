-- A token for programs may be for all instances of a tenant; then it names none.
CREATE TABLE token (
    id             TEXT PRIMARY KEY,
    tenant         BIGINT NOT NULL REFERENCES tenant (id),
    instance       BIGINT REFERENCES instance (id),
    name           TEXT NOT NULL,
    hash           BLOB NOT NULL,
    scopes         TEXT NOT NULL,
    allowed_topics TEXT NOT NULL,
    allowed_groups TEXT NOT NULL,
    created_at     BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL,
    last_used_at   BIGINT NOT NULL
) WITHOUT ROWID;
INSERT INTO token (id, tenant, instance, name, hash, scopes, allowed_topics, allowed_groups,
                   created_at, expires_at, last_used_at)
SELECT t.id, i.tenant, t.instance, t.name, t.hash, t.scopes, t.allowed_topics, t.allowed_groups,
       t.created_at, t.expires_at, t.last_used_at
FROM api_token t JOIN instance i ON i.id = t.instance;
DROP TABLE api_token;
ALTER TABLE token RENAME TO api_token;
CREATE INDEX api_token_by_instance ON api_token (instance);
CREATE INDEX api_token_by_tenant ON api_token (tenant);
