//! What a server was asked for, and with which encryption context.

use serde_json::{Map, Value};
use testkit::relay::Relay;

/// The action and the encryption context of all requests so far that have one.
pub(super) fn requests(relay: &Relay) -> Vec<(String, Map<String, Value>)> {
    let found = |text: &String| -> Vec<_> {
        text.split("TrentService.").skip(1).filter_map(request).collect()
    };
    relay.sent().iter().flat_map(found).collect()
}

/// A request from the name of its action on.
fn request(text: &str) -> Option<(String, Map<String, Value>)> {
    let action = text.chars().take_while(char::is_ascii_alphabetic).collect::<String>();
    let (_, context) = text.split_once(r#""EncryptionContext":"#)?;
    Some((format!("kms:{action}"), first(context)))
}

/// The document that `text` starts with.
fn first(text: &str) -> Map<String, Value> {
    serde_json::Deserializer::from_str(text).into_iter().next().unwrap().unwrap()
}
