DROP TABLE IF EXISTS llm_keys_counters;
DROP TABLE IF EXISTS llm_keys_changes;
DROP TABLE IF EXISTS llm_keys_events;
DROP TABLE IF EXISTS llm_keys_system;
DROP TABLE IF EXISTS llm_keys_versions;
DROP TABLE IF EXISTS llm_keys_keys;
DROP TABLE IF EXISTS llm_keys_schema;
