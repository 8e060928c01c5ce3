//! What two answers have to have in common.

use std::fmt;

use serde_json::Value;

use crate::servers::Outcome;

/// Two answers that are not the same.
#[derive(Clone, Debug)]
pub struct Difference {
    pub seed: u64,
    pub operation: &'static str,
    pub request: Value,
    pub ours: Outcome,
    pub theirs: Outcome,
}

impl Difference {
    /// Whether one did what the other refused, so that they may hold different items from here on.
    pub fn parted(&self) -> bool {
        (self.ours.status == 200) != (self.theirs.status == 200)
            || (self.ours.status == 200 && !matches!(self.operation, "GetItem" | "Query" | "Scan"))
    }

    /// Both messages, empty where there is none.
    pub fn messages(&self) -> (&str, &str) {
        (self.ours.message(), self.theirs.message())
    }

    /// What differences of one kind have in common, more or less.
    pub fn summary(&self) -> String {
        let of = |outcome: &Outcome| match outcome.error() {
            Some((name, message)) => {
                let message: String = message.chars().take(110).collect();
                format!("{name}: {message}")
            }
            None => format!("{}", outcome.status),
        };
        format!(
            "{} | {} | {}",
            self.operation,
            of(&self.ours),
            of(&self.theirs)
        )
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}, {} {}", self.seed, self.operation, self.request)?;
        writeln!(f, "    SealDB   {} {}", self.ours.status, self.ours.body)?;
        write!(
            f,
            "    dynoxide {} {}",
            self.theirs.status, self.theirs.body
        )
    }
}

/// What a table's description has that no two tables have in common.
const OWN: [&str; 11] = [
    "TableArn",
    "TableId",
    "IndexArn",
    "CreationDateTime",
    "ItemCount",
    "TableSizeBytes",
    "IndexSizeBytes",
    "SSEDescription",
    "LastUpdateToPayPerRequestDateTime",
    "TableThroughputModeSummary",
    "WarmThroughput",
];

/// Takes out of an answer what may differ, and orders what has no order.
pub fn normal(operation: &str, request: &Value, body: &mut Value) {
    errors(body);
    match operation {
        // The partitions of a table have no order, and entries of one index key none of their own. So neither have pages of them.
        "Scan" => unordered_page(request, body),
        "Query" if request["IndexName"] != Value::Null => unordered_page(request, body),
        "BatchGetItem" => {
            if let Some(Value::Object(tables)) = body.get_mut("Responses") {
                tables.values_mut().for_each(sort);
            }
        }
        "CreateTable" | "DescribeTable" => description(body),
        _ => {}
    }
    sets(body);
}

/// The name of an error without its namespace; its message under one name.
fn errors(body: &mut Value) {
    let Value::Object(members) = body else {
        return;
    };
    if let Some(Value::String(name)) = members.get_mut("__type") {
        if let Some((_, short)) = name.split_once('#') {
            *name = short.to_owned();
        }
        if let Some(message) = members.remove("Message") {
            members.insert("message".into(), message);
        }
    }
}

fn without(body: &mut Value, names: &[&str]) {
    if let Value::Object(members) = body {
        members.retain(|name, _| !names.contains(&&**name));
    }
}

fn unordered_page(request: &Value, body: &mut Value) {
    match (request.get("Limit"), body.get_mut("Items")) {
        (Some(_), _) => without(body, &["Count", "Items", "LastEvaluatedKey"]),
        (None, Some(items)) => sort(items),
        (None, None) => {}
    }
}

fn sort(list: &mut Value) {
    if let Value::Array(elements) = list {
        elements.iter_mut().for_each(sets);
        elements.sort_by_key(Value::to_string);
    }
}

/// Sets have no order.
fn sets(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match &**name {
                    "SS" | "NS" | "BS" => {
                        if let Value::Array(elements) = member {
                            elements.sort_by_key(Value::to_string);
                        }
                    }
                    _ => sets(member),
                }
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(sets),
        _ => {}
    }
}

fn description(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|name, _| !OWN.contains(&&**name));
            for (name, member) in members {
                description(member);
                let lists = [
                    "AttributeDefinitions",
                    "LocalSecondaryIndexes",
                    "GlobalSecondaryIndexes",
                ];
                if lists.contains(&&**name) {
                    sort(member);
                }
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(description),
        _ => {}
    }
}
