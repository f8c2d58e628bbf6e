-- What the life of a key needs: which versions are kept, when something falls due, and what binds
-- the rows of one key to each other.

ALTER TABLE llm_keys_keys
    ADD COLUMN kept TEXT NOT NULL DEFAULT '',
    ADD COLUMN due_at BIGINT,
    ADD COLUMN due_told BIGINT;
ALTER TABLE llm_keys_versions
    ADD COLUMN generation BIGINT NOT NULL DEFAULT 0 CHECK (generation >= 0);

CREATE INDEX llm_keys_keys_by_due ON llm_keys_keys (due_at, record);

INSERT INTO llm_keys_schema (version) VALUES ('20261120180000');
