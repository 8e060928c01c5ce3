//! What a sealed block promises, and what an epoch does.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::block::{BlockHead, OVERHEAD, Purpose};
use crate::clock::ManualClock;
use crate::ids::{DatabaseId, Generation, SegmentId, TableId, TreeId};
use crate::provider::{ProviderError, aes_gcm, ring};
use crate::secret::SecretBytes32;

const SCOPE: Scope = Scope {
    database: DatabaseId::from_bytes([b'D'; 16]),
    table: TableId::from_bytes([b'T'; 16]),
    purpose: Purpose::Pages(TreeId::BASE),
};
const PLACE: LogPlace = LogPlace {
    segment: SegmentId::from_bytes([b'S'; 16]),
    sequence: 0x0102_0304_0506_0708,
};

fn table_key(byte: u8, generation: u32) -> Arc<TableKey> {
    Arc::new(TableKey::new(
        SecretBytes32::take(&mut [byte; 32]),
        Generation::new(generation),
    ))
}

fn sealing(limits: EpochLimits) -> Aes256Gcm {
    Aes256Gcm::new(&ring::PROVIDER, limits, Arc::new(ManualClock::new()))
}

fn sealer() -> Arc<dyn Sealer> {
    sealing(EpochLimits::default()).sealer(&table_key(1, 1), SCOPE)
}

fn place_of(kind: BlockKind) -> Option<LogPlace> {
    kind.has_place().then_some(PLACE)
}

/// A buffer with room around the text.
fn room(text: &[u8]) -> Vec<u8> {
    [&[0xEE; HEAD_LEN], text, &[0xEE; TAIL_LEN]].concat()
}

fn text_of(block: &[u8]) -> &[u8] {
    &block[HEAD_LEN..block.len() - TAIL_LEN]
}

fn sealed(sealer: &dyn Sealer, kind: BlockKind, text: &[u8]) -> Vec<u8> {
    let mut block = room(text);
    let tag = sealer.seal(kind, place_of(kind), &mut block).unwrap();
    assert_eq!(sealer.tag_of(&block), Some(tag));
    block
}

/// Opens a copy.
fn opened(sealer: &dyn Sealer, kind: BlockKind, block: &[u8]) -> Result<Vec<u8>, OpenError> {
    let mut block = block.to_vec();
    sealer.open(kind, place_of(kind), &mut block, None)?;
    Ok(text_of(&block).to_vec())
}

fn salt_of(block: &[u8]) -> [u8; 16] {
    BlockHead::parse(block).unwrap().salt
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn each_provider_opens_what_the_other_sealed(
        text in prop::collection::vec(any::<u8>(), 0..9000),
        kind in 0..8usize,
        key: u8,
        generation: u32,
        tree: u32,
    ) {
        let kind = BlockKind::ALL[kind];
        let scope = Scope { purpose: Purpose::Pages(TreeId::new(tree)), ..SCOPE };
        let key = table_key(key, generation);
        let providers = [&ring::PROVIDER, &aes_gcm::PROVIDER];
        let sealers = providers.map(|provider| {
            Aes256Gcm::new(provider, EpochLimits::default(), Arc::new(ManualClock::new())).sealer(&key, scope)
        });
        for one in &sealers {
            let block = sealed(&**one, kind, &text);
            prop_assert_eq!(block.len(), text.len() + OVERHEAD);
            prop_assert!(text.len() < 16 || text_of(&block) != text);
            for other in &sealers {
                prop_assert_eq!(&opened(&**other, kind, &block).unwrap(), &text);
            }
        }
    }

    #[test]
    fn any_bytes_are_refused_without_a_panic(bytes: Vec<u8>, head_like: bool) {
        let mut bytes = bytes;
        if head_like {
            bytes.splice(0..bytes.len().min(8), [0xDB, 1, 1, 1, 0, 0, 0, 1]);
        }
        crate::fuzzing::fuzz_block_head(&bytes);
    }
}

