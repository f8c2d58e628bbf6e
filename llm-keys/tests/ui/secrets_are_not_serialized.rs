use llm_keys::{ApiKey, DataKey, SecretBytes};
use serde::Serialize;

#[derive(Serialize)]
struct Reply {
    api_key: ApiKey,
}

#[derive(Serialize)]
struct Row {
    data_key: DataKey,
}

#[derive(Serialize)]
struct Dump {
    secret_bytes: SecretBytes,
}

fn main() {}
