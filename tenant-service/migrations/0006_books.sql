-- The meter's books. Hours are counted since 1970 UTC, months are written YYYYMM.

-- What an instance was, and when: also of instances that are gone, for their last
-- bill. A term ends when the plan or the end date changes, or with the instance.
CREATE TABLE instance_term (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    instance   BIGINT NOT NULL,
    tenant     BIGINT NOT NULL,
    uid        TEXT NOT NULL,
    name       TEXT NOT NULL,
    plan       TEXT NOT NULL,
    since      BIGINT NOT NULL,
    ended_at   BIGINT,
    expires_at BIGINT
);
CREATE INDEX instance_term_by_tenant ON instance_term (tenant, instance);
CREATE INDEX instance_term_by_instance ON instance_term (instance);
INSERT INTO instance_term (instance, tenant, uid, name, plan, since, ended_at, expires_at)
SELECT id, tenant, uid, name, plan, created_at, NULL, expires_at FROM instance;

-- Events of storage nodes as they came. counts: what billing/event.rs packs.
CREATE TABLE usage_event (
    broker      BIGINT NOT NULL,
    generation  BIGINT NOT NULL,
    first_seq   BIGINT NOT NULL,
    last_seq    BIGINT NOT NULL,
    tenant      BIGINT NOT NULL,
    instance    BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    counts      BLOB NOT NULL,
    PRIMARY KEY (broker, generation, first_seq)
) WITHOUT ROWID;
CREATE INDEX usage_event_by_time ON usage_event (received_at);
CREATE INDEX usage_event_by_instance ON usage_event (instance);

-- Calls that gateways answered: one row for each event, instance and hour.
CREATE TABLE usage_calls (
    source      BLOB NOT NULL,
    number      BIGINT NOT NULL,
    instance    BIGINT NOT NULL,
    hour        BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    calls       BIGINT NOT NULL,
    PRIMARY KEY (source, number, instance, hour)
) WITHOUT ROWID;
CREATE INDEX usage_calls_by_time ON usage_calls (received_at);
CREATE INDEX usage_calls_by_instance ON usage_calls (instance);

-- What each broker stored at the last sample, and since when, in seconds since 1970.
CREATE TABLE usage_stored (
    broker     INTEGER PRIMARY KEY,
    instance   BIGINT NOT NULL,
    second     BIGINT NOT NULL,
    changed    BIGINT NOT NULL,
    hot        BIGINT NOT NULL,
    cold       BIGINT NOT NULL
);

-- Samples of an hour that was added up: second:hot:cold; and so on, the first one
-- at the second from which the hour counts. until: to where it counts.
CREATE TABLE usage_sample (
    broker     BIGINT NOT NULL,
    hour       BIGINT NOT NULL,
    instance   BIGINT NOT NULL,
    points     TEXT NOT NULL,
    until      BIGINT NOT NULL,
    PRIMARY KEY (broker, hour)
) WITHOUT ROWID;
CREATE INDEX usage_sample_by_hour ON usage_sample (hour);
CREATE INDEX usage_sample_by_instance ON usage_sample (instance);

-- An hour of an instance, and corrections of it. Closed ones never change.
CREATE TABLE usage_revision (
    instance  BIGINT NOT NULL,
    hour      BIGINT NOT NULL,
    revision  BIGINT NOT NULL,
    opened_at BIGINT NOT NULL,
    closed_at BIGINT,
    month     BIGINT,
    PRIMARY KEY (instance, hour, revision)
) WITHOUT ROWID;
CREATE INDEX usage_revision_open ON usage_revision (hour) WHERE closed_at IS NULL;
CREATE INDEX usage_revision_by_month ON usage_revision (month, instance);

-- topic_kind 255: what has no topic.
CREATE TABLE usage_hour (
    instance     BIGINT NOT NULL,
    hour         BIGINT NOT NULL,
    revision     BIGINT NOT NULL,
    topic_kind   BIGINT NOT NULL,
    topic        BIGINT NOT NULL,
    messages_in  BIGINT NOT NULL,
    units_in     BIGINT NOT NULL,
    bytes_in     BIGINT NOT NULL,
    messages_out BIGINT NOT NULL,
    units_out    BIGINT NOT NULL,
    bytes_out    BIGINT NOT NULL,
    api_calls    BIGINT NOT NULL,
    stored_hot   BIGINT NOT NULL,
    stored_cold  BIGINT NOT NULL,
    PRIMARY KEY (instance, hour, revision, topic_kind, topic)
) WITHOUT ROWID;

-- Curves of the last day. receiver: the group, 0 for what was sent.
CREATE TABLE usage_curve (
    slot       BIGINT NOT NULL,
    instance   BIGINT NOT NULL,
    broker     BIGINT NOT NULL,
    topic_kind BIGINT NOT NULL,
    topic      BIGINT NOT NULL,
    receiver   BIGINT NOT NULL,
    messages   BIGINT NOT NULL,
    units      BIGINT NOT NULL,
    bytes      BIGINT NOT NULL,
    PRIMARY KEY (instance, slot, broker, topic_kind, topic, receiver)
) WITHOUT ROWID;
CREATE INDEX usage_curve_by_slot ON usage_curve (slot);

-- prices: a JSON array as the API has it.
CREATE TABLE price_list (
    name       TEXT NOT NULL,
    version    BIGINT NOT NULL,
    valid_from BIGINT NOT NULL,
    currency   TEXT NOT NULL,
    prices     TEXT NOT NULL,
    PRIMARY KEY (name, version)
) WITHOUT ROWID;

-- Closed bills. body: JSON; empty until it was worked out from the closed hours.
CREATE TABLE bill (
    tenant    BIGINT NOT NULL,
    month     BIGINT NOT NULL,
    closed_at BIGINT NOT NULL,
    body      TEXT NOT NULL,
    PRIMARY KEY (tenant, month)
) WITHOUT ROWID;
CREATE INDEX bill_unmade ON bill (month) WHERE body = '';

-- Whoever writes the books locks this row.
INSERT INTO setting (name, value) VALUES ('books', 'open');
