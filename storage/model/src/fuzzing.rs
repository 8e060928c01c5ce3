//! Entry points for fuzzing: plain functions of bytes that panic if a promise is broken. Not part of the public API.
//!
//! Each takes any bytes. What they do not accept is refused without a panic; what they accept leads back to itself.

use std::collections::BTreeMap;

use crate::codec::{VERSION, decode_item, encode_item, encoded_item_size};
use crate::expr::placeholders::Placeholders;
use crate::expr::{
    ConditionExpression, KeyCondition, KeyConditionExpression, ProjectionExpression, SortCondition,
    UpdateExpression,
};
use crate::key::KeyBytes;
use crate::map::Map;
use crate::names::{AttributeName, TableRef};
use crate::number::Number;
use crate::ops::{ReturnConsumedCapacity, SequenceNumber, ShardIterator, StreamArn};
use crate::partiql::{NextToken, Plan, Reads, Request, Select, Statement};
use crate::schema::{KeyAttribute, KeySchema, ScalarType, TableSchema};
use crate::size::{item_size, validate_item};
use crate::value::AttributeValue;

/// Bytes of an item: accepted only if they are the ones that the item is written as, or was in the version before.
pub fn fuzz_item_codec(data: &[u8]) {
    let Ok(item) = decode_item(data) else {
        return;
    };
    if data.first() != Some(&VERSION) {
        let mut bytes = Vec::new();
        assert_eq!(encode_item(&item, &mut bytes), Ok(()));
        assert_eq!(decode_item(&bytes), Ok(item));
        return;
    }
    assert_eq!(
        encoded_item_size(data),
        Ok(item_size(&item)),
        "the stated size is the item's"
    );
    let mut bytes = Vec::new();
    assert_eq!(
        encode_item(&item, &mut bytes),
        Ok(()),
        "what was read can be written"
    );
    assert_eq!(bytes, data, "an item has one form");
}

/// Text of a number, and its order-preserving bytes.
pub fn fuzz_number(data: &[u8]) {
    if let Some((number, length)) = Number::decode_ordered(data) {
        let mut bytes = Vec::new();
        number.encode_ordered(&mut bytes);
        assert_eq!(
            Some(bytes.as_slice()),
            data.get(..length),
            "a number has one form in bytes"
        );
    }
    if let Ok(number) = String::from_utf8_lossy(data).parse::<Number>() {
        let text = number.to_string();
        assert_eq!(text.parse(), Ok(number), "a number's text leads back to it");
        let mut bytes = Vec::new();
        number.encode_ordered(&mut bytes);
        assert_eq!(
            Number::decode_ordered(&bytes),
            Some((number, bytes.len())),
            "and so do its bytes"
        );
    }
}

/// Bytes of a stored key: the first byte chooses the schema and where the parts are divided.
pub fn fuzz_key_bytes(data: &[u8]) {
    let Some((&choice, rest)) = data.split_first() else {
        return;
    };
    let schemas = schemas();
    let Some(schema) = schemas.get(usize::from(choice) % schemas.len()) else {
        return;
    };
    let (partition, sort) = rest.split_at(rest.len().min(usize::from(choice) / 8));
    if let Some(key) = schema.key_from_bytes(partition, sort) {
        let bytes = KeyBytes {
            partition: partition.into(),
            sort: sort.into(),
        };
        assert_eq!(schema.key_of_key(&key), Ok(bytes), "a key has one form");
    }
}

/// Text of a key condition; its first byte chooses the types of the values that its placeholders stand for.
pub fn fuzz_key_expression(data: &[u8]) {
    let Some((&types, text)) = data.split_first() else {
        return;
    };
    let text = String::from_utf8_lossy(text);
    let (names, values) = placeholders(&text, types);
    let Ok(expression) = KeyConditionExpression::parse(&text, &names, &values) else {
        return;
    };
    for schema in schemas() {
        let Ok(condition) = expression.bind(&schema) else {
            continue;
        };
        assert!(
            !condition.partition_bytes().is_empty(),
            "a key is not empty"
        );
        let (text, values) = write(&condition, &schema);
        let again = KeyCondition::parse(&text, &BTreeMap::new(), &values, &schema);
        assert_eq!(
            again,
            Ok(condition),
            "a condition leads back to itself through {text}"
        );
    }
}

