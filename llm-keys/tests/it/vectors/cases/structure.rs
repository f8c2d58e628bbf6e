//! Envelopes whose structure is wrong: refused before any key is asked for. All else in them is
//! right: tags and MACs are made over what stands there.

use super::Cases;
use crate::vectors::draft::Draft;

pub(super) fn add(cases: &mut Cases) {
    truncated(cases);
    fixed_part(cases);
    counts(cases);
    key_uris(cases);
    sizes(cases);
}

fn truncated(cases: &mut Cases) {
    let draft = Draft::new("truncated");
    let bytes = draft.seal().bytes();
    // One copy: URI `test:one` of 8 bytes, blob of 40 bytes.
    let places = [
        (0, "empty", "nothing at all"),
        (2, "in-magic", "inside the magic"),
        (3, "after-magic", "after the magic"),
        (4, "after-version", "after the version"),
        (5, "in-suite", "inside the suite"),
        (6, "after-suite", "after the suite"),
        (8, "after-flags", "after the flags"),
        (20, "in-message-id", "inside the message id"),
        (40, "after-message-id", "after the message id"),
        (72, "after-context-hash", "after the context hash"),
        (73, "after-content", "after the content type"),
        (74, "after-count", "after the number of copies"),
        (75, "in-uri-length", "inside the length of a key URI"),
        (76, "after-uri-length", "after the length of a key URI"),
        (80, "in-uri", "inside a key URI"),
        (84, "after-uri", "after a key URI"),
        (86, "after-blob-length", "after the length of a blob"),
        (100, "in-blob", "inside a blob"),
        (126, "after-copies", "after the wrapped data keys"),
        (140, "in-commitment", "inside the commitment"),
        (158, "after-commitment", "after the commitment"),
        (190, "after-header-mac", "after the header MAC"),
        (195, "in-nonce", "inside the nonce"),
        (202, "after-nonce", "after the nonce"),
        (203, "in-length", "inside the ciphertext's length"),
        (204, "after-length", "after the ciphertext's length"),
        (213, "in-ciphertext", "inside the ciphertext"),
        (222, "after-ciphertext", "after the ciphertext"),
        (237, "in-tag", "inside the tag"),
    ];
    assert_eq!(bytes.len(), 238);
    for (at, name, place) in places {
        let about = format!("Ends after {at} bytes: {place}.");
        cases.bad("envelope_truncated", name, &about, &draft, bytes[..at].to_vec());
    }
    let about = "The count says two, and the bytes end after the first copy.";
    let draft = Draft { count: Some(2), ..draft };
    cases.bad(
        "envelope_truncated",
        "missing-copy",
        about,
        &draft,
        draft.seal().bytes()[..126].into(),
    );

    let draft = Draft::new("trailing");
    let bytes = draft.seal().bytes();
    for (name, about, tail) in [
        ("zero", "A zero byte follows.", vec![0]),
        ("newline", "A newline follows.", vec![b'\n']),
        ("envelope", "The same envelope follows.", bytes.clone()),
    ] {
        cases.bad("envelope_trailing", name, about, &draft, [&*bytes, &tail].concat());
    }
}

fn fixed_part(cases: &mut Cases) {
    for (name, magic) in [("lower-case", b"lke"), ("other", b"LKF"), ("zero", b"\0\0\0")] {
        let draft = Draft { magic: *magic, ..Draft::new("magic") };
        cases.bad("envelope_magic", name, "Not the magic bytes.", &draft, draft.seal().bytes());
    }
    let text = b"0123456789abcdef0123456789abcdef:fedcba98:00112233445566778899".to_vec();
    let about = "Another format, `iv:tag:ciphertext` in hexadecimal.";
    cases.bad("envelope_magic", "legacy", about, &Draft::new("legacy"), text);

    for version in [0, 2, 255] {
        let draft = Draft { version, ..Draft::new("version") };
        let about = format!("Version {version}.");
        let bytes = draft.seal().bytes();
        cases.bad("envelope_version", &version.to_string(), &about, &draft, bytes);
    }
    for suite in [0x0000, 0x0002, 0x0100, 0xffff] {
        let draft = Draft { suite, ..Draft::new("suite") };
        let (name, about) = (format!("{suite:04x}"), format!("Suite {suite:#06x}."));
        cases.bad("envelope_suite", &name, &about, &draft, draft.seal().bytes());
    }
    for flags in [0x0002, 0x0003, 0x0100, 0x8000] {
        let draft = Draft { flags, ..Draft::new("flags") };
        let (name, about) = (format!("{flags:04x}"), format!("Flags {flags:#06x}."));
        cases.bad("envelope_flags", &name, &about, &draft, draft.seal().bytes());
    }
    for content in [0, 3, 255] {
        let draft = Draft { content, ..Draft::new("content") };
        let about = format!("Content type {content}.");
        let bytes = draft.seal().bytes();
        cases.bad("envelope_content", &content.to_string(), &about, &draft, bytes);
    }
}

