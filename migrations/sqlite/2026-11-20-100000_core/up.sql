-- The first tables: keys, their versions, system records, events, the feed of changes.
--
-- Columns are of the subset that all databases share: TEXT, INTEGER (64 bits; times are
-- microseconds since 1970 UTC), BLOB. Texts compare byte for byte. No key column may be NULL.

-- Which of these migrations ran: each one writes its own row, so that it does not matter who ran it.
CREATE TABLE llm_keys_schema (
    version TEXT NOT NULL PRIMARY KEY
) STRICT;

INSERT INTO llm_keys_schema (version) VALUES ('20261120100000');

-- One row for a key. `path` is service, owner and name in the order that listings have; the rows lie
-- in that order, so that a page of a million keys reads neighbours and not a hundred places.
CREATE TABLE llm_keys_keys (
    record          TEXT    NOT NULL UNIQUE,
    tenant          TEXT    NOT NULL CHECK (tenant <> ''),
    path            TEXT    NOT NULL,
    owner_kind      TEXT    NOT NULL CHECK (owner_kind IN ('global', 'user', 'team')),
    owner_id        TEXT    NOT NULL CHECK ((owner_kind = 'global') = (owner_id = '')),
    service         TEXT    NOT NULL CHECK (service <> ''),
    name            TEXT    NOT NULL CHECK (name <> ''),
    state           TEXT    NOT NULL,
    purge_at        INTEGER          CHECK ((state = 'deleted') = (purge_at IS NOT NULL)),
    current_version INTEGER          CHECK (current_version > 0),
    latest_version  INTEGER          CHECK (latest_version > 0),
    generation      INTEGER NOT NULL CHECK (generation >= 0),
    settings        TEXT    NOT NULL,
    template        TEXT,
    labels          TEXT    NOT NULL,
    hint            TEXT,
    expires_at      INTEGER,
    rotate_every    INTEGER          CHECK (rotate_every >= 0),
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    last_used_at    INTEGER,
    mac             BLOB,
    PRIMARY KEY (tenant, path)
) STRICT, WITHOUT ROWID;

CREATE INDEX llm_keys_keys_by_owner ON llm_keys_keys (tenant, owner_kind, owner_id, service, name);

-- One row for a version of a key.
CREATE TABLE llm_keys_versions (
    record       TEXT    NOT NULL REFERENCES llm_keys_keys (record) ON DELETE CASCADE,
    version      INTEGER NOT NULL CHECK (version > 0),
    state        TEXT    NOT NULL,
    until        INTEGER          CHECK ((state = 'retiring') = (until IS NOT NULL)),
    envelope     BLOB,
    rewrap       INTEGER NOT NULL CHECK (rewrap IN (0, 1)),
    actor        TEXT    NOT NULL,
    reason       TEXT,
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER,
    mac          BLOB,
    PRIMARY KEY (record, version)
) STRICT;

-- Small named envelopes of our own.
CREATE TABLE llm_keys_system (
    tenant     TEXT    NOT NULL CHECK (tenant <> ''),
    name       TEXT    NOT NULL CHECK (name <> ''),
    record     TEXT    NOT NULL,
    version    INTEGER NOT NULL CHECK (version > 0),
    envelope   BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    mac        BLOB,
    PRIMARY KEY (tenant, name)
) STRICT;

-- What happened, as JSON, in the order it was committed.
CREATE TABLE llm_keys_events (
    seq    INTEGER NOT NULL PRIMARY KEY,
    tenant TEXT    NOT NULL,
    at     INTEGER NOT NULL,
    body   TEXT    NOT NULL
) STRICT;

-- Which keys changed, one row for each key of a commit; the oldest rows go.
CREATE TABLE llm_keys_changes (
    seq        INTEGER NOT NULL PRIMARY KEY,
    tenant     TEXT    NOT NULL,
    owner_kind TEXT    NOT NULL,
    owner_id   TEXT    NOT NULL,
    service    TEXT    NOT NULL,
    name       TEXT    NOT NULL
) STRICT;

-- The last numbers given out.
CREATE TABLE llm_keys_counters (
    name  TEXT    NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL CHECK (value >= 0)
) STRICT;

INSERT INTO llm_keys_counters (name, value) VALUES ('changes', 0), ('events', 0);
