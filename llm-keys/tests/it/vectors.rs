//! CR5 and CR8: `vectors/` holds one case a file. A file that was released never changes, and
//! every later engine must read it as it says.

use std::collections::BTreeSet;
use std::process::Command;
use std::{env, fs};

use llm_keys::DataKey;
use llm_keys::envelope::{Content, Envelope, SealRequest, seal};
use llm_keys::error::IntegrityFault;

use self::file::{array, committed, context, root};
use crate::seeded::Given;

pub(crate) mod cases;
pub(crate) mod draft;
pub(crate) mod file;

#[test]
fn the_committed_files_are_what_the_generator_makes() {
    for (name, vector) in cases::all() {
        let text = serde_json::to_string_pretty(&vector).unwrap() + "\n";
        check_file(&format!("vectors/{name}.json"), text.as_bytes());
    }
    let made: BTreeSet<_> = cases::all().into_iter().map(|(name, _)| name).collect();
    let found: BTreeSet<_> = committed().into_iter().map(|(name, _)| name).collect();
    assert_eq!(found, made);
}

/// What the fuzzers start from: short good envelopes, and for the parser one file of each class.
#[test]
fn the_seeds_of_the_fuzzers_are_vectors() {
    let (mut parse, mut open) = (BTreeSet::new(), BTreeSet::new());
    let mut classes = BTreeSet::new();
    let data_key = Some(hex::encode(draft::DATA_KEY));
    for (name, vector) in cases::all() {
        let bytes = hex::decode(&vector.envelope).unwrap();
        if bytes.len() > 1000 {
            continue;
        }
        if classes.insert(vector.expect.clone()) || name.contains("copies") {
            check_file(&format!("fuzz/seeds/envelope_parse/{name}"), &bytes);
            parse.insert(name.clone());
        }
        let fits = vector.context == draft::key_pairs() && vector.data_key == data_key;
        if fits && vector.opened.is_some() {
            check_file(&format!("fuzz/seeds/envelope_open/{name}"), &bytes);
            open.insert(name);
        }
    }
    for (folder, made) in [("envelope_parse", parse), ("envelope_open", open)] {
        let files = fs::read_dir(root().join("fuzz/seeds").join(folder)).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        assert_eq!(names.collect::<BTreeSet<_>>(), made);
    }
}

#[test]
fn the_engine_reads_every_file_as_it_says() {
    for (name, vector) in committed() {
        let found = vector.open();
        match &vector.opened {
            Some(opened) => {
                assert_eq!((vector.expect.as_str(), found.as_ref()), ("ok", Ok(opened)), "{name}");
            }
            None => assert_eq!(found.as_ref(), Err(&vector.expect), "{name}"),
        }
    }
}

#[test]
fn the_engine_still_writes_the_same_bytes() {
    for (name, vector) in committed() {
        let Some(opened) = vector.opened else { continue };
        let bytes = hex::decode(&vector.envelope).unwrap();
        let envelope = Envelope::from_bytes(bytes.clone());
        let plaintext = hex::decode(opened.plaintext).unwrap();
        let nonce = bytes.len() - 16 - plaintext.len() - 2 - 12;
        let random = Given::new([&bytes[8..40], &bytes[nonce..nonce + 12]].concat());
        let key = vector.data_key.as_deref().map_or(draft::DATA_KEY, array);
        if name == "ok-local-other-data-key" {
            continue; // Its data key is nowhere but in its wrapped copy.
        }
        let parsed = envelope.parse().unwrap();
        let request = SealRequest {
            content: if opened.content == 1 { Content::Raw } else { Content::Fields },
            context: &context(&vector.context),
            readable: opened.readable,
            key: &DataKey::copy_from(&key),
            wrapped: parsed.wrapped(),
        };
        assert_eq!(seal(&plaintext, &request, &random).unwrap(), envelope, "{name}");
    }
}

#[test]
fn every_class_of_the_format_has_a_file() {
    let found: BTreeSet<_> = committed().into_iter().map(|(_, vector)| vector.expect).collect();
    for fault in IntegrityFault::ALL.iter().filter(|&&fault| fault != IntegrityFault::Row) {
        assert!(found.contains(fault.code()), "{fault}");
    }
    assert!(committed().len() >= 80);
}

#[test]
fn the_worked_example_of_the_specification_is_a_vector() {
    let text = fs::read_to_string(root().join("docs/spec/envelope.md")).unwrap();
    let block = text.split("<!-- example -->\n```text\n").nth(1).unwrap();
    let lines = block.split("```").next().unwrap().lines();
    let shown: String = lines.map(|line| &line[14..]).collect();
    let vector = &committed().into_iter().find(|(name, _)| name == "ok-example").unwrap().1;
    assert_eq!(shown, vector.envelope);
    assert!(text.contains(vector.data_key.as_deref().unwrap()));
}

#[test]
fn the_python_decoder_agrees_on_every_file() {
    let folder = root().join("vectors");
    let output = Command::new("python3")
        .arg(folder.join("decode.py"))
        .args(committed().iter().map(|(name, _)| folder.join(format!("{name}.json"))))
        .output()
        .expect("python3 is needed for this test, with `pip install cryptography`");
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(
        !err.contains("ModuleNotFoundError"),
        "this test needs `pip install cryptography`:\n{err}"
    );
    let closing = format!("{} passed, 0 failed", committed().len());
    assert!(output.status.success() && out.trim_end().ends_with(&closing), "{out}{err}");
}

/// The file is there and holds `expected`. `LLM_KEYS_WRITE_VECTORS=1` writes it if it is missing;
/// nothing changes one that is there.
fn check_file(path: &str, expected: &[u8]) {
    let full = root().join(path);
    if env::var_os("LLM_KEYS_WRITE_VECTORS").is_some() && !full.exists() {
        fs::write(&full, expected).unwrap();
    }
    let found = fs::read(&full).unwrap_or_default();
    assert!(found == expected, "{path} is missing or differs; see vectors/README.md");
}
