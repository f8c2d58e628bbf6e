//! Stores a key and reads it back. Everything is in the folder that `LLM_KEYS_HOME` names, or else
//! where the `llm-keys` command has it: `llm-keys list` shows this key, too.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use llm_keys::{ApiKey, EnvelopeKeyManager, KeyId, SecureKeyManager, StoreOptions};
use llm_keys_diesel::DieselStore;

#[tokio::main(flavor = "current_thread")]
async fn main() -> llm_keys::Result<()> {
    // Build: SQLite and a master key in a file, both made on first use. Variables of the
    // environment name another database or KMS.
    let store = DieselStore::from_env().await?;
    let keys = EnvelopeKeyManager::from_env(store).await?;

    // Store. Doing it again makes the next version.
    let id = KeyId::user("alice", "quickstart")?;
    let key = ApiKey::new("sk-example-0123456789")?;
    let version = keys.store_api_key(&id, key, &StoreOptions::default()).await?;
    println!("stored {id} as version {version}");

    // Get. `None` would mean that there is no such key; an outage is an error.
    if let Some(key) = keys.get_api_key(&id).await? {
        // Nothing shows the key but `expose`; the memory is wiped when it is dropped.
        key.expose_str(|key| println!("read back a key of {} characters", key.len()))?;
    }
    keys.shutdown().await
}
