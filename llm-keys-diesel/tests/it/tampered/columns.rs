//! Every column: how it is edited, or why it may be.

use llm_keys::KeyId;

use super::bed::id;

/// An edit of one column that is refused.
pub(super) struct Edit {
    pub(super) column: &'static str,
    pub(super) statements: Vec<String>,
    /// The key whose reading is refused.
    pub(super) read: KeyId,
}

/// For each column under a MAC, or in the context of an envelope, at least one edit, all of them to
/// values that the column may have.
pub(super) fn edits(alice: &str, bob: &str, byte: &str) -> Vec<Edit> {
    let key = |column: &'static str, set: &str| Edit {
        column,
        statements: vec![format!("UPDATE llm_keys_keys SET {set} WHERE record = '{alice}'")],
        read: id("alice"),
    };
    let version = |column: &'static str, set: &str| Edit {
        column,
        statements: vec![format!(
            "UPDATE llm_keys_versions SET {set} WHERE record = '{alice}' AND version = 2"
        )],
        read: id("alice"),
    };
    let system = |column: &'static str, set: &str| Edit {
        column,
        statements: vec![format!(
            "UPDATE llm_keys_system SET {set} WHERE tenant = 'default' AND name = 'row-mac'"
        )],
        read: id("alice"),
    };
    let other = "11111111-2222-4333-8444-555555555555";
    let renamed =
        |table: &str| format!("UPDATE {table} SET record = '{other}' WHERE record = '{alice}'");
    let nobody = id("nobody");
    vec![
        Edit {
            column: "llm_keys_keys.record",
            statements: vec![renamed("llm_keys_keys"), renamed("llm_keys_versions")],
            read: id("alice"),
        },
        Edit {
            read: id("alice").with_tenant("elsewhere").unwrap(),
            ..key("llm_keys_keys.tenant", "tenant = 'elsewhere'")
        },
        Edit {
            read: nobody.clone(),
            ..key("llm_keys_keys.path", &format!("path = '{}'", nobody.path()))
        },
        Edit {
            read: nobody.clone(),
            ..key("llm_keys_keys.path", &format!("owner_id = 'nobody', path = '{}'", nobody.path()))
        },
        key("llm_keys_keys.owner_kind", "owner_kind = 'team'"),
        key("llm_keys_keys.owner_id", "owner_id = 'mallory'"),
        key("llm_keys_keys.service", "service = 'anthropic'"),
        key("llm_keys_keys.name", "name = 'other'"),
        key("llm_keys_keys.state", "state = 'inactive'"),
        key("llm_keys_keys.purge_at", "state = 'deleted', purge_at = 5"),
        key("llm_keys_keys.current_version", "current_version = 1"),
        key("llm_keys_keys.current_version", "current_version = NULL"),
        key("llm_keys_keys.latest_version", "latest_version = 3"),
        key("llm_keys_keys.generation", "generation = generation + 1"),
        key("llm_keys_keys.kept", "kept = '2:2'"),
        // Where a secret would be sent.
        key("llm_keys_keys.settings", r#"settings = '{"host":"evil.example"}'"#),
        key("llm_keys_keys.template", "template = 'evil'"),
        key("llm_keys_keys.labels", r#"labels = '{"env":"prod"}'"#),
        key("llm_keys_keys.hint", "hint = 'zzzz'"),
        key("llm_keys_keys.expires_at", "expires_at = 9000000000000000"),
        key("llm_keys_keys.rotate_every", "rotate_every = 3"),
        key("llm_keys_keys.due_at", "due_at = 9000000000000000"),
        key("llm_keys_keys.created_at", "created_at = created_at + 1"),
        key("llm_keys_keys.updated_at", "updated_at = updated_at + 1"),
        key("llm_keys_keys.mac", "mac = NULL"),
        key("llm_keys_keys.mac", &format!("mac = {byte}")),
        version("llm_keys_versions.record", &format!("record = '{bob}'")),
        version("llm_keys_versions.version", "version = 3"),
        version("llm_keys_versions.generation", "generation = generation + 1"),
        version("llm_keys_versions.state", "state = 'retired'"),
        version("llm_keys_versions.until", "state = 'retiring', until = 9000000000000000"),
        version("llm_keys_versions.envelope", &format!("envelope = {byte}")),
        version("llm_keys_versions.envelope", "envelope = NULL"),
        version("llm_keys_versions.rewrap", "rewrap = NOT rewrap"),
        version("llm_keys_versions.actor", "actor = 'mallory'"),
        version("llm_keys_versions.reason", "reason = 'because'"),
        version("llm_keys_versions.created_at", "created_at = created_at + 1"),
        version("llm_keys_versions.mac", "mac = NULL"),
        version("llm_keys_versions.mac", &format!("mac = {byte}")),
        system("llm_keys_system.tenant", "tenant = 'elsewhere'"),
        system("llm_keys_system.name", "name = 'other'"),
        system("llm_keys_system.record", &format!("record = '{other}'")),
        system("llm_keys_system.version", "version = version + 1"),
        system("llm_keys_system.envelope", &format!("envelope = {byte}")),
    ]
}

/// The columns outside, with an edit that changes nothing for who reads a key.
pub(super) fn outside() -> Vec<(&'static str, Option<&'static str>)> {
    vec![
        // Written without the MAC key, and nobody decides by them: an edit shows a wrong last use, or
        // stops or repeats the event that something falls due.
        (
            "llm_keys_keys.last_used_at",
            Some("UPDATE llm_keys_keys SET last_used_at = 9000000000000000"),
        ),
        ("llm_keys_keys.due_told", Some("UPDATE llm_keys_keys SET due_told = 9000000000000000")),
        (
            "llm_keys_versions.last_used_at",
            Some("UPDATE llm_keys_versions SET last_used_at = 9000000000000000"),
        ),
        // System records are bound by the context of their envelope; these three only inform.
        ("llm_keys_system.created_at", Some("UPDATE llm_keys_system SET created_at = 5")),
        ("llm_keys_system.updated_at", Some("UPDATE llm_keys_system SET updated_at = 5")),
        ("llm_keys_system.mac", Some("UPDATE llm_keys_system SET mac = NULL")),
        // Events are for people. Who can write here can forge and delete them: an event sink on
        // another machine is what cannot be edited.
        ("llm_keys_events.seq", Some("UPDATE llm_keys_events SET seq = seq + 1000")),
        ("llm_keys_events.tenant", Some("UPDATE llm_keys_events SET tenant = 'elsewhere'")),
        ("llm_keys_events.at", Some("UPDATE llm_keys_events SET at = 5")),
        ("llm_keys_events.body", Some("DELETE FROM llm_keys_events")),
        // The feed says what to forget. An edit hides a change from other processes for as long as
        // they cache, or lets them forget for nothing; what they load then is verified.
        ("llm_keys_changes.seq", Some("UPDATE llm_keys_changes SET seq = seq + 1000")),
        ("llm_keys_changes.tenant", Some("UPDATE llm_keys_changes SET tenant = 'elsewhere'")),
        ("llm_keys_changes.owner_kind", Some("DELETE FROM llm_keys_changes")),
        ("llm_keys_changes.owner_id", Some("UPDATE llm_keys_changes SET owner_id = 'mallory'")),
        ("llm_keys_changes.service", Some("UPDATE llm_keys_changes SET service = 'other'")),
        ("llm_keys_changes.name", Some("UPDATE llm_keys_changes SET name = 'other'")),
        ("llm_keys_counters.name", Some("DELETE FROM llm_keys_counters")),
        // Moved back it is found by the next checkpoint.
        ("llm_keys_counters.value", Some("UPDATE llm_keys_counters SET value = 0")),
        // Another number stops the program, and opens nothing.
        ("llm_keys_schema.version", None),
    ]
}
