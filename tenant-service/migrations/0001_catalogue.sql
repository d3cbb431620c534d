-- The catalogue. Numbers and times (ms since 1970 UTC) are 64-bit integers;
-- lists are JSON arrays, the empty string standing for an empty one.

CREATE TABLE setting (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- The next number of each kind. Rows only rise: a number is never given out twice.
CREATE TABLE next_number (
    kind TEXT PRIMARY KEY,
    next BIGINT NOT NULL
) WITHOUT ROWID;

CREATE TABLE tenant (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

CREATE TABLE plan (
    name            TEXT PRIMARY KEY,
    tps             BIGINT NOT NULL,
    topic_tps       BIGINT NOT NULL,
    burst_seconds   DOUBLE PRECISION NOT NULL,
    topics          BIGINT NOT NULL,
    consumer_groups BIGINT NOT NULL,
    brokers         BIGINT NOT NULL,
    storage_gib     BIGINT NOT NULL,
    retention_hours BIGINT NOT NULL,
    message_bytes   BIGINT NOT NULL,
    connections     BIGINT NOT NULL,
    price_list      TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE instance (
    id              INTEGER PRIMARY KEY,
    uid             TEXT NOT NULL UNIQUE,
    tenant          BIGINT NOT NULL REFERENCES tenant (id),
    name            TEXT NOT NULL,
    plan            TEXT NOT NULL,
    durability      TEXT NOT NULL,
    retention_hours BIGINT NOT NULL,
    disk_policy     TEXT NOT NULL,
    remark          TEXT NOT NULL,
    status          TEXT NOT NULL,
    created_at      BIGINT NOT NULL,
    expires_at      BIGINT,
    time_zone       TEXT NOT NULL,
    UNIQUE (tenant, name)
);

CREATE TABLE broker (
    id       INTEGER PRIMARY KEY,
    instance BIGINT NOT NULL REFERENCES instance (id),
    name     TEXT NOT NULL,
    UNIQUE (instance, name)
);

CREATE TABLE topic (
    id              INTEGER PRIMARY KEY,
    instance        BIGINT NOT NULL REFERENCES instance (id),
    name            TEXT NOT NULL,
    topic_type      TEXT NOT NULL,
    queues          BIGINT NOT NULL,
    permission      TEXT NOT NULL,
    ordered         BOOLEAN NOT NULL,
    remark          TEXT NOT NULL,
    brokers         TEXT NOT NULL,
    retention_hours BIGINT,
    tps             BIGINT,
    allowed_groups  TEXT NOT NULL,
    created_at      BIGINT NOT NULL,
    UNIQUE (instance, name)
);

CREATE TABLE consumer_group (
    id             INTEGER PRIMARY KEY,
    instance       BIGINT NOT NULL REFERENCES instance (id),
    name           TEXT NOT NULL,
    ordered        BOOLEAN NOT NULL,
    on_poison      TEXT NOT NULL,
    max_retries    BIGINT NOT NULL,
    enabled        BOOLEAN NOT NULL,
    start_position TEXT NOT NULL,
    subscriptions  TEXT NOT NULL,
    remark         TEXT NOT NULL,
    created_at     BIGINT NOT NULL,
    version        BIGINT NOT NULL,
    UNIQUE (instance, name)
);

-- secret: sealed with a key derived from the master key, bound to access_key.
CREATE TABLE app_user (
    access_key  TEXT PRIMARY KEY,
    instance    BIGINT NOT NULL REFERENCES instance (id),
    secret      BLOB NOT NULL,
    topics      TEXT NOT NULL,
    description TEXT NOT NULL,
    ip_allow    TEXT NOT NULL,
    created_at  BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX app_user_by_instance ON app_user (instance);

-- tenant 0 is the deployment: the operator.
CREATE TABLE console_user (
    tenant        BIGINT NOT NULL,
    username      TEXT NOT NULL,
    role          TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    PRIMARY KEY (tenant, username)
) WITHOUT ROWID;

CREATE TABLE revoked_token (
    id          TEXT PRIMARY KEY,
    valid_until BIGINT NOT NULL
) WITHOUT ROWID;

CREATE TABLE audit (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    at         BIGINT NOT NULL,
    tenant     BIGINT,
    caller     TEXT NOT NULL,
    action     TEXT NOT NULL,
    object     TEXT NOT NULL,
    request_id TEXT NOT NULL,
    detail     TEXT NOT NULL
);
CREATE INDEX audit_by_tenant ON audit (tenant, id);
CREATE INDEX audit_by_time ON audit (at);
