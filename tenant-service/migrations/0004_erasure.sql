-- Instances that were removed, whose data is still to be erased.
CREATE TABLE erasure (
    instance BIGINT PRIMARY KEY,
    tenant   BIGINT NOT NULL,
    uid      TEXT NOT NULL,
    name     TEXT NOT NULL,
    -- Numbers, as a JSON list.
    brokers  TEXT NOT NULL,
    since    BIGINT NOT NULL
);
