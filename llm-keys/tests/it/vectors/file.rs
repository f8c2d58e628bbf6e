//! The files in `vectors/`: what stands in one, and how the engine reads it.

use std::fs;
use std::path::{Path, PathBuf};

use llm_keys::envelope::{Content, Envelope};
use llm_keys::kms::local::{LocalKms, MasterKey};
use llm_keys::kms::{KmsContext, KmsProvider as _};
use llm_keys::model::SystemName;
use llm_keys::{DataKey, EncryptionContext, KeyId, KeyName, Owner, Service, Tenant};
use serde::{Deserialize, Serialize};

use super::draft::Pairs;

/// One case.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Vector {
    pub(crate) about: String,
    pub(crate) context: Pairs,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) data_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) local_master_key: Option<String>,
    pub(crate) envelope: String,
    /// `ok`, or the code of the error.
    pub(crate) expect: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) opened: Option<Opened>,
}

/// What comes out of a good one.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Opened {
    pub(crate) content: u8,
    pub(crate) readable: bool,
    pub(crate) wrapped_under: Vec<String>,
    pub(crate) plaintext: String,
}

impl Vector {
    /// What the engine makes of it: what came out, or the code of the error.
    pub(crate) fn open(&self) -> Result<Opened, String> {
        let context = context(&self.context);
        let envelope = Envelope::from_bytes(hex::decode(&self.envelope).unwrap());
        self.open_with(&envelope, &context).map_err(|error| error.kind().code().to_owned())
    }

    fn open_with(
        &self,
        envelope: &Envelope,
        context: &EncryptionContext,
    ) -> llm_keys::Result<Opened> {
        let parsed = envelope.parse()?;
        parsed.check_context(context)?;
        let key = match (&self.data_key, &self.local_master_key) {
            (Some(key), None) => data_key(key),
            (None, Some(master)) => {
                let kms = LocalKms::new(MasterKey::from_bytes(&array(master))?, Vec::new());
                let accepted = parsed.wrapped().iter().find(|wrapped| kms.accepts(wrapped));
                let wrapped = accepted.unwrap_or(&parsed.wrapped()[0]);
                let context = KmsContext { context, readable: parsed.readable() };
                block_on(kms.unwrap_key(wrapped, context))?
            }
            _ => panic!("a vector has one kind of key"),
        };
        let plaintext = parsed.open(context, &key)?;
        Ok(Opened {
            content: match parsed.content() {
                Content::Raw => 1,
                Content::Fields => 2,
                other => panic!("{other:?} is not in the specification"),
            },
            readable: parsed.readable(),
            wrapped_under: parsed.wrapped().iter().map(|one| one.uri.to_string()).collect(),
            plaintext: plaintext.expose(|bytes| hex::encode(bytes)),
        })
    }
}

/// The engine's context of these pairs.
pub(crate) fn context(pairs: &Pairs) -> EncryptionContext {
    let get = |key: &str| pairs[key].as_str();
    let tenant = Tenant::new(get("tenant")).unwrap();
    let (record, version) = (get("record").parse().unwrap(), get("version").parse().unwrap());
    let context = match get("kind") {
        "system" => {
            let name = SystemName::new(get("name")).unwrap();
            EncryptionContext::of_system(&tenant, &name, record, version)
        }
        _ => {
            let owner = Owner::from_columns(get("owner_kind"), get("owner_id")).unwrap();
            let (service, name) = (Service::new(get("service")), KeyName::new(get("name")));
            let id = KeyId { tenant, owner, service: service.unwrap(), name: name.unwrap() };
            EncryptionContext::of_key(&id, record, version)
        }
    };
    let made: Pairs =
        context.pairs().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    assert_eq!(&made, pairs, "the engine has no such context");
    context
}

pub(crate) fn data_key(hexadecimal: &str) -> DataKey {
    DataKey::copy_from(&array(hexadecimal))
}

pub(crate) fn array(hexadecimal: &str) -> [u8; 32] {
    hex::decode(hexadecimal).unwrap().try_into().unwrap()
}

/// The top of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// All committed vectors with their names, sorted.
pub(crate) fn committed() -> Vec<(String, Vector)> {
    let mut all: Vec<_> = fs::read_dir(root().join("vectors"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let vector = serde_json::from_slice(&fs::read(&path).unwrap());
            (name.clone(), vector.unwrap_or_else(|error| panic!("{name}: {error}")))
        })
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}
