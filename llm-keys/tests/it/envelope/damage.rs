//! CR2: every single-bit flip, every truncation and every extension by one byte of 50 envelopes of
//! different shapes. Nothing is sampled.

use llm_keys::error::IntegrityFault as Fault;

use super::Sample;

const SAMPLES: usize = 50;

#[test]
fn every_bit_flip_is_refused_for_the_right_reason() {
    for sample in samples() {
        let mut bytes = sample.envelope.as_bytes().to_vec();
        let places = Places::of(&sample);
        for bit in 0..bytes.len() * 8 {
            let (at, mask) = (bit / 8, 0x80 >> (bit % 8));
            bytes[at] ^= mask;
            let fault = sample.fault(&bytes);
            assert!(places.explains(at, mask, fault), "byte {at}, mask {mask:#04x}: {fault}");
            bytes[at] ^= mask;
        }
        sample.open(&bytes).unwrap();
    }
}

#[test]
fn every_truncation_is_refused() {
    for sample in samples() {
        let bytes = sample.envelope.as_bytes();
        for len in 0..bytes.len() {
            assert_eq!(sample.fault(&bytes[..len]), Fault::Truncated, "{len}");
        }
    }
}

#[test]
fn every_extension_is_refused() {
    for sample in samples() {
        for byte in 0..=255 {
            let bytes = [sample.envelope.as_bytes(), &[byte]].concat();
            assert_eq!(sample.fault(&bytes), Fault::Trailing);
        }
    }
}

/// What a changed byte may be refused for, by where it stands.
struct Places {
    commit: usize,
    len: usize,
}

impl Places {
    fn of(sample: &Sample) -> Self {
        let len = sample.envelope.as_bytes().len();
        Self { commit: len - 16 - sample.plaintext.len() - 2 - 12 - 32 - 32, len }
    }

    fn explains(&self, at: usize, mask: u8, fault: Fault) -> bool {
        let Self { commit, len } = *self;
        match at {
            0..3 => fault == Fault::Magic,
            3 => fault == Fault::Version,
            4..6 => fault == Fault::Suite,
            7 if mask == 1 => fault == Fault::HeaderMac,
            6..8 => fault == Fault::Flags,
            8..40 => fault == Fault::Commitment,
            40..72 => fault == Fault::Context,
            72 => fault == Fault::Content,
            // A length or a count may shift all that follows; past that, the MAC is what sees it.
            at if at < commit => !matches!(fault, Fault::Context | Fault::Tag),
            at if at < commit + 32 => fault == Fault::Commitment,
            at if at < commit + 64 => fault == Fault::HeaderMac,
            at if at < commit + 76 => fault == Fault::Tag,
            at if at < commit + 78 => {
                matches!(fault, Fault::CiphertextSize | Fault::Truncated | Fault::Trailing)
            }
            at => at < len && fault == Fault::Tag,
        }
    }
}

fn samples() -> impl Iterator<Item = Sample> {
    (0..SAMPLES).map(|i| Sample::new(&i.to_string()))
}