#[test]
fn blocks_of_format_1_open_for_ever() {
    let mut key = [0; 32];
    key.iter_mut()
        .zip(0..)
        .for_each(|(byte, index)| *byte = index);
    let key = Arc::new(TableKey::new(
        SecretBytes32::take(&mut key),
        Generation::new(7),
    ));
    let mut names = HashSet::new();
    for line in include_str!("../../testdata/blocks-v1.txt").lines() {
        let [name, block, text] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let (purpose, kind) = match name {
            "leaf" => (Purpose::Pages(TreeId::BASE), BlockKind::Leaf),
            "inner-of-tree-9" => (Purpose::Pages(TreeId::new(9)), BlockKind::Inner),
            "value" => (Purpose::Pages(TreeId::BASE), BlockKind::Value),
            "frame" => (Purpose::Log, BlockKind::LogFrame),
            "part" => (Purpose::Log, BlockKind::LogPart),
            "root" => (Purpose::Root, BlockKind::Root),
            "free-map" => (Purpose::Root, BlockKind::FreeMap),
            "audit" => (Purpose::Audit, BlockKind::AuditRecord),
            other => panic!("unknown fixture {other}"),
        };
        let text = if text == "-" {
            Vec::new()
        } else {
            from_hex(text)
        };
        for provider in [&ring::PROVIDER, &aes_gcm::PROVIDER] {
            let sealing = Aes256Gcm::new(
                provider,
                EpochLimits::default(),
                Arc::new(ManualClock::new()),
            );
            let sealer = sealing.sealer(&key, Scope { purpose, ..SCOPE });
            assert_eq!(
                opened(&*sealer, kind, &from_hex(block)),
                Ok(text.clone()),
                "{name}, {}",
                provider.name
            );
        }
        names.insert(name);
    }
    assert_eq!(names.len(), 8);
}

#[test]
fn no_bit_can_be_changed() {
    for provider in [&ring::PROVIDER, &aes_gcm::PROVIDER] {
        let sealing = Aes256Gcm::new(
            provider,
            EpochLimits::default(),
            Arc::new(ManualClock::new()),
        );
        let sealer = sealing.sealer(&table_key(1, 1), SCOPE);
        let text = b"a text of some length that must not come out";
        let block = sealed(&*sealer, BlockKind::Leaf, text);
        for bit in 0..block.len() * 8 {
            let mut bad = block.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let error = sealer
                .open(BlockKind::Leaf, None, &mut bad, None)
                .unwrap_err();
            match error {
                OpenError::NewerFormat { found } => assert!(bit / 8 == 1 && found > 1, "bit {bit}"),
                error => assert_eq!(error, OpenError::Unauthentic, "bit {bit}"),
            }
            assert!(
                !bad.windows(8)
                    .any(|window| text.windows(8).any(|part| part == window)),
                "bit {bit}"
            );
        }
        for len in 0..block.len() {
            assert_eq!(
                opened(&*sealer, BlockKind::Leaf, &block[..len]),
                Err(OpenError::Unauthentic),
                "cut to {len}"
            );
        }
        let longer = [&block[..], &[0]].concat();
        assert_eq!(
            opened(&*sealer, BlockKind::Leaf, &longer),
            Err(OpenError::Unauthentic)
        );
        assert_eq!(opened(&*sealer, BlockKind::Leaf, &block).unwrap(), text);
    }
}

#[test]
fn a_block_opens_only_where_it_was_sealed_for() {
    let sealing = sealing(EpochLimits::default());
    let key = table_key(1, 1);
    let scopes = [
        SCOPE,
        Scope {
            database: DatabaseId::from_bytes([9; 16]),
            ..SCOPE
        },
        Scope {
            table: TableId::from_bytes([9; 16]),
            ..SCOPE
        },
        Scope {
            table: TableId::SYSTEM,
            ..SCOPE
        },
        Scope {
            purpose: Purpose::Pages(TreeId::new(1)),
            ..SCOPE
        },
        Scope {
            purpose: Purpose::Log,
            ..SCOPE
        },
        Scope {
            purpose: Purpose::Root,
            ..SCOPE
        },
        Scope {
            purpose: Purpose::Audit,
            ..SCOPE
        },
    ];
    let sealers = scopes.map(|scope| sealing.sealer(&key, scope));
    for (home, at_home) in sealers.iter().enumerate() {
        for kind in BlockKind::ALL {
            let block = sealed(&**at_home, kind, b"at home");
            for (place, sealer) in sealers.iter().enumerate() {
                for as_kind in BlockKind::ALL {
                    let result = opened(&**sealer, as_kind, &block);
                    let right = home == place && kind == as_kind;
                    assert_eq!(
                        result.is_ok(),
                        right,
                        "sealed in {home} as {kind:?}, opened in {place} as {as_kind:?}"
                    );
                    assert!(right || result == Err(OpenError::Unauthentic));
                }
            }
        }
    }
}

