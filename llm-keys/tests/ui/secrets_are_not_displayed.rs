use llm_keys::{ApiKey, DataKey, SecretBytes};

fn api_key(secret: &ApiKey) -> String {
    secret.to_string()
}

fn data_key(secret: &DataKey) -> String {
    secret.to_string()
}

fn secret_bytes(secret: &SecretBytes) -> String {
    secret.to_string()
}

fn main() {}
