//! Every fuzz target for a moment, on stable: a small corpus, mutations of it, and random bytes, from a seed.
//!
//! The targets are plain functions of bytes that assert what their rooms promise of foreign bytes: no panic, and what is accepted
//! survives the round trip. `make fuzz` gives the same functions to a coverage-guided fuzzer.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::time::{Duration, Instant};

use sealdb_model::ops::{PutItemInput, QueryInput};
use sealdb_model::{AttributeValue, Item, codec};

/// Per target; SEALDB_FUZZ_MS overrides.
const MOMENT: Duration = Duration::from_millis(700);

/// splitmix64: small, seeded, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap()
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next().to_le_bytes()[0]).collect()
    }

    /// One change that a careless disk or a careful attacker might make.
    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            bytes.extend(self.bytes(8));
            return;
        }
        let at = self.below(bytes.len());
        match self.below(6) {
            0 => bytes[at] ^= 1 << self.below(8),
            1 => bytes[at] = [0, 1, 0x7F, 0x80, 0xFF][self.below(5)],
            2 => bytes.truncate(at),
            3 => bytes.insert(at, self.next().to_le_bytes()[0]),
            4 => {
                let more = self.below(40);
                bytes.extend(self.bytes(more));
            }
            _ => {
                let to = self.below(bytes.len());
                bytes.swap(at, to);
            }
        }
    }
}

/// Runs a target over its corpus, mutations of it, and random bytes. Returns how many inputs it saw.
fn run(name: &str, corpus: &[Vec<u8>], target: impl Fn(&[u8])) -> u64 {
    let moment = std::env::var("SEALDB_FUZZ_MS")
        .map_or(MOMENT, |ms| Duration::from_millis(ms.parse().unwrap()));
    let mut dice = Dice(name.bytes().fold(7, |seed, byte| {
        seed.wrapping_mul(31).wrapping_add(u64::from(byte))
    }));
    corpus.iter().for_each(|input| target(input));
    let mut inputs = corpus.len() as u64;
    #[allow(clippy::disallowed_methods)] // how long to go on, nothing else
    let begun = Instant::now();
    while begun.elapsed() < moment {
        for _ in 0..64 {
            let mut input = match corpus.len() {
                0 => Vec::new(),
                n => corpus[dice.below(n)].clone(),
            };
            if dice.below(8) == 0 {
                let len = dice.below(300);
                input = dice.bytes(len);
            }
            for _ in 0..=dice.below(5) {
                dice.mutate(&mut input);
            }
            target(&input);
            inputs += 1;
        }
    }
    println!("{name}: {inputs} inputs");
    inputs
}

fn items() -> Vec<Item> {
    let nested = AttributeValue::L(vec![
        AttributeValue::M(Item::from([("deep", AttributeValue::Null)])),
        AttributeValue::Bool(true),
        AttributeValue::Ss(vec!["a".into(), "b".into()]),
        AttributeValue::Ns(vec!["1".parse().unwrap(), "-2.5".parse().unwrap()]),
        AttributeValue::Bs(vec![vec![0], vec![1, 2]]),
    ]);
    vec![
        Item::new(),
        Item::from([
            ("pk", AttributeValue::from("a")),
            ("n", "1e-130".parse().map(AttributeValue::N).unwrap()),
        ]),
        Item::from([("pk", AttributeValue::B(vec![0, 255])), ("nested", nested)]),
    ]
}

