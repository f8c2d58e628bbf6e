DROP TABLE llm_keys_counters;
DROP TABLE llm_keys_changes;
DROP TABLE llm_keys_events;
DROP TABLE llm_keys_system;
DROP TABLE llm_keys_versions;
DROP TABLE llm_keys_keys;
DROP TABLE llm_keys_schema;