/// Text of any other expression; its first byte chooses the types of the values that its placeholders stand for.
pub fn fuzz_expressions(data: &[u8]) {
    let Some((&types, text)) = data.split_first() else {
        return;
    };
    let text = String::from_utf8_lossy(text);
    let (names, values) = placeholders(&text, types);
    let open = || {
        Placeholders::new(
            (!names.is_empty()).then_some(&names),
            (!values.is_empty()).then_some(&values),
        )
    };
    let item = sample();
    let negated = format!("NOT ({text})");
    let condition = |text| {
        let field = "ConditionExpression";
        open().and_then(|mut open| ConditionExpression::parse(field, text, &mut open))
    };
    if let (Ok(condition), Ok(negation)) = (condition(&text), condition(&negated)) {
        for item in [Some(&item), None] {
            assert_ne!(
                condition.holds(item),
                negation.holds(item),
                "NOT turns {text}"
            );
        }
    }
    if let Ok(projection) =
        open().and_then(|mut open| ProjectionExpression::parse(&text, &mut open))
    {
        let projected = projection.project(&item);
        assert!(
            item_size(&projected) <= item_size(&item),
            "{text} adds nothing"
        );
    }
    if let Ok(update) = open().and_then(|mut open| UpdateExpression::parse(&text, &mut open)) {
        for old in [Some(&item), None] {
            if let Ok(Some(new)) = update.apply(&Map::new(), old) {
                assert!(
                    validate_item(&new).is_ok(),
                    "{text} leaves an item as it may be"
                );
            }
        }
    }
}

/// An item with something at most of the paths that a text may have by chance.
fn sample() -> Map {
    let list = AttributeValue::L(vec![1.into(), "a".into()]);
    let set = AttributeValue::Ss(vec!["a".to_owned(), "b".to_owned()]);
    let map = Map::from([("a", list.clone()), ("b", 2.into()), ("c", set.clone())]);
    Map::from([
        ("a", AttributeValue::from(1)),
        ("b", "text".into()),
        ("c", list),
        ("d", set),
        ("pk", map.into()),
        ("sk", true.into()),
    ])
}

/// Text of a PartiQL statement: read in one form whatever it was, and bound to tables of every kind of key.
pub fn fuzz_statement(data: &[u8]) {
    let Ok(statement) = Statement::parse(&String::from_utf8_lossy(data)) else {
        return;
    };
    let text = statement.to_string();
    assert_eq!(
        Statement::parse(&text).as_ref(),
        Ok(&statement),
        "a statement leads back to itself through {text}"
    );
    for key in schemas() {
        let parameters = (0..statement.parameters())
            .map(|at| match at % 3 {
                0 => AttributeValue::S("p".to_owned()),
                1 => AttributeValue::N(Number::from(at as u64)),
                _ => AttributeValue::L(vec![AttributeValue::Null]),
            })
            .collect();
        let request = Request {
            statement: statement.clone(),
            parameters,
            consistent_read: false,
            return_old: false,
            return_consumed_capacity: ReturnConsumedCapacity::None,
        };
        let schema = TableSchema {
            key,
            indexes: Vec::new(),
        };
        if let Ok(Plan::Select(Select {
            reads: Reads::Partitions(queries),
            ..
        })) = request.plan(&schema)
        {
            assert!(!queries.is_empty(), "something is read");
        }
    }
}

