-- What the life of a key needs: which versions are kept, when something falls due, and what binds
-- the rows of one key to each other.
--
-- Each table is changed by one statement, which is made whole or not at all; the one for versions is
-- last, and its column tells that both are done.

ALTER TABLE llm_keys_keys
    ADD COLUMN kept MEDIUMTEXT CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT (''),
    ADD COLUMN due_at BIGINT,
    ADD COLUMN due_told BIGINT,
    ADD INDEX llm_keys_keys_by_due (due_at, record);
ALTER TABLE llm_keys_versions
    ADD COLUMN generation BIGINT NOT NULL DEFAULT 0 CHECK (generation >= 0);

INSERT INTO llm_keys_schema (version) VALUES ('20261120180000');
