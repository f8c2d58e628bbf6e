//! Every vector, made from scratch.

use super::draft::Draft;
use super::file::{Opened, Vector};

mod changed;
pub(crate) use good::collision;

mod good;
mod local;
mod moved;
mod structure;

/// All vectors with their names, in the order of the checks.
pub(crate) fn all() -> Vec<(String, Vector)> {
    let mut cases = Cases(Vec::new());
    good::add(&mut cases);
    structure::add(&mut cases);
    moved::add(&mut cases);
    local::add(&mut cases);
    changed::add(&mut cases);
    cases.0
}

struct Cases(Vec<(String, Vector)>);

impl Cases {
    /// One that opens.
    fn ok(&mut self, name: &str, about: &str, draft: &Draft) {
        self.ok_bytes(name, about, draft, draft.seal().bytes());
    }

    fn ok_bytes(&mut self, name: &str, about: &str, draft: &Draft, bytes: Vec<u8>) {
        let opened = Opened {
            content: draft.content,
            readable: draft.flags == 1,
            wrapped_under: draft
                .wrapped
                .iter()
                .map(|(uri, _)| String::from_utf8(uri.clone()).unwrap())
                .collect(),
            plaintext: hex::encode(&draft.plaintext),
        };
        let vector = Vector { opened: Some(opened), ..vector(about, draft, bytes, "ok") };
        self.push(&format!("ok-{name}"), vector);
    }

    /// One that must be refused, opened with the data key and the context of `draft`.
    fn bad(&mut self, class: &str, name: &str, about: &str, draft: &Draft, bytes: Vec<u8>) {
        let file = format!("{}-{name}", class.trim_start_matches("envelope_").replace('_', "-"));
        self.push(&file, vector(about, draft, bytes, class));
    }

    /// The last one needs the local KMS to unwrap its data key.
    fn with_master(&mut self, master: &[u8; 32]) {
        let (_, vector) = self.0.last_mut().unwrap();
        vector.data_key = None;
        vector.local_master_key = Some(hex::encode(master));
    }

    fn push(&mut self, name: &str, vector: Vector) {
        assert!(self.0.iter().all(|(other, _)| other != name), "{name} is there already");
        self.0.push((name.to_owned(), vector));
    }
}

fn vector(about: &str, draft: &Draft, bytes: Vec<u8>, expect: &str) -> Vector {
    Vector {
        about: about.to_owned(),
        context: draft.context.clone(),
        data_key: Some(hex::encode(draft.data_key)),
        local_master_key: None,
        envelope: hex::encode(bytes),
        expect: expect.to_owned(),
        opened: None,
    }
}