/// Bodies of the DynamoDB protocol.
fn requests() -> Vec<Vec<u8>> {
    let item = r#"{"pk": {"S": "a\u00e9\ud83d\ude00"}, "n": {"N": "1e5"}, "l": {"L": [{"NULL": true}, {"BS": ["AA=="]}]}}"#;
    [
        format!(r#"{{"TableName": "abc", "Item": {item}, "Expected": {{"a": {{"Exists": false}}}}}}"#),
        format!(r#"{{"RequestItems": {{"abc": [{{"PutRequest": {{"Item": {item}}}}}]}}}}"#),
        format!(r#"{{"TransactItems": [{{"Put": {{"TableName": "abc", "Item": {item}}}}}]}}"#),
        r#"{"TableName": "abc", "KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}], "AttributeDefinitions": []}"#.to_owned(),
        r#"{"TableName": "abc", "GlobalSecondaryIndexUpdates": [{"Create": {"IndexName": "iii", "KeySchema": [], "Projection": {}}}]}"#.to_owned(),
        r#"{"TableName": "abc", "TimeToLiveSpecification": {"AttributeName": "a", "Enabled": true}, "Tags": [{"Key": "k", "Value": "v"}]}"#.to_owned(),
        r#"{"Statements": [{"Statement": "SELECT * FROM abc", "Parameters": [{"S": "a"}]}], "ReturnConsumedCapacity": "TOTAL"}"#.to_owned(),
        r##"{"TableName": "abc", "Limit": 1.5e3, "ScanIndexForward": false, "ExpressionAttributeNames": {"#a": "b"}}"##.to_owned(),
    ]
    .map(String::into_bytes)
    .into()
}

/// Path, authorization, date and body of a signed request.
fn signed() -> Vec<Vec<u8>> {
    let credential = "Credential=AKID/20150830/us-east-1/dynamodb/aws4_request";
    let signature = "a".repeat(64);
    [
        format!(
            "/\nAWS4-HMAC-SHA256 {credential}, SignedHeaders=host;x-amz-target, Signature={signature}\n20150830T123600Z\n{{}}"
        ),
        format!(
            "/a/../b?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20150830T123600Z&X-Amz-SignedHeaders=host%3Bx-amz-target\
             &X-Amz-{credential}&X-Amz-Signature={signature}\n\n\n"
        ),
    ]
    .map(String::into_bytes)
    .into()
}

/// What callers are given to hand back.
fn handed_back() -> Vec<Vec<u8>> {
    let stream =
        "arn:aws:dynamodb:us-east-1:000000000000:table/films/stream/2015-05-20T20:51:10.252";
    let mut after = Vec::new();
    codec::encode_item(&Item::from([("pk", AttributeValue::from("a"))]), &mut after).unwrap();
    let key: String = after.iter().map(|byte| format!("{byte:02x}")).collect();
    [
        "arn:aws:dynamodb:us-east-1:000000000000:table/films".to_owned(),
        stream.to_owned(),
        format!("{stream}|1|{}", "0".repeat(40)),
        format!("1{}", "0".repeat(20)),
        format!("{}00000001{key}", "0123456789abcdef"),
    ]
    .map(String::into_bytes)
    .into()
}

/// A real one.
fn keyring_file() -> Vec<u8> {
    let home = sealdb_tests::disk::Home::new();
    drop(home.keyring());
    std::fs::read(
        home.keyring_dir()
            .join(sealdb_crypto::keyring::KEYRING_FILE),
    )
    .unwrap()
}

#[test]
fn every_target_keeps_its_promises_over_corpus_and_generated_inputs() {
    let encoded: Vec<Vec<u8>> = items()
        .iter()
        .map(|item| {
            let mut bytes = Vec::new();
            codec::encode_item(item, &mut bytes).unwrap();
            assert_eq!(
                codec::decode_item(&bytes).unwrap(),
                *item,
                "the corpus is valid"
            );
            bytes
        })
        .collect();
    let expressions: Vec<Vec<u8>> = [
        "pk = :p",
        "#a = :p AND begins_with(#b, :q)",
        "pk = :p and sk between :a and :b",
        "(pk = :p) AND (sk >= :q)",
        "NOT (((a.b[3] <> :c OR size(x) < :d)))",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    let numbers: Vec<Vec<u8>> = [
        "0",
        "-1.5e125",
        "99999999999999999999999999999999999999",
        "1E-130",
    ]
    .iter()
    .map(|n| n.as_bytes().to_vec())
    .collect();
    let messages: Vec<Vec<u8>> = {
        use prost::Message;
        let put =
            sealdb_proto::v1::PutItemRequest::from(PutItemInput::new("table", items()[2].clone()));
        let query = sealdb_proto::v1::QueryRequest::from(
            QueryInput::new("table", "pk = :p").value(":p", "x"),
        );
        vec![put.encode_to_vec(), query.encode_to_vec()]
    };
    let mut block = vec![0xDB, 1, 1, 1, 0, 0, 0, 1];
    block.resize(100, 7);
    let mut root = b"SEALDB\0\0\x01\x01".to_vec();
    root.resize(300, 3);

    let keyring = keyring_file();
    // The body of a keyring with one key, and an event of a trail.
    let mut body = vec![0, 0, 0, 1];
    body.extend([7; 16]);
    for text in ["alias/one", "a key"] {
        body.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
        body.extend(text.as_bytes());
    }
    body.extend([1, 2]);
    body.extend([0; 8]);
    body.extend([0, 0, 0, 1]);
    body.extend([0, 0, 0, 1]);
    body.extend([9; 40]);
    let caller = sealdb_crypto::Caller::new("who");
    let event = sealdb_crypto::AuditEvent::key(
        &sealdb_crypto::SystemClock,
        "Decrypt",
        &caller,
        sealdb_crypto::audit::RequestParameters::default(),
    )
    .used_key("a key");
    let event = serde_json::to_vec(&event).unwrap();

    let seen = [
        run(
            "keyring",
            &[keyring, body],
            sealdb_crypto::fuzzing::fuzz_keyring,
        ),
        run(
            "audit_trail",
            &[event, vec![0; 64]],
            sealdb_crypto::fuzzing::fuzz_audit_trail,
        ),
        run(
            "block_head",
            &[block],
            sealdb_crypto::fuzzing::fuzz_block_head,
        ),
        run(
            "page",
            &[vec![1, 0, 1, 0, 0, 0, 0, 0], vec![1, 1, 1, 0, 0, 0, 0, 0]],
            sealdb::fuzz_page,
        ),
        run("log_record", &[vec![0; 64]], sealdb::fuzz_log_record),
        run("root", &[root], sealdb::fuzz_root),
        run(
            "catalog_record",
            &[vec![1; 64]],
            sealdb::fuzz_catalog_record,
        ),
        run(
            "item_codec",
            &encoded,
            sealdb_model::fuzzing::fuzz_item_codec,
        ),
        run(
            "key_expression",
            &expressions,
            sealdb_model::fuzzing::fuzz_key_expression,
        ),
        run(
            "expressions",
            &[
                b"\0a = b AND NOT contains(c, :a) OR size(pk.a[0]) BETWEEN :b AND :c".to_vec(),
                b"\0SET a = if_not_exists(pk.b, :a) + :b, c[7] = b REMOVE pk.a[0], d ADD sk :c"
                    .to_vec(),
                b"\0a, pk.a[1], pk.c, c[0]".to_vec(),
            ],
            sealdb_model::fuzzing::fuzz_expressions,
        ),
        run(
            "statement",
            &[
                b"SELECT a, b.c[0] FROM \"t.t\".\"i\" WHERE pk = ? AND sk BETWEEN 1 AND 2 ORDER BY sk DESC".to_vec(),
                b"INSERT INTO ttt VALUE {'pk': 'a', 'l': [1, NULL, TRUE], 's': <<'a', 'b'>>}".to_vec(),
                b"UPDATE ttt SET a = list_append(a, ?) SET b = b + 1 REMOVE c WHERE pk = 'a' AND sk = 1".to_vec(),
                b"DELETE FROM ttt WHERE pk = ? AND NOT (a IS MISSING OR a IN [1, 2]) RETURNING ALL OLD *".to_vec(),
                b"EXISTS(SELECT * FROM ttt WHERE pk = 'a' AND begins_with(b, 'c') AND size(d) > 1)".to_vec(),
            ],
            sealdb_model::fuzzing::fuzz_statement,
        ),
        run(
            "handed_back",
            &handed_back(),
            sealdb_model::fuzzing::fuzz_handed_back,
        ),
        run("number", &numbers, sealdb_model::fuzzing::fuzz_number),
        run("key_bytes", &numbers, sealdb_model::fuzzing::fuzz_key_bytes),
        run("protobuf", &messages, sealdb_proto::fuzz_protobuf),
        run(
            "json_request",
            &requests(),
            sealdb_proto::json_api::fuzz_json_request,
        ),
        run("sigv4", &signed(), sealdb_server::dynamodb::fuzz_sigv4),
    ];
    assert!(
        seen.iter().all(|inputs| *inputs > 64),
        "every target saw generated inputs: {seen:?}"
    );
}