#[test]
fn a_block_opens_only_under_its_key_and_generation() {
    let sealing = sealing(EpochLimits::default());
    let block = sealed(
        &*sealing.sealer(&table_key(1, 1), SCOPE),
        BlockKind::Leaf,
        b"text",
    );
    assert!(
        opened(
            &*sealing.sealer(&table_key(1, 1), SCOPE),
            BlockKind::Leaf,
            &block
        )
        .is_ok()
    );
    for other in [table_key(2, 1), table_key(1, 2)] {
        let result = opened(&*sealing.sealer(&other, SCOPE), BlockKind::Leaf, &block);
        assert_eq!(result, Err(OpenError::Unauthentic));
    }
}

#[test]
fn a_newer_key_seals_at_once_at_every_sealer_and_the_one_before_opens_until_it_is_let_go() {
    let sealing = sealing(EpochLimits::default());
    let keys = Arc::new(TableKeys::new(table_key(1, 1)));
    let (one, two) = (
        sealing.sealer_of(&keys, SCOPE),
        sealing.sealer_of(&keys, SCOPE),
    );
    let generation = |block: &[u8]| BlockHead::parse(block).unwrap().generation.get();
    let before = sealed(&*one, BlockKind::Leaf, b"before");
    assert_eq!(generation(&before), 1);
    assert!(
        !keys.succeed(table_key(2, 1)),
        "a key that is no newer follows none"
    );
    assert!(keys.succeed(table_key(2, 2)));
    assert!(!keys.succeed(table_key(3, 3)), "two at most");
    let after = sealed(&*one, BlockKind::Leaf, b"after");
    assert_eq!(generation(&after), 2, "also in an epoch that was going on");
    assert_eq!(generation(&sealed(&*two, BlockKind::Leaf, b"after")), 2);
    for block in [&before, &after] {
        assert!(opened(&*one, BlockKind::Leaf, block).is_ok());
        assert!(opened(&*two, BlockKind::Leaf, block).is_ok());
    }
    // A head that names the other generation is none of it.
    let mut forged = before.clone();
    forged[4..8].copy_from_slice(&2u32.to_be_bytes());
    assert!(opened(&*one, BlockKind::Leaf, &forged).is_err());

    let alone = sealing.sealer(keys.active(), SCOPE);
    assert!(opened(&*alone, BlockKind::Leaf, &after).is_ok());
    assert!(opened(&*alone, BlockKind::Leaf, &before).is_err());
}

#[test]
fn a_log_block_is_bound_to_its_place() {
    let sealer = sealing(EpochLimits::default()).sealer(
        &table_key(1, 1),
        Scope {
            purpose: Purpose::Log,
            ..SCOPE
        },
    );
    let block = sealed(&*sealer, BlockKind::LogPart, b"part");
    let elsewhere = [
        None,
        Some(LogPlace {
            sequence: PLACE.sequence + 1,
            ..PLACE
        }),
        Some(LogPlace {
            segment: SegmentId::from_bytes([0; 16]),
            ..PLACE
        }),
    ];
    for at in elsewhere {
        let result = sealer.open(BlockKind::LogPart, at, &mut block.clone(), None);
        assert_eq!(result, Err(OpenError::Unauthentic), "{at:?}");
    }
    let page = sealed(&*sealer, BlockKind::Leaf, b"page");
    assert_eq!(
        sealer.open(BlockKind::Leaf, Some(PLACE), &mut page.clone(), None),
        Err(OpenError::Unauthentic)
    );
}

#[test]
fn sealing_takes_a_place_exactly_for_kinds_that_have_one() {
    let sealer = sealer();
    for kind in BlockKind::ALL {
        let wrong = if kind.has_place() { None } else { Some(PLACE) };
        assert_eq!(
            sealer.seal(kind, wrong, &mut room(b"text")),
            Err(SealError::Place),
            "{kind:?}"
        );
    }
}

