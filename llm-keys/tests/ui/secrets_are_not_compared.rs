use llm_keys::{ApiKey, DataKey, SecretBytes};

fn api_keys(one: ApiKey, other: ApiKey) -> bool {
    one == other
}

fn data_keys(one: DataKey, other: DataKey) -> bool {
    one == other
}

fn secret_bytes(one: SecretBytes, other: SecretBytes) -> bool {
    one == other
}

fn main() {}
