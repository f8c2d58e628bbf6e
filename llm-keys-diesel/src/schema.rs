//! The tables as Diesel sees them: the same on every database. The order of the columns is the
//! order of the fields in [`rows`](crate::rows).

diesel::table! {
    llm_keys_schema (version) {
        version -> Text,
    }
}

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

diesel::table! {
    llm_keys_system (tenant, name) {
        tenant -> Text,
        name -> Text,
        record -> Text,
        version -> BigInt,
        envelope -> Binary,
        created_at -> BigInt,
        updated_at -> BigInt,
        mac -> Nullable<Binary>,
    }
}

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

diesel::allow_tables_to_appear_in_same_query!(llm_keys_keys, llm_keys_versions);
