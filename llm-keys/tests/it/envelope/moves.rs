//! CR3: an envelope opens for what it was sealed for and for nothing else.

use llm_keys::envelope::{Content, Envelope, SealRequest, seal};
use llm_keys::error::IntegrityFault;
use llm_keys::kms::local::LocalKms;
use llm_keys::kms::{KmsContext, KmsProvider as _};
use llm_keys::model::SystemName;
use llm_keys::{DataKey, EncryptionContext, KeyId, SystemRandom, Tenant, Version};
use uuid::Uuid;

use super::{fault, open, wrapped};

/// Two tenants, owners, services, names and versions in every combination: 32 contexts of one
/// record. The values are chosen so that careless concatenation would confuse some of them.
fn contexts() -> Vec<EncryptionContext> {
    let mut all = Vec::new();
    for i in 0..32_u32 {
        let pick = |bit: u32, one: &'static str, other: &'static str| {
            if i >> bit & 1 == 0 { one } else { other }
        };
        let id = KeyId::user(pick(0, "a", "a_b"), pick(1, "b_c", "c"))
            .and_then(|id| id.with_tenant(pick(2, "acme", "acm")))
            .and_then(|id| id.with_name(pick(3, "1", "11")))
            .unwrap();
        let version = Version::new(1 + 10 * (i >> 4 & 1)).unwrap();
        all.push(EncryptionContext::of_key(&id, Uuid::from_u128(7), version));
    }
    all
}

#[test]
fn no_two_of_32_contexts_open_each_others_envelopes() {
    let key = DataKey::generate(&SystemRandom).unwrap();
    let contexts = contexts();
    for sealed_for in &contexts {
        let envelope = sealed(sealed_for, &key);
        for asked in &contexts {
            let opened = open(envelope.as_bytes(), asked, &key);
            if asked == sealed_for {
                assert_eq!(opened.unwrap().expose(<[u8]>::to_vec), b"sk-test");
            } else {
                assert_eq!(fault(opened), IntegrityFault::Context);
                // The same before any key is at hand.
                let parsed = envelope.parse().unwrap();
                assert_eq!(fault(parsed.check_context(asked)), IntegrityFault::Context);
            }
        }
    }
}

#[tokio::test]
async fn no_two_of_32_contexts_unwrap_each_others_data_keys() {
    let kms = LocalKms::ephemeral().unwrap();
    let contexts = contexts();
    for wrapped_for in &contexts {
        let of = |context| KmsContext { context, readable: false };
        let (_, wrapped) = kms.generate_data_key(of(wrapped_for), &SystemRandom).await.unwrap();
        for asked in &contexts {
            let unwrapped = kms.unwrap_key(&wrapped, of(asked)).await;
            if asked == wrapped_for {
                unwrapped.unwrap();
            } else {
                assert_eq!(unwrapped.unwrap_err().kind().code(), "kms_context_mismatch");
            }
        }
    }
}

#[test]
fn owners_of_one_id_and_system_records_are_apart() {
    let record = Uuid::from_u128(7);
    let of_key = |id: &KeyId| EncryptionContext::of_key(id, record, Version::FIRST);
    let system = |name| {
        let name = SystemName::new(name).unwrap();
        EncryptionContext::of_system(&Tenant::default(), &name, record, Version::FIRST)
    };
    let contexts = [
        of_key(&KeyId::global("x").unwrap()),
        of_key(&KeyId::user("global", "x").unwrap()),
        of_key(&KeyId::team("global", "x").unwrap()),
        of_key(&KeyId::user("Global", "x").unwrap()),
        system("default"),
        system("x"),
        EncryptionContext::of_key(&KeyId::global("x").unwrap(), Uuid::nil(), Version::FIRST),
    ];
    let key = DataKey::generate(&SystemRandom).unwrap();
    for (i, sealed_for) in contexts.iter().enumerate() {
        let envelope = sealed(sealed_for, &key);
        for (j, asked) in contexts.iter().enumerate() {
            assert_eq!(open(envelope.as_bytes(), asked, &key).is_ok(), i == j, "{i} {j}");
        }
    }
}

fn sealed(context: &EncryptionContext, key: &DataKey) -> Envelope {
    let wrapped = [wrapped("test:one", b"blob")];
    let request =
        SealRequest { content: Content::Raw, context, readable: false, key, wrapped: &wrapped };
    seal(b"sk-test", &request, &SystemRandom).unwrap()
}
