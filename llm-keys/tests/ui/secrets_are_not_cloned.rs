use llm_keys::{ApiKey, DataKey, SecretBytes};

fn api_key(secret: &ApiKey) -> ApiKey {
    ApiKey::clone(secret)
}

fn data_key(secret: &DataKey) -> DataKey {
    DataKey::clone(secret)
}

fn secret_bytes(secret: &SecretBytes) -> SecretBytes {
    SecretBytes::clone(secret)
}

fn main() {}
