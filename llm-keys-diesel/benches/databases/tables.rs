//! The tables of a commit beside those of a read.

pub(crate) use self::read::{Key, KeyVersion, llm_keys_keys, llm_keys_versions};

#[path = "../sqlite/tables.rs"]
mod read;

diesel::table! {
    llm_keys_events (seq) {
        seq -> BigInt,
        tenant -> Text,
        at -> BigInt,
        body -> Text,
    }
}

diesel::table! {
    llm_keys_changes (seq) {
        seq -> BigInt,
        tenant -> Text,
        owner_kind -> Text,
        owner_id -> Text,
        service -> Text,
        name -> Text,
    }
}

diesel::table! {
    llm_keys_counters (name) {
        name -> Text,
        value -> BigInt,
    }
}
