use llm_keys::{ApiKey, DataKey, SecretBytes};

fn returned(secret: &ApiKey) -> &[u8] {
    secret.expose(|bytes| bytes)
}

fn returned_text(secret: &ApiKey) -> &str {
    secret.expose_str(|text| text).unwrap()
}

fn returned_data_key(secret: &DataKey) -> &[u8; 32] {
    secret.expose(|bytes| bytes)
}

fn kept_outside(secret: &SecretBytes) {
    let mut kept: &[u8] = &[];
    secret.expose(|bytes| kept = bytes);
    assert!(kept.is_empty());
}

fn main() {}
