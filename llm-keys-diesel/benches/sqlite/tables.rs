//! The two tables of a read, as somebody without this crate would have them.

use diesel::prelude::*;

diesel::table! {
    llm_keys_keys (record) {
        record -> Text,
        tenant -> Text,
        path -> Text,
        owner_kind -> Text,
        owner_id -> Text,
        service -> Text,
        name -> Text,
        state -> Text,
        purge_at -> Nullable<BigInt>,
        current_version -> Nullable<BigInt>,
        latest_version -> Nullable<BigInt>,
        generation -> BigInt,
        kept -> Text,
        settings -> Text,
        template -> Nullable<Text>,
        labels -> Text,
        hint -> Nullable<Text>,
        expires_at -> Nullable<BigInt>,
        rotate_every -> Nullable<BigInt>,
        due_at -> Nullable<BigInt>,
        due_told -> Nullable<BigInt>,
        created_at -> BigInt,
        updated_at -> BigInt,
        last_used_at -> Nullable<BigInt>,
        mac -> Nullable<Binary>,
    }
}

diesel::table! {
    llm_keys_versions (record, version) {
        record -> Text,
        version -> BigInt,
        generation -> BigInt,
        state -> Text,
        until -> Nullable<BigInt>,
        envelope -> Nullable<Binary>,
        rewrap -> Bool,
        actor -> Text,
        reason -> Nullable<Text>,
        created_at -> BigInt,
        last_used_at -> Nullable<BigInt>,
        mac -> Nullable<Binary>,
    }
}

diesel::allow_tables_to_appear_in_same_query!(llm_keys_keys, llm_keys_versions);

// An update leaves the id alone; to diesel it is all part of the primary key.
#[derive(Clone, Queryable, Insertable, AsChangeset)]
#[diesel(table_name = llm_keys_keys, treat_none_as_null = true)]
#[diesel(primary_key(record, tenant, path, owner_kind, owner_id, service, name, last_used_at))]
pub(crate) struct Key {
    pub(crate) record: String,
    pub(crate) tenant: String,
    pub(crate) path: String,
    pub(crate) owner_kind: String,
    pub(crate) owner_id: String,
    pub(crate) service: String,
    pub(crate) name: String,
    pub(crate) state: String,
    pub(crate) purge_at: Option<i64>,
    pub(crate) current_version: Option<i64>,
    pub(crate) latest_version: Option<i64>,
    pub(crate) generation: i64,
    pub(crate) kept: String,
    pub(crate) settings: String,
    pub(crate) template: Option<String>,
    pub(crate) labels: String,
    pub(crate) hint: Option<String>,
    pub(crate) expires_at: Option<i64>,
    pub(crate) rotate_every: Option<i64>,
    pub(crate) due_at: Option<i64>,
    pub(crate) due_told: Option<i64>,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) last_used_at: Option<i64>,
    pub(crate) mac: Option<Vec<u8>>,
}

#[derive(Clone, Queryable, Insertable, AsChangeset)]
#[diesel(table_name = llm_keys_versions, treat_none_as_null = true)]
#[diesel(primary_key(record, version, last_used_at))]
pub(crate) struct KeyVersion {
    pub(crate) record: String,
    pub(crate) version: i64,
    pub(crate) generation: i64,
    pub(crate) state: String,
    pub(crate) until: Option<i64>,
    pub(crate) envelope: Option<Vec<u8>>,
    pub(crate) rewrap: bool,
    pub(crate) actor: String,
    pub(crate) reason: Option<String>,
    pub(crate) created_at: i64,
    pub(crate) last_used_at: Option<i64>,
    pub(crate) mac: Option<Vec<u8>>,
}
