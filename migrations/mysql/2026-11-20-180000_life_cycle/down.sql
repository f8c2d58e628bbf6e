DELETE FROM llm_keys_schema WHERE version = '20261120180000';

ALTER TABLE llm_keys_versions DROP COLUMN generation;
ALTER TABLE llm_keys_keys
    DROP INDEX llm_keys_keys_by_due,
    DROP COLUMN due_told,
    DROP COLUMN due_at,
    DROP COLUMN kept;