fn counts(cases: &mut Cases) {
    for count in [0, 9, 255] {
        let draft = Draft::new("wrapped-count").with_copies(count);
        let about = format!("{count} wrapped data keys.");
        let bytes = draft.seal().bytes();
        cases.bad("envelope_wrapped_count", &count.to_string(), &about, &draft, bytes);
    }
    for (name, about, first, again) in [
        ("neighbours", "The same key URI twice in a row.", 0, 1),
        ("first-and-last", "The last of eight names the first one's key.", 0, 7),
    ] {
        let mut draft = Draft::new("wrapped-duplicate").with_copies(8);
        draft.wrapped[again].0 = draft.wrapped[first].0.clone();
        let bytes = draft.seal().bytes();
        cases.bad("envelope_wrapped_duplicate", name, about, &draft, bytes);
    }
    let mut draft = Draft::new("wrapped-duplicate").with_copies(2);
    draft.wrapped[1] = draft.wrapped[0].clone();
    let about = "The same copy twice, blob and all.";
    cases.bad("envelope_wrapped_duplicate", "same-blob", about, &draft, draft.seal().bytes());
}

fn key_uris(cases: &mut Cases) {
    let long = format!("x:{}", "a".repeat(511));
    let uris: [(&str, &str, &[u8]); 16] = [
        ("empty", "An empty key URI.", b""),
        ("too-long", "A key URI of 513 bytes.", long.as_bytes()),
        ("not-ascii", "A key URI with an umlaut.", "test:schlüssel".as_bytes()),
        ("not-utf8", "A key URI that is not UTF-8.", b"test:\xff\xfe"),
        ("no-scheme", "A key URI without a colon.", b"one"),
        ("empty-scheme", "A key URI that starts with its colon.", b":one"),
        ("scheme-only", "A key URI that ends with its colon.", b"test:"),
        ("upper-case-scheme", "A scheme in upper case.", b"Test:one"),
        ("digit-scheme", "A scheme that starts with a digit.", b"1test:one"),
        ("dot-scheme", "A scheme with a dot.", b"te.st:one"),
        ("underscore-scheme", "A scheme with an underscore.", b"te_st:one"),
        ("space", "A space inside a key URI.", b"test:o ne"),
        ("trailing-space", "A space at the end of a key URI.", b"test:one "),
        ("nul", "A NUL byte in a key URI.", b"test:one\0"),
        ("newline", "A newline in a key URI.", b"test:one\n"),
        ("delete", "A DEL byte in a key URI.", b"test:one\x7f"),
    ];
    for (name, about, uri) in uris {
        let draft = Draft::new("wrapped-uri").with_wrapped(uri, &[7; 40]);
        cases.bad("envelope_wrapped_uri", name, about, &draft, draft.seal().bytes());
    }
    let mut draft = Draft::new("wrapped-uri").with_copies(8);
    draft.wrapped[7].0 = b"test".to_vec();
    let about = "Only the last of eight key URIs is wrong.";
    cases.bad("envelope_wrapped_uri", "last-of-eight", about, &draft, draft.seal().bytes());
}

fn sizes(cases: &mut Cases) {
    for len in [0, 4097] {
        let draft = Draft::new("wrapped-blob").with_wrapped(b"test:one", &vec![7; len]);
        let about = format!("A wrapped data key of {len} bytes.");
        let bytes = draft.seal().bytes();
        cases.bad("envelope_wrapped_blob", &len.to_string(), &about, &draft, bytes);
    }
    for len in [0, 16385] {
        let draft = Draft { plaintext: vec![b'x'; len], ..Draft::new("ciphertext-size") };
        let about = format!("A ciphertext of {len} bytes.");
        let bytes = draft.seal().bytes();
        cases.bad("envelope_ciphertext_size", &len.to_string(), &about, &draft, bytes);
    }
}