#[test]
fn the_expected_tag_must_be_the_blocks() {
    let sealer = sealer();
    let old = sealed(&*sealer, BlockKind::Leaf, b"the same page");
    let new = sealed(&*sealer, BlockKind::Leaf, b"the same page");
    let tag = sealer.tag_of(&new).unwrap();
    assert_eq!(
        sealer.open(BlockKind::Leaf, None, &mut new.clone(), Some(&tag)),
        Ok(())
    );
    assert_eq!(
        sealer.open(BlockKind::Leaf, None, &mut old.clone(), Some(&tag)),
        Err(OpenError::Unauthentic)
    );
    assert_eq!(
        sealer.open(BlockKind::Leaf, None, &mut old.clone(), None),
        Ok(())
    );
}

#[test]
fn the_smallest_block_is_head_and_tail() {
    let sealer = sealer();
    assert_eq!((sealer.head_len(), sealer.tail_len()), (36, 16));
    let block = sealed(&*sealer, BlockKind::Leaf, b"");
    assert_eq!(opened(&*sealer, BlockKind::Leaf, &block), Ok(Vec::new()));
    assert_eq!(
        sealer.seal(BlockKind::Leaf, None, &mut [0; 51]),
        Err(SealError::TooShort)
    );
    assert_eq!(sealer.tag_of(&[0; 51]), None);
    assert!(sealer.tag_of(&[0; 52]).is_some());
}

#[test]
fn every_sealer_has_an_epoch_of_its_own() {
    let sealing = sealing(EpochLimits::default());
    let key = table_key(1, 1);
    let (one, two) = (sealing.sealer(&key, SCOPE), sealing.sealer(&key, SCOPE));
    let first = sealed(&*one, BlockKind::Leaf, b"");
    assert_eq!(
        salt_of(&first),
        salt_of(&sealed(&*one, BlockKind::Leaf, b""))
    );
    assert_ne!(
        salt_of(&first),
        salt_of(&sealed(&*two, BlockKind::Leaf, b""))
    );
    assert!(
        opened(&*two, BlockKind::Leaf, &first).is_ok(),
        "reopened databases open what was sealed before"
    );
}

#[test]
fn a_new_epoch_begins_when_a_limit_is_met() {
    let clock = Arc::new(ManualClock::new());
    let limits = EpochLimits {
        max_age: Duration::from_secs(60),
        max_messages: 3,
        max_bytes: 1000,
        ..EpochLimits::default()
    };
    let sealer =
        Aes256Gcm::new(&ring::PROVIDER, limits, clock.clone()).sealer(&table_key(1, 1), SCOPE);
    let salt = |len: usize| salt_of(&sealed(&*sealer, BlockKind::Leaf, &vec![0; len]));

    let first = salt(10);
    assert_eq!((salt(10), salt(10)), (first, first));
    let second = salt(10);
    assert_ne!(second, first, "after three messages");

    assert_eq!(salt(990), second);
    let third = salt(1);
    assert_ne!(third, second, "after 1,000 bytes");

    clock.advance(Duration::from_secs(59));
    assert_eq!(salt(1), third);
    clock.advance(Duration::from_secs(1));
    assert_ne!(salt(1), third, "after a minute");
}

