//! CR1: the primitives, as the envelope uses them, against Project Wycheproof's vectors.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, hmac};
use wycheproof::TestResult;

#[test]
fn aes_256_gcm() {
    let set = wycheproof::aead::TestSet::load(wycheproof::aead::TestName::AesGcm).unwrap();
    let (mut valid, mut invalid, mut refused) = (0, 0, 0);
    for group in set.test_groups {
        for test in group.tests {
            let id = test.tc_id;
            if group.key_size != 256 {
                // A data key has 32 bytes by its type, and so has what is derived from it.
                assert!(UnboundKey::new(&AES_256_GCM, &test.key).is_err(), "{id}");
                refused += 1;
                continue;
            }
            let Ok(nonce) = Nonce::try_assume_unique_for_key(&test.nonce) else {
                assert_ne!(test.nonce.len(), NONCE_LEN, "{id}");
                refused += 1;
                continue;
            };
            assert_eq!((group.nonce_size, group.tag_size), (96, 128), "{id}");
            let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &test.key).unwrap());
            let mut plaintext = vec![0xaa; test.ct.len()];
            let aad = Aad::from(&*test.aad);
            let opened = key.open_separate_gather(nonce, aad, &test.ct, &test.tag, &mut plaintext);
            match test.result {
                TestResult::Valid | TestResult::Acceptable => {
                    assert_eq!((opened, &plaintext), (Ok(()), &*test.pt), "{id}");
                    assert_seals(&key, &test);
                    valid += 1;
                }
                TestResult::Invalid => {
                    assert!(opened.is_err(), "{id}");
                    // CR6: nothing of the plaintext is left where it would have come out.
                    assert!(plaintext.iter().all(|&byte| byte == 0), "{id}");
                    invalid += 1;
                }
            }
        }
    }
    assert_eq!(valid + invalid + refused, set.number_of_tests);
    assert!(valid > 30 && invalid > 20 && refused > 100, "{valid} {invalid} {refused}");
}

fn assert_seals(key: &LessSafeKey, test: &wycheproof::aead::Test) {
    let nonce = Nonce::try_assume_unique_for_key(&test.nonce).unwrap();
    let (mut ciphertext, mut tag) = (vec![0; test.pt.len()], [0; 16]);
    let aad = Aad::from(&*test.aad);
    key.seal_out_of_place_scatter(nonce, aad, &test.pt, &mut ciphertext, &[], &mut tag).unwrap();
    assert_eq!((&ciphertext, tag.as_slice()), (&*test.ct, test.tag.as_slice()), "{}", test.tc_id);
}

#[test]
fn hkdf_sha_512() {
    let set = wycheproof::hkdf::TestSet::load(wycheproof::hkdf::TestName::HkdfSha512).unwrap();
    let mut checked = 0;
    for test in set.test_groups.into_iter().flat_map(|group| group.tests) {
        let mut okm = vec![0; test.size];
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA512, &test.salt).extract(&test.ikm);
        let filled =
            prk.expand(&[&test.info], Len(test.size)).and_then(|expanded| expanded.fill(&mut okm));
        match test.result {
            TestResult::Valid | TestResult::Acceptable => {
                assert_eq!((filled, &okm), (Ok(()), &*test.okm), "{}", test.tc_id);
            }
            TestResult::Invalid => assert!(filled.is_err(), "{}", test.tc_id),
        }
        checked += 1;
    }
    assert_eq!(checked, set.number_of_tests);
}

#[test]
fn hmac_sha_256() {
    let set = wycheproof::mac::TestSet::load(wycheproof::mac::TestName::HmacSha256).unwrap();
    let mut checked = 0;
    for group in set.test_groups {
        for test in group.tests {
            let key = hmac::Key::new(hmac::HMAC_SHA256, &test.key);
            let tag = hmac::sign(&key, &test.msg);
            // The envelope's MAC has its full length; the shorter tags are prefixes of it.
            let same = tag.as_ref()[..group.tag_size / 8] == *test.tag;
            assert_eq!(same, test.result != TestResult::Invalid, "{}", test.tc_id);
            let full = group.tag_size == 256;
            let verified = hmac::verify(&key, &test.msg, &test.tag).is_ok();
            assert_eq!(verified, full && same, "{}", test.tc_id);
            checked += 1;
        }
    }
    assert_eq!(checked, set.number_of_tests);
}

struct Len(usize);

impl hkdf::KeyType for Len {
    fn len(&self) -> usize {
        self.0
    }
}
