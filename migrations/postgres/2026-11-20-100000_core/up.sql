-- The first tables: keys, their versions, system records, events, the feed of changes.
--
-- The same columns as in the other folders. Texts compare byte for byte, whatever the collation of
-- the database is.

-- Which of these migrations ran: each one writes its own row, so that it does not matter who ran it.
CREATE TABLE llm_keys_schema (
    version TEXT COLLATE "C" NOT NULL PRIMARY KEY
);

-- One row for a key. `path` is service, owner and name in the order that listings have.
CREATE TABLE llm_keys_keys (
    record          TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    tenant          TEXT COLLATE "C" NOT NULL CHECK (tenant <> ''),
    path            TEXT COLLATE "C" NOT NULL,
    owner_kind      TEXT COLLATE "C" NOT NULL CHECK (owner_kind IN ('global', 'user', 'team')),
    owner_id        TEXT COLLATE "C" NOT NULL,
    service         TEXT COLLATE "C" NOT NULL CHECK (service <> ''),
    name            TEXT COLLATE "C" NOT NULL CHECK (name <> ''),
    state           TEXT COLLATE "C" NOT NULL,
    purge_at        BIGINT,
    current_version BIGINT CHECK (current_version > 0),
    latest_version  BIGINT CHECK (latest_version > 0),
    generation      BIGINT NOT NULL CHECK (generation >= 0),
    settings        TEXT NOT NULL,
    template        TEXT,
    labels          TEXT NOT NULL,
    hint            TEXT,
    expires_at      BIGINT,
    rotate_every    BIGINT CHECK (rotate_every >= 0),
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,
    last_used_at    BIGINT,
    mac             BYTEA,
    UNIQUE (tenant, path),
    CONSTRAINT llm_keys_keys_owner CHECK ((owner_kind = 'global') = (owner_id = '')),
    CONSTRAINT llm_keys_keys_purge CHECK ((state = 'deleted') = (purge_at IS NOT NULL))
);

CREATE INDEX llm_keys_keys_by_owner ON llm_keys_keys (tenant, owner_kind, owner_id, service, name);

-- One row for a version of a key.
CREATE TABLE llm_keys_versions (
    record       TEXT COLLATE "C" NOT NULL,
    version      BIGINT NOT NULL CHECK (version > 0),
    state        TEXT COLLATE "C" NOT NULL,
    until      BIGINT,
    envelope     BYTEA,
    rewrap       BOOLEAN NOT NULL,
    actor        TEXT NOT NULL,
    reason       TEXT,
    created_at   BIGINT NOT NULL,
    last_used_at BIGINT,
    mac          BYTEA,
    PRIMARY KEY (record, version),
    CONSTRAINT llm_keys_versions_until CHECK ((state = 'retiring') = (until IS NOT NULL)),
    CONSTRAINT llm_keys_versions_record FOREIGN KEY (record) REFERENCES llm_keys_keys (record) ON DELETE CASCADE
);

-- Small named envelopes of our own.
CREATE TABLE llm_keys_system (
    tenant     TEXT COLLATE "C" NOT NULL CHECK (tenant <> ''),
    name       TEXT COLLATE "C" NOT NULL CHECK (name <> ''),
    record     TEXT COLLATE "C" NOT NULL,
    version    BIGINT NOT NULL CHECK (version > 0),
    envelope   BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    mac        BYTEA,
    PRIMARY KEY (tenant, name)
);

-- What happened, as JSON, in the order it was committed.
CREATE TABLE llm_keys_events (
    seq    BIGINT NOT NULL PRIMARY KEY,
    tenant TEXT COLLATE "C" NOT NULL,
    at     BIGINT NOT NULL,
    body   TEXT NOT NULL
);

-- Which keys changed, one row for each key of a commit; the oldest rows go.
CREATE TABLE llm_keys_changes (
    seq        BIGINT NOT NULL PRIMARY KEY,
    tenant     TEXT COLLATE "C" NOT NULL,
    owner_kind TEXT COLLATE "C" NOT NULL,
    owner_id   TEXT COLLATE "C" NOT NULL,
    service    TEXT COLLATE "C" NOT NULL,
    name       TEXT COLLATE "C" NOT NULL
);

-- The last numbers given out.
CREATE TABLE llm_keys_counters (
    name  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL CHECK (value >= 0)
);

INSERT INTO llm_keys_counters (name, value) VALUES ('changes', 0), ('events', 0);

INSERT INTO llm_keys_schema (version) VALUES ('20261120100000');
