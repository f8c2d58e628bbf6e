//! AWS KMS: an IAM policy.

use serde_json::{Value, json};

use super::{GENERATE, Policy, Purpose, Right, UNWRAP, WRAP, is_plain};

pub(super) fn policy(text: &str, purpose: Purpose, tenant: &str) -> Option<Policy> {
    let name = text.strip_prefix("aws-kms:").unwrap_or(text);
    let name = name.strip_prefix("//").unwrap_or(name);
    let (arn, alias) = resource(name)?;
    let (rights, id) = match purpose {
        Purpose::Seals => (vec![MAKE, OPEN], "LlmKeysSealAndOpen"),
        Purpose::SealsWithOthers => (vec![MAKE, ADD, OPEN], "LlmKeysSealAndOpen"),
        Purpose::Reads => (vec![OPEN], "LlmKeysOpen"),
    };
    // The keys of the tenant's row MACs are not narrowed with its keys: they have no service.
    let mut statements = vec![
        statement(id, &rights, &arn, Some(context("key", tenant))),
        statement("LlmKeysTenantRecords", &rights, &arn, Some(context("system", tenant))),
    ];
    if tenant != "default" {
        // What is of no tenant stands with the default one, and not all that does is everybody's.
        let mut context = context("system", "default");
        context["kms:EncryptionContext:name"] = json!(EVERYBODYS);
        statements.push(statement("LlmKeysSystemRecords", &rights, &arn, Some(context)));
    }
    // A key that seals is looked at by a check, a key that reads only where it is not known yet.
    let find = purpose != Purpose::Reads || !is_key_arn(name);
    if find {
        statements.push(statement("LlmKeysFindKey", &[FIND], &arn, None));
    }
    let mut notes = vec![
        "to narrow it, add `kms:EncryptionContext:service` or `kms:EncryptionContext:owner_kind` \
         to the first statement's conditions; `owner_id` and `name` only with \
         `kms_readable_context = true`",
    ];
    if let Some(alias) = alias {
        for statement in &mut statements {
            let only = json!({ "kms:ResourceAliases": alias });
            statement["Condition"]["ForAnyValue:StringEquals"] = only;
        }
        notes.push(
            "a key that the alias meant before needs `kms:Decrypt` by its own ARN to be read still: \
             for this tenant, and with `kind` = `system` for the tenant `default`",
        );
    }
    if arn.contains("REGION") || arn.contains("ACCOUNT") {
        notes.push("write the key's region and account for REGION and ACCOUNT");
    }
    let policy = json!({ "Version": "2012-10-17", "Statement": statements });
    let rights = rights.into_iter().chain(find.then_some(FIND)).collect();
    Some(Policy { rights, text: serde_json::to_string_pretty(&policy).ok()?, notes })
}

fn context(kind: &str, tenant: &str) -> Value {
    json!({
        "kms:EncryptionContext:lk": "1",
        "kms:EncryptionContext:kind": kind,
        "kms:EncryptionContext:tenant": tenant,
    })
}

/// The system records that are of no tenant: what a check makes up, the keys that an alias has meant,
/// and the sentinel.
const EVERYBODYS: [&str; 3] = ["check", "kms-pins", "sentinel"];

/// The ARN to permit, and the alias that limits it: a policy cannot name a key by its alias.
fn resource(name: &str) -> Option<(String, Option<&str>)> {
    if !is_plain(name) {
        return None;
    }
    let (place, resource) = match name.strip_prefix("arn:") {
        Some(rest) => {
            let mut parts = rest.splitn(5, ':');
            let (partition, service) = (parts.next()?, parts.next()?);
            let (region, account) = (parts.next()?, parts.next()?);
            if service != "kms" {
                return None;
            }
            (format!("arn:{partition}:kms:{region}:{account}"), parts.next()?)
        }
        None => ("arn:aws:kms:REGION:ACCOUNT".to_owned(), name),
    };
    if resource.strip_prefix("alias/").is_some_and(|alias| !alias.is_empty()) {
        return Some((format!("{place}:key/*"), Some(resource)));
    }
    let key = match name.starts_with("arn:") {
        true => resource.strip_prefix("key/")?,
        false => resource,
    };
    let is_id = key.len() >= 32 && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    is_id.then(|| (format!("{place}:key/{key}"), None))
}

/// Whether `name` says all there is to know about a key.
fn is_key_arn(name: &str) -> bool {
    name.starts_with("arn:") && name.contains(":key/")
}

fn statement(id: &str, rights: &[Right], arn: &str, context: Option<Value>) -> Value {
    let actions: Vec<_> = rights.iter().map(|right| right.name).collect();
    let mut statement = json!({ "Sid": id, "Effect": "Allow", "Action": actions, "Resource": arn });
    if let Some(context) = context {
        statement["Condition"] = json!({ "StringEquals": context });
    }
    statement
}

const MAKE: Right = Right { name: "kms:GenerateDataKey", op: GENERATE };
const ADD: Right = Right { name: "kms:Encrypt", op: WRAP };
const OPEN: Right = Right { name: "kms:Decrypt", op: UNWRAP };
/// An alias or a bare id is looked up by it, and a check of a key that seals asks for its state.
const FIND: Right = Right { name: "kms:DescribeKey", op: "kms.describe_key" };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_named_and_an_alias_limits() {
        let id = "11112222-3333-4444-5555-666677778888";
        let arn = format!("arn:aws:kms:eu-central-1:111122223333:key/{id}");
        assert_eq!(resource(&arn), Some((arn.clone(), None)));
        let (found, alias) = resource("arn:aws:kms:eu-central-1:111122223333:alias/a").unwrap();
        assert_eq!(found, "arn:aws:kms:eu-central-1:111122223333:key/*");
        assert_eq!(alias, Some("alias/a"));
        assert_eq!(resource(id).unwrap().0, format!("arn:aws:kms:REGION:ACCOUNT:key/{id}"));
        for bad in ["", "alias/", "arn:aws:s3:a:b:key/c", "sk-secret", "alias/a\"b"] {
            assert_eq!(resource(bad), None, "{bad}");
        }
    }
}
