-- The first tables: keys, their versions, system records, events, the feed of changes.
--
-- The same columns as in the other folders. Ids are ASCII and compare byte for byte; InnoDB
-- keeps the rows of keys in the order of their primary key, so that a page of a listing reads
-- neighbours. A statement that defines a table ends the transaction here, so this file may be run
-- again after it was broken off.

-- Which of these migrations ran: each one writes its own row, so that it does not matter who ran it.
CREATE TABLE IF NOT EXISTS llm_keys_schema (
    version VARCHAR(63) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY
) ENGINE = InnoDB;

-- One row for a key. `path` is service, owner and name in the order that listings have.
CREATE TABLE IF NOT EXISTS llm_keys_keys (
    record          CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL UNIQUE,
    tenant          VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL CHECK (tenant <> ''),
    path            VARCHAR(400) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    owner_kind      VARCHAR(63) CHARACTER SET ascii COLLATE ascii_bin NOT NULL CHECK (owner_kind IN ('global', 'user', 'team')),
    owner_id        VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    service         VARCHAR(63) CHARACTER SET ascii COLLATE ascii_bin NOT NULL CHECK (service <> ''),
    name            VARCHAR(63) CHARACTER SET ascii COLLATE ascii_bin NOT NULL CHECK (name <> ''),
    state           VARCHAR(63) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    purge_at        BIGINT,
    current_version BIGINT CHECK (current_version > 0),
    latest_version  BIGINT CHECK (latest_version > 0),
    generation      BIGINT NOT NULL CHECK (generation >= 0),
    settings        MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    template        MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    labels          MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    hint            MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    expires_at      BIGINT,
    rotate_every    BIGINT CHECK (rotate_every >= 0),
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,
    last_used_at    BIGINT,
    mac             VARBINARY(1024),
    PRIMARY KEY (tenant, path),
    CONSTRAINT llm_keys_keys_owner CHECK ((owner_kind = 'global') = (owner_id = '')),
    CONSTRAINT llm_keys_keys_purge CHECK ((state = 'deleted') = (purge_at IS NOT NULL)),
    INDEX llm_keys_keys_by_owner (tenant, owner_kind, owner_id, service, name)
) ENGINE = InnoDB;

-- One row for a version of a key.
CREATE TABLE IF NOT EXISTS llm_keys_versions (
    record       CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    version      BIGINT NOT NULL CHECK (version > 0),
    state        VARCHAR(63) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    until      BIGINT,
    envelope     MEDIUMBLOB,
    rewrap       BOOLEAN NOT NULL,
    actor        MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    reason       MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    created_at   BIGINT NOT NULL,
    last_used_at BIGINT,
    mac          VARBINARY(1024),
    PRIMARY KEY (record, version),
    CONSTRAINT llm_keys_versions_until CHECK ((state = 'retiring') = (until IS NOT NULL)),
    CONSTRAINT llm_keys_versions_record FOREIGN KEY (record) REFERENCES llm_keys_keys (record) ON DELETE CASCADE
) ENGINE = InnoDB;

-- Small named envelopes of our own.
CREATE TABLE IF NOT EXISTS llm_keys_system (
    tenant     VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL CHECK (tenant <> ''),
    name       VARCHAR(63) CHARACTER SET ascii COLLATE ascii_bin NOT NULL CHECK (name <> ''),
    record     CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    version    BIGINT NOT NULL CHECK (version > 0),
    envelope   MEDIUMBLOB NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    mac        VARBINARY(1024),
    PRIMARY KEY (tenant, name)
) ENGINE = InnoDB;

-- What happened, as JSON, in the order it was committed.
CREATE TABLE IF NOT EXISTS llm_keys_events (
    seq    BIGINT NOT NULL PRIMARY KEY,
    tenant VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    at     BIGINT NOT NULL,
    body   MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL
) ENGINE = InnoDB;

-- Which keys changed, one row for each key of a commit; the oldest rows go.
CREATE TABLE IF NOT EXISTS llm_keys_changes (
    seq        BIGINT NOT NULL PRIMARY KEY,
    tenant     VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    owner_kind VARCHAR(63) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    owner_id   VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    service    VARCHAR(63) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    name       VARCHAR(63) CHARACTER SET ascii COLLATE ascii_bin NOT NULL
) ENGINE = InnoDB;

-- The last numbers given out.
CREATE TABLE IF NOT EXISTS llm_keys_counters (
    name  VARCHAR(63) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL CHECK (value >= 0)
) ENGINE = InnoDB;

INSERT IGNORE INTO llm_keys_counters (name, value) VALUES ('changes', 0), ('events', 0);

INSERT IGNORE INTO llm_keys_schema (version) VALUES ('20261120100000');
