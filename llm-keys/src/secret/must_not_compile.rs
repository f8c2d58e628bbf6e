//! What must not compile (each block fails for its last line alone: the block before it is the same
//! but for that line, and compiles).
//!
//! # Nothing clones a secret.
//! ```
//! # use llm_keys::ApiKey;
//! # let secret = ApiKey::new("sk-x").unwrap();
//! let _ = secret.expose(|bytes| bytes.len());
//! ```
//! ```compile_fail,E0277
//! # use llm_keys::ApiKey;
//! # let secret = ApiKey::new("sk-x").unwrap();
//! let _: ApiKey = Clone::clone(&secret);
//! ```
//! ```
//! # use llm_keys::DataKey;
//! # let secret = DataKey::copy_from(&[7; 32]);
//! let _ = secret.expose(|bytes| bytes.len());
//! ```
//! ```compile_fail,E0277
//! # use llm_keys::DataKey;
//! # let secret = DataKey::copy_from(&[7; 32]);
//! let _: DataKey = Clone::clone(&secret);
//! ```
//! ```
//! # use llm_keys::SecretBytes;
//! # let secret = SecretBytes::copy_from(b"x");
//! let _ = secret.expose(|bytes| bytes.len());
//! ```
//! ```compile_fail,E0277
//! # use llm_keys::SecretBytes;
//! # let secret = SecretBytes::copy_from(b"x");
//! let _: SecretBytes = Clone::clone(&secret);
//! ```
//!
//! # Nothing compares secrets: `==` would tell by its time how much is equal.
//! ```
//! # use llm_keys::ApiKey;
//! # let secret = ApiKey::new("sk-x").unwrap();
//! let _ = &secret;
//! ```
//! ```compile_fail,E0369
//! # use llm_keys::ApiKey;
//! # let secret = ApiKey::new("sk-x").unwrap();
//! let _ = secret == ApiKey::new("sk-x").unwrap();
//! ```
//! ```
//! # use llm_keys::DataKey;
//! # let secret = DataKey::copy_from(&[7; 32]);
//! let _ = &secret;
//! ```
//! ```compile_fail,E0369
//! # use llm_keys::DataKey;
//! # let secret = DataKey::copy_from(&[7; 32]);
//! let _ = secret == DataKey::copy_from(&[7; 32]);
//! ```
//! ```
//! # use llm_keys::SecretBytes;
//! # let secret = SecretBytes::copy_from(b"x");
//! let _ = &secret;
//! ```
//! ```compile_fail,E0369
//! # use llm_keys::SecretBytes;
//! # let secret = SecretBytes::copy_from(b"x");
//! let _ = secret == SecretBytes::copy_from(b"x");
//! ```
//!
//! # Nothing prints a secret.
//! ```
//! # use llm_keys::ApiKey;
//! # let secret = ApiKey::new("sk-x").unwrap();
//! let _ = format!("{secret:?}");
//! ```
//! ```compile_fail,E0277
//! # use llm_keys::ApiKey;
//! # let secret = ApiKey::new("sk-x").unwrap();
//! let _ = format!("{secret}");
//! ```
//! ```
//! # use llm_keys::DataKey;
//! # let secret = DataKey::copy_from(&[7; 32]);
//! let _ = format!("{secret:?}");
//! ```
//! ```compile_fail,E0277
//! # use llm_keys::DataKey;
//! # let secret = DataKey::copy_from(&[7; 32]);
//! let _ = format!("{secret}");
//! ```
//! ```
//! # use llm_keys::SecretBytes;
//! # let secret = SecretBytes::copy_from(b"x");
//! let _ = format!("{secret:?}");
//! ```
//! ```compile_fail,E0277
//! # use llm_keys::SecretBytes;
//! # let secret = SecretBytes::copy_from(b"x");
//! let _ = format!("{secret}");
//! ```
//!
//! # Nothing serializes a secret.
//! ```
//! # use llm_keys::ApiKey;
//! # let secret = ApiKey::new("sk-x").unwrap();
//! let _ = serde_json::to_string(&secret.expose(|bytes| bytes.len()));
//! ```
//! ```compile_fail,E0277
//! # use llm_keys::ApiKey;
//! # let secret = ApiKey::new("sk-x").unwrap();
//! let _ = serde_json::to_string(&secret);
//! ```
//! ```
//! # use llm_keys::DataKey;
//! # let secret = DataKey::copy_from(&[7; 32]);
//! let _ = serde_json::to_string(&secret.expose(|bytes| bytes.len()));
//! ```
//! ```compile_fail,E0277
//! # use llm_keys::DataKey;
//! # let secret = DataKey::copy_from(&[7; 32]);
//! let _ = serde_json::to_string(&secret);
//! ```
//! ```
//! # use llm_keys::SecretBytes;
//! # let secret = SecretBytes::copy_from(b"x");
//! let _ = serde_json::to_string(&secret.expose(|bytes| bytes.len()));
//! ```
//! ```compile_fail,E0277
//! # use llm_keys::SecretBytes;
//! # let secret = SecretBytes::copy_from(b"x");
//! let _ = serde_json::to_string(&secret);
//! ```
//!
//! # What `expose` lends does not outlive it.
//! ```
//! # use llm_keys::ApiKey;
//! # let secret = ApiKey::new("sk-x").unwrap();
//! let _: usize = secret.expose(|bytes| bytes.len());
//! ```
//! ```compile_fail
//! # use llm_keys::ApiKey;
//! # let secret = ApiKey::new("sk-x").unwrap();
//! let _: &[u8] = secret.expose(|bytes| &bytes[..]);
//! ```
//! ```
//! # use llm_keys::DataKey;
//! # let secret = DataKey::copy_from(&[7; 32]);
//! let _: usize = secret.expose(|bytes| bytes.len());
//! ```
//! ```compile_fail
//! # use llm_keys::DataKey;
//! # let secret = DataKey::copy_from(&[7; 32]);
//! let _: &[u8] = secret.expose(|bytes| &bytes[..]);
//! ```
//! ```
//! # use llm_keys::SecretBytes;
//! # let secret = SecretBytes::copy_from(b"x");
//! let _: usize = secret.expose(|bytes| bytes.len());
//! ```
//! ```compile_fail
//! # use llm_keys::SecretBytes;
//! # let secret = SecretBytes::copy_from(b"x");
//! let _: &[u8] = secret.expose(|bytes| &bytes[..]);
//! ```