#[test]
fn threads_never_pass_a_limit_nor_reuse_salt_and_nonce() {
    for limits in [
        EpochLimits {
            max_messages: 7,
            ..EpochLimits::default()
        },
        EpochLimits {
            max_messages: 1,
            ..EpochLimits::default()
        },
        EpochLimits {
            max_bytes: 300,
            ..EpochLimits::default()
        },
    ] {
        let key = table_key(1, 1);
        let shared = sealing(limits).sealer(&key, SCOPE);
        let blocks: Vec<Vec<u8>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4u8)
                .map(|thread| {
                    let shared = &shared;
                    scope.spawn(move || {
                        (0..500)
                            .map(|_| sealed(&**shared, BlockKind::Leaf, &[thread; 50]))
                            .collect::<Vec<_>>()
                    })
                })
                .collect();
            threads
                .into_iter()
                .flat_map(|thread| thread.join().unwrap())
                .collect()
        });
        assert_eq!(blocks.len(), 2000);

        let mut messages: HashMap<[u8; 16], u64> = HashMap::new();
        let mut used = HashSet::new();
        let reader = sealing(EpochLimits::default()).sealer(&key, SCOPE);
        for block in &blocks {
            let head = BlockHead::parse(block).unwrap();
            *messages.entry(head.salt).or_default() += 1;
            assert!(
                used.insert((head.salt, head.nonce)),
                "salt and nonce used twice"
            );
            assert!(opened(&*reader, BlockKind::Leaf, block).is_ok());
            assert!(opened(&*shared, BlockKind::Leaf, block).is_ok());
        }
        let most = messages.values().copied().max().unwrap();
        assert!(
            most <= limits.max_messages && most * 50 <= limits.max_bytes,
            "{most} messages in one epoch"
        );
        assert!(messages.len() >= 2000 / 7, "{} epochs", messages.len());
    }
}

/// The default provider with a derivation that counts.
static COUNTING: Provider = Provider {
    name: "counting",
    hkdf_sha256: |secret, salt, info, out| {
        DERIVATIONS.fetch_add(1, Ordering::SeqCst);
        (ring::PROVIDER.hkdf_sha256)(secret, salt, info, out)
    },
    ..ring::PROVIDER
};
static DERIVATIONS: AtomicUsize = AtomicUsize::new(0);

#[test]
fn a_salt_is_derived_once_and_forged_heads_displace_nothing() {
    let derivations = || DERIVATIONS.swap(0, Ordering::SeqCst);
    let limits = EpochLimits {
        derived_key_cache: 1,
        ..EpochLimits::default()
    };
    let reader = Aes256Gcm::new(&COUNTING, limits, Arc::new(ManualClock::new()))
        .sealer(&table_key(1, 1), SCOPE);
    let block = sealed(&*sealer(), BlockKind::Leaf, b"text");
    let other = sealed(&*sealer(), BlockKind::Leaf, b"text");
    derivations();

    for _ in 0..3 {
        assert!(opened(&*reader, BlockKind::Leaf, &block).is_ok());
    }
    assert_eq!(derivations(), 1);

    let mut forged = block.clone();
    forged[8] ^= 1;
    assert!(opened(&*reader, BlockKind::Leaf, &forged).is_err());
    assert_eq!(derivations(), 1, "the forged salt");
    assert!(opened(&*reader, BlockKind::Leaf, &block).is_ok());
    assert_eq!(derivations(), 0, "the good one is still there");

    assert!(opened(&*reader, BlockKind::Leaf, &other).is_ok());
    assert!(opened(&*reader, BlockKind::Leaf, &block).is_ok());
    assert_eq!(derivations(), 2, "room for one key only");
}

/// The default provider with a generator that can fail.
static MOODY: Provider = Provider {
    name: "moody",
    random: |out| {
        if BROKEN.load(Ordering::SeqCst) {
            Err(ProviderError)
        } else {
            (ring::PROVIDER.random)(out)
        }
    },
    ..ring::PROVIDER
};
static BROKEN: AtomicBool = AtomicBool::new(true);

#[test]
fn without_randomness_nothing_is_sealed() {
    let sealing = Aes256Gcm::new(&MOODY, EpochLimits::default(), Arc::new(ManualClock::new()));
    let sealer = sealing.sealer(&table_key(1, 1), SCOPE);
    let mut block = room(b"text");
    assert_eq!(
        sealer.seal(BlockKind::Leaf, None, &mut block),
        Err(SealError::Provider(ProviderError))
    );
    BROKEN.store(false, Ordering::SeqCst);
    assert!(sealer.seal(BlockKind::Leaf, None, &mut block).is_ok());
}

#[test]
fn debug_prints_no_key() {
    let printed = format!("{:?}", sealing(EpochLimits::default()));
    assert!(
        printed.contains("ring") && printed.contains("max_messages"),
        "{printed}"
    );
    assert!(!format!("{:?}", table_key(0xA5, 1)).contains("165"));
}

fn from_hex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}
