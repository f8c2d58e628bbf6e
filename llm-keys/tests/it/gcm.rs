//! The algebra of AES-GCM, enough to make one ciphertext whose tag verifies under two keys. That
//! this is easy is why an envelope carries a commitment.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

/// A ciphertext and a tag that AES-256-GCM accepts under `keys[0]` and under `keys[1]`. Decrypted
/// under `keys[i]`, block `i` reads `texts[i]`; the third block is what makes the tags agree.
pub(crate) fn two_key_collision(
    keys: [&[u8; 32]; 2],
    nonce: [u8; 12],
    aad: &[u8],
    texts: [&[u8; 16]; 2],
) -> (Vec<u8>, [u8; 16]) {
    let keys = keys.map(Key::new);
    let mut ciphertext = vec![0; 48];
    for (at, (key, text)) in keys.iter().zip(texts).enumerate() {
        let stream = key.seal(nonce, &[], &[0; 48]).0;
        for (i, byte) in text.iter().enumerate() {
            ciphertext[16 * at + i] = byte ^ stream[16 * at + i];
        }
    }
    // Tag(k) = mask(k) + sum of block(i) * h(k)^(n - i). With all blocks but one given, both tags
    // are equal for exactly one value of that block: solve for it.
    let n = aad.len().div_ceil(16) + 3 + 1;
    let free = n - 2;
    let [(h0, t0), (h1, t1)] = keys.map(|key| {
        let h = key.hash_key(nonce);
        (h, key.mask(nonce) ^ ghash(h, aad, &ciphertext))
    });
    let exponent = n - free;
    let block = mul(t0 ^ t1, inverse(power(h0, exponent) ^ power(h1, exponent)));
    ciphertext[32..].copy_from_slice(&block.to_be_bytes());
    let tag = t0 ^ mul(block, power(h0, exponent));
    (ciphertext, tag.to_be_bytes())
}

struct Key(LessSafeKey);

impl Key {
    fn new(key: &[u8; 32]) -> Self {
        Self(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).unwrap()))
    }

    fn seal(&self, nonce: [u8; 12], aad: &[u8], plaintext: &[u8]) -> (Vec<u8>, u128) {
        let mut buffer = plaintext.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self.0.seal_in_place_separate_tag(nonce, Aad::from(aad), &mut buffer).unwrap();
        (buffer, u128::from_be_bytes(tag.as_ref().try_into().unwrap()))
    }

    /// What is added to the hash to make the tag. The hash of nothing is zero, so it is the tag of
    /// nothing.
    fn mask(&self, nonce: [u8; 12]) -> u128 {
        self.seal(nonce, &[], &[]).1
    }

    /// The key of GHASH: with one zero block as associated data, the tag is the mask plus the
    /// length block times this key.
    fn hash_key(&self, nonce: [u8; 12]) -> u128 {
        let tag = self.seal(nonce, &[0; 16], &[]).1;
        mul(tag ^ self.mask(nonce), inverse(lengths(16, 0)))
    }
}

fn ghash(h: u128, aad: &[u8], ciphertext: &[u8]) -> u128 {
    let block = |chunk: &[u8]| {
        let mut block = [0; 16];
        block[..chunk.len()].copy_from_slice(chunk);
        u128::from_be_bytes(block)
    };
    aad.chunks(16)
        .chain(ciphertext.chunks(16))
        .map(block)
        .chain([lengths(aad.len(), ciphertext.len())])
        .fold(0, |hash, block| mul(hash ^ block, h))
}

fn lengths(aad: usize, ciphertext: usize) -> u128 {
    (aad as u128 * 8) << 64 | (ciphertext as u128 * 8)
}

/// Multiplication in GF(2^128) as GCM writes it: the highest bit is the coefficient of x^0.
fn mul(a: u128, b: u128) -> u128 {
    let mut shifted = a;
    (0..128).rev().fold(0, |product, bit| {
        let term = if b >> bit & 1 == 1 { shifted } else { 0 };
        shifted = shifted >> 1 ^ if shifted & 1 == 1 { 0xe1 << 120 } else { 0 };
        product ^ term
    })
}

const ONE: u128 = 1 << 127;

fn power(base: u128, exponent: usize) -> u128 {
    (0..exponent).fold(ONE, |product, _| mul(product, base))
}

/// The group has 2^128 - 1 elements, so that a^(2^128 - 2) is the inverse of a.
fn inverse(a: u128) -> u128 {
    let mut square = a;
    (1..128).fold(ONE, |product, _| {
        square = mul(square, square);
        mul(product, square)
    })
}

#[test]
fn the_field_is_the_one_of_gcm() {
    let (a, b) =
        (0x0388_dace_60b6_a392_f328_c2b9_71b2_fe78, 0x66e9_4bd4_ef8a_2c3b_884c_fa59_ca34_2b2e);
    // From test case 2 of the GCM specification.
    assert_eq!(mul(a, b), 0x5e2e_c746_9170_6288_2c85_b068_5353_deb7);
    assert_eq!(mul(a, inverse(a)), ONE);
}