/// Text that callers were given and hand back: ARNs, shard iterators, sequence numbers, tokens.
pub fn fuzz_handed_back(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(table) = TableRef::new(&*text) {
        assert_eq!(table.named(), text, "a table is named as it was");
    }
    if let Ok(stream) = StreamArn::parse(&text) {
        let again = StreamArn::parse(&stream.to_string());
        assert_eq!(again, Ok(stream), "an ARN leads back to its stream");
    }
    if let Ok(iterator) = ShardIterator::parse(&text) {
        let again = ShardIterator::parse(&iterator.to_string());
        assert_eq!(again, Ok(iterator), "an iterator leads back to its place");
    }
    if let Ok(number) = SequenceNumber::parse(&text) {
        let again = SequenceNumber::parse(&number.to_string());
        assert_eq!(again, Ok(number), "a number leads back to its record");
    }
    // The fingerprint that the token itself names, so that more than the first check is reached.
    let digits = text.get(..16).unwrap_or_default();
    let fingerprint = u64::from_str_radix(digits, 16).unwrap_or_default();
    if let Ok(token) = NextToken::decode(&text, fingerprint) {
        let again = token.encode(fingerprint);
        let again = again.and_then(|text| NextToken::decode(&text, fingerprint));
        assert_eq!(again, Ok(token), "a token leads back to its place");
    }
}

/// Schemas of each type, with and without a sort key; the key is `pk`, `sk`.
fn schemas() -> Vec<KeySchema> {
    let attribute = |name, kind| {
        AttributeName::new(name)
            .ok()
            .map(|name| KeyAttribute { name, kind })
    };
    let kinds = [ScalarType::S, ScalarType::N, ScalarType::B];
    let without = kinds.iter().filter_map(|kind| {
        Some(KeySchema {
            partition: attribute("pk", *kind)?,
            sort: None,
        })
    });
    let with = kinds.iter().filter_map(|kind| {
        Some(KeySchema {
            partition: attribute("pk", ScalarType::S)?,
            sort: attribute("sk", *kind),
        })
    });
    without.chain(with).collect()
}

/// What the placeholders of a text could stand for, so that more than the first check is reached.
fn placeholders(text: &str, types: u8) -> (BTreeMap<String, String>, Map) {
    let (mut names, mut values) = (BTreeMap::new(), Map::new());
    for (at, sign) in text.match_indices(['#', ':']).take(16) {
        let word: String = text
            .chars()
            .skip(text.get(..at).map_or(0, |before| before.chars().count()) + 1)
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect();
        let key = format!("{sign}{word}");
        if sign == "#" {
            let name = if names.len() % 2 == 0 { "pk" } else { "sk" };
            names.entry(key).or_insert_with(|| name.to_owned());
        } else if !values.contains_key(&key) {
            let value = match (usize::from(types) >> values.len().min(4)) % 4 {
                0 | 1 => AttributeValue::S(word),
                2 => AttributeValue::N(Number::from(u64::from(types))),
                _ => AttributeValue::B(word.into_bytes()),
            };
            values.insert(key, value);
        }
    }
    (names, values)
}

/// A condition as an expression.
fn write(condition: &KeyCondition, schema: &KeySchema) -> (String, Map) {
    use SortCondition::{BeginsWith, Between, Eq, Ge, Gt, Le, Lt};
    let mut values = Map::from([(":p", condition.partition.clone())]);
    let mut text = format!("{} = :p", schema.partition.name);
    if let (Some(sort), Some(attribute)) = (&condition.sort, &schema.sort) {
        let name = &attribute.name;
        let (test, low) = match sort {
            Eq(value) => (format!("{name} = :l"), value),
            Lt(value) => (format!("{name} < :l"), value),
            Le(value) => (format!("{name} <= :l"), value),
            Gt(value) => (format!(":l < {name}"), value),
            Ge(value) => (format!("(:l <= {name})"), value),
            BeginsWith(value) => (format!("begins_with({name}, :l)"), value),
            Between(low, high) => {
                values.insert(":h", high.clone());
                (format!("{name} BETWEEN :l AND :h"), low)
            }
        };
        values.insert(":l", low.clone());
        text = format!("{text} AND {test}");
    }
    (text, values)
}
