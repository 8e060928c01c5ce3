//! Requests from a seed: mostly what a program might send, on few keys so that they meet, and now and then with a fault in it.

use sealdb_tests::rng::Rng;
use serde_json::{Map, Value, json};

use crate::expressions::Placeholders;

/// An operation and its body.
pub type Request = (&'static str, Value);

/// The tables that every history begins with.
pub const TABLES: [&str; 3] = ["plain", "sorted", "indexed"];

/// Names of attributes; two of them are keys of some tables or indexes, one is a reserved word.
const NAMES: [&str; 7] = ["a", "b", "c", "n", "sk", "pk", "name"];

pub struct Draw {
    pub rng: Rng,
}

impl Draw {
    pub fn new(seed: u64) -> Self {
        Draw {
            rng: Rng::new(seed),
        }
    }

    /// What makes the tables.
    pub fn tables() -> Vec<Request> {
        let table = |name: &str, attributes: &[(&str, &str)], keys: &[(&str, &str)]| {
            json!({
                "TableName": name,
                "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": attributes.iter().map(|(name, kind)| json!({"AttributeName": name, "AttributeType": kind})).collect::<Vec<_>>(),
                "KeySchema": schema(keys),
            })
        };
        let plain = table("plain", &[("pk", "S")], &[("pk", "HASH")]);
        let keys = [("pk", "HASH"), ("sk", "RANGE")];
        let mut sorted = table("sorted", &[("pk", "S"), ("sk", "N"), ("a", "S")], &keys);
        sorted["LocalSecondaryIndexes"] = json!([{
            "IndexName": "local",
            "KeySchema": schema(&[("pk", "HASH"), ("a", "RANGE")]),
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }]);
        let attributes = [("pk", "B"), ("sk", "S"), ("a", "S"), ("n", "N")];
        let mut indexed = table("indexed", &attributes, &keys);
        indexed["GlobalSecondaryIndexes"] = json!([
            {
                "IndexName": "by-a",
                "KeySchema": schema(&[("a", "HASH"), ("n", "RANGE")]),
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["b"]},
            },
            {
                "IndexName": "by-n",
                "KeySchema": schema(&[("n", "HASH")]),
                "Projection": {"ProjectionType": "ALL"},
            },
        ]);
        [plain, sorted, indexed]
            .map(|body| ("CreateTable", body))
            .into()
    }

    /// Any request.
    pub fn request(&mut self) -> Request {
        let (operation, mut body) = match self.rng.below(100) {
            0..22 => self.put_item(),
            22..44 => self.update_item(),
            44..50 => self.delete_item(),
            50..60 => self.get_item(),
            60..72 => self.query(),
            72..79 => self.scan(),
            79..83 => self.batch_get(),
            83..87 => self.batch_write(),
            87..92 => self.transact_write(),
            92..95 => self.transact_get(),
            _ => self.table_operation(),
        };
        if self.rng.one_in(8) {
            self.spoil(&mut body);
        }
        (operation, body)
    }

    // ---- values

    fn text(&mut self) -> &'static str {
        self.rng.pick(&["", "a", "ab", "b", "é", "1", "z z"])
    }

    fn number(&mut self) -> &'static str {
        let usual = ["0", "1", "2", "-1", "1.5", "10", "3"];
        let odd = [
            "-0",
            "007.10",
            "1e2",
            "1E-130",
            "1e126",
            "x",
            "",
            "99999999999999999999999999999999999999",
            "123456789012345678901234567890123456789",
            ".5",
            "+1",
        ];
        match self.rng.one_in(6) {
            true => self.rng.pick(&odd),
            false => self.rng.pick(&usual),
        }
    }

    fn bytes(&mut self) -> &'static str {
        match self.rng.one_in(20) {
            true => self.rng.pick(&["", "A", "A===", "!"]),
            false => self.rng.pick(&["AA==", "AP8=", "YQ=="]),
        }
    }

    /// Any value, nested so many levels at most.
    pub fn value(&mut self, depth: usize) -> Value {
        let kinds = if depth > 0 { 12 } else { 8 };
        match self.rng.below(kinds) {
            0 | 1 => json!({"S": self.text()}),
            2 | 3 => json!({"N": self.number()}),
            4 => json!({"B": self.bytes()}),
            5 => json!({"BOOL": self.rng.one_in(2)}),
            6 => json!({"NULL": !self.rng.one_in(9)}),
            7 => self.set(),
            8 | 9 => {
                let many = self.rng.below(3);
                json!({"L": (0..many).map(|_| self.value(depth - 1)).collect::<Vec<_>>()})
            }
            _ => {
                let many = self.rng.below(3);
                let members = (0..many).map(|_| (self.name().to_owned(), self.value(depth - 1)));
                json!({"M": members.collect::<Map<_, _>>()})
            }
        }
    }

    fn set(&mut self) -> Value {
        // Seldom empty or with a duplicate.
        let many = if self.rng.one_in(12) {
            0
        } else {
            self.rng.between(1, 2)
        };
        match self.rng.below(3) {
            0 => json!({"SS": (0..many).map(|_| self.text()).collect::<Vec<_>>()}),
            1 => json!({"NS": (0..many).map(|_| self.number()).collect::<Vec<_>>()}),
            _ => json!({"BS": (0..many).map(|_| self.bytes()).collect::<Vec<_>>()}),
        }
    }

    pub fn name(&mut self) -> &'static str {
        self.rng.pick(&NAMES)
    }

    fn table(&mut self) -> &'static str {
        match self.rng.one_in(40) {
            true => self.rng.pick(&["nowhere", "ab", "no!"]),
            false => self.rng.pick(&TABLES),
        }
    }

    /// A key of the table, seldom a wrong one.
    pub fn key(&mut self, table: &str) -> Map<String, Value> {
        let mut key = Map::new();
        let n = self.rng.pick(&["1", "2", "1.50"]);
        let s = self.rng.pick(&["a", "b"]);
        match table {
            "indexed" => {
                key.insert("pk".into(), json!({"B": self.rng.pick(&["AA==", "YQ=="])}));
                key.insert("sk".into(), json!({"S": s}));
            }
            "sorted" => {
                key.insert("pk".into(), json!({"S": s}));
                key.insert("sk".into(), json!({"N": n}));
            }
            _ => {
                key.insert("pk".into(), json!({"S": s}));
            }
        }
        if self.rng.one_in(30) {
            match self.rng.below(3) {
                0 => drop(key.remove("pk")),
                1 => drop(key.insert("a".into(), json!({"S": "x"}))),
                _ => drop(key.insert("pk".into(), self.value(0))),
            }
        }
        key
    }

    pub fn item(&mut self, table: &str) -> Map<String, Value> {
        let mut item = self.key(table);
        for _ in 0..self.rng.below(4) {
            let name = self.name();
            if name == "pk" || name == "sk" {
                continue;
            }
            // Keys of indexes mostly have their type.
            let value = match (name, self.rng.one_in(8)) {
                ("a", false) => json!({"S": self.rng.pick(&["a", "b"])}),
                ("n", false) => json!({"N": self.rng.pick(&["1", "2"])}),
                _ => self.value(2),
            };
            item.insert(name.into(), value);
        }
        item
    }

    // ---- operations

    fn put_item(&mut self) -> Request {
        let table = self.table();
        let mut body = json!({"TableName": table, "Item": self.item(table)});
        self.condition(&mut body);
        self.returns(&mut body, &["NONE", "ALL_OLD", "ALL_OLD", "ALL_NEW"]);
        ("PutItem", body)
    }

    fn delete_item(&mut self) -> Request {
        let table = self.table();
        let mut body = json!({"TableName": table, "Key": self.key(table)});
        self.condition(&mut body);
        self.returns(&mut body, &["NONE", "ALL_OLD", "UPDATED_OLD"]);
        ("DeleteItem", body)
    }

    fn update_item(&mut self) -> Request {
        let table = self.table();
        let mut body = json!({"TableName": table, "Key": self.key(table)});
        let mut placeholders = Placeholders::default();
        if !self.rng.one_in(30) {
            let text = self.update(&mut placeholders);
            body["UpdateExpression"] = text.into();
        }
        if self.rng.one_in(4) {
            body["ConditionExpression"] = self.predicate(&mut placeholders, 2).into();
        }
        placeholders.put(&mut self.rng, &mut body);
        self.returns(
            &mut body,
            &["NONE", "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW"],
        );
        ("UpdateItem", body)
    }

    fn get_item(&mut self) -> Request {
        let table = self.table();
        let mut body = json!({"TableName": table, "Key": self.key(table)});
        if self.rng.one_in(3) {
            body["ConsistentRead"] = true.into();
        }
        self.project(&mut body);
        self.capacity(&mut body);
        ("GetItem", body)
    }

    fn query(&mut self) -> Request {
        let table = self.table();
        let mut placeholders = Placeholders::default();
        let mut body = json!({"TableName": table});
        let (partition, sort, index) = match (table, self.rng.below(4)) {
            ("sorted", 0) => (
                json!({"S": "a"}),
                Some(("a", json!({"S": "a"}))),
                Some("local"),
            ),
            ("sorted", _) => (json!({"S": "a"}), Some(("sk", json!({"N": "1"}))), None),
            ("indexed", 0) => (
                json!({"S": "a"}),
                Some(("n", json!({"N": "1"}))),
                Some("by-a"),
            ),
            ("indexed", 1) => (json!({"N": "1"}), None, Some("by-n")),
            ("indexed", _) => (json!({"B": "AA=="}), Some(("sk", json!({"S": "a"}))), None),
            _ => (json!({"S": "a"}), None, None),
        };
        let name = match index {
            Some("by-a") => "a",
            Some("by-n") => "n",
            _ => "pk",
        };
        if let Some(index) = index {
            body["IndexName"] = index.into();
        } else if self.rng.one_in(30) {
            body["IndexName"] = "nothing".into();
        }
        let mut text = format!("{name} = {}", placeholders.value(partition));
        if let Some((name, value)) = sort.filter(|_| self.rng.one_in(2)) {
            let value = placeholders.value(value);
            let text_of = match self.rng.below(4) {
                0 => format!("{name} = {value}"),
                1 => format!("{name} >= {value}"),
                2 => format!("{name} BETWEEN {value} AND {value}"),
                _ => format!("begins_with({name}, {value})"),
            };
            text = format!("{text} AND {text_of}");
        }
        body["KeyConditionExpression"] = self.misspell(text).into();
        self.filter(&mut body, &mut placeholders);
        if self.rng.one_in(3) {
            body["ScanIndexForward"] = self.rng.one_in(2).into();
        }
        if self.rng.one_in(4) {
            body["Limit"] = self.rng.pick(&[1, 2, 100, 0]).into();
        }
        if self.rng.one_in(8) {
            body["ConsistentRead"] = true.into();
        }
        placeholders.put(&mut self.rng, &mut body);
        self.capacity(&mut body);
        ("Query", body)
    }

    fn scan(&mut self) -> Request {
        let table = self.table();
        let mut placeholders = Placeholders::default();
        let mut body = json!({"TableName": table});
        if self.rng.one_in(5) {
            let index = self.rng.pick(&["local", "by-a", "by-n"]);
            body["IndexName"] = index.into();
        }
        self.filter(&mut body, &mut placeholders);
        if self.rng.one_in(12) {
            body["Segment"] = self.rng.pick(&[0, 1, 5]).into();
        }
        if self.rng.one_in(12) {
            body["Limit"] = 0.into();
        }
        placeholders.put(&mut self.rng, &mut body);
        self.capacity(&mut body);
        ("Scan", body)
    }

    fn batch_get(&mut self) -> Request {
        let mut tables = Map::new();
        for _ in 0..self.rng.between(1, 2) {
            let table = self.table();
            let many = self.rng.between(1, 3);
            let keys: Vec<_> = (0..many).map(|_| self.key(table)).collect();
            let mut of_table = json!({"Keys": keys});
            self.project(&mut of_table);
            tables.insert(table.into(), of_table);
        }
        ("BatchGetItem", json!({"RequestItems": tables}))
    }

    fn batch_write(&mut self) -> Request {
        let mut tables = Map::new();
        for _ in 0..self.rng.between(1, 2) {
            let table = self.table();
            let many = self.rng.between(1, 3);
            let one = |draw: &mut Self| match draw.rng.one_in(3) {
                true => json!({"DeleteRequest": {"Key": draw.key(table)}}),
                false => json!({"PutRequest": {"Item": draw.item(table)}}),
            };
            let requests: Vec<_> = (0..many).map(|_| one(self)).collect();
            tables.insert(table.into(), requests.into());
        }
        ("BatchWriteItem", json!({"RequestItems": tables}))
    }

    fn transact_write(&mut self) -> Request {
        let many = self.rng.between(1, 3);
        let items: Vec<Value> = (0..many).map(|_| self.transact_item()).collect();
        ("TransactWriteItems", json!({"TransactItems": items}))
    }

    fn transact_item(&mut self) -> Value {
        let (kind, mut body) = match self.rng.below(4) {
            0 => ("Put", self.put_item().1),
            1 => ("Update", self.update_item().1),
            2 => ("Delete", self.delete_item().1),
            _ => {
                let table = self.table();
                let mut placeholders = Placeholders::default();
                let mut body = json!({"TableName": table, "Key": self.key(table)});
                body["ConditionExpression"] = self.predicate(&mut placeholders, 1).into();
                placeholders.put(&mut self.rng, &mut body);
                ("ConditionCheck", body)
            }
        };
        if let Some(members) = body.as_object_mut() {
            members.retain(|name, _| {
                !["ReturnValues", "Expected", "ReturnConsumedCapacity"].contains(&&**name)
            });
        }
        json!({kind: body})
    }

    fn transact_get(&mut self) -> Request {
        let many = self.rng.between(1, 3);
        let one = |draw: &mut Self| {
            let table = draw.table();
            let mut body = json!({"TableName": table, "Key": draw.key(table)});
            draw.project_by_expression(&mut body);
            json!({"Get": body})
        };
        let items: Vec<Value> = (0..many).map(|_| one(self)).collect();
        ("TransactGetItems", json!({"TransactItems": items}))
    }

    /// Operations of tables that change none that others use.
    fn table_operation(&mut self) -> Request {
        let table = self.table();
        match self.rng.below(6) {
            0 => ("DescribeTable", json!({"TableName": table})),
            1 => {
                let mut body = json!({});
                if self.rng.one_in(2) {
                    body["Limit"] = self.rng.pick(&[1, 2, 0, 101]).into();
                }
                if self.rng.one_in(3) {
                    body["ExclusiveStartTableName"] = self.rng.pick(&["plain", "q", "a"]).into();
                }
                ("ListTables", body)
            }
            2 => ("DescribeTimeToLive", json!({"TableName": table})),
            3 => (
                "DeleteTable",
                json!({"TableName": self.rng.pick(&["nowhere", "x", "no!"])}),
            ),
            _ => {
                // One that is there, or cannot be.
                let (operation, mut body) = self.rng.pick(&Self::tables());
                self.spoil(&mut body);
                (operation, body)
            }
        }
    }

    // ---- what many operations have

    fn returns(&mut self, body: &mut Value, of: &[&'static str]) {
        if self.rng.one_in(2) {
            body["ReturnValues"] = self.rng.pick(of).into();
        }
        if self.rng.one_in(8) {
            body["ReturnValuesOnConditionCheckFailure"] =
                self.rng.pick(&["ALL_OLD", "NONE"]).into();
        }
        self.capacity(body);
    }

    fn capacity(&mut self, body: &mut Value) {
        if self.rng.one_in(4) {
            let of = self.rng.pick(&["TOTAL", "INDEXES", "NONE"]);
            body["ReturnConsumedCapacity"] = of.into();
        }
    }

    fn condition(&mut self, body: &mut Value) {
        let mut placeholders = Placeholders::default();
        match self.rng.below(8) {
            0 | 1 => {
                let text = self.predicate(&mut placeholders, 2);
                body["ConditionExpression"] = text.into();
            }
            2 => body["Expected"] = self.expected(),
            _ => {}
        }
        placeholders.put(&mut self.rng, body);
    }

    fn expected(&mut self) -> Value {
        let name = self.name();
        let condition = match self.rng.below(5) {
            0 => json!({"Exists": false}),
            1 => json!({"Value": self.value(0)}),
            2 => json!({"ComparisonOperator": "NULL"}),
            3 => json!({"ComparisonOperator": "BETWEEN", "AttributeValueList": [self.value(0)]}),
            _ => {
                let operator = self
                    .rng
                    .pick(&["EQ", "NE", "LT", "CONTAINS", "BEGINS_WITH", "IN"]);
                json!({"ComparisonOperator": operator, "AttributeValueList": [self.value(0)]})
            }
        };
        json!({name: condition})
    }

    fn filter(&mut self, body: &mut Value, placeholders: &mut Placeholders) {
        match self.rng.below(6) {
            0 | 1 => body["FilterExpression"] = self.predicate(placeholders, 2).into(),
            2 => body["ProjectionExpression"] = self.projection(placeholders).into(),
            3 => {
                body["Select"] = self
                    .rng
                    .pick(&[
                        "COUNT",
                        "ALL_ATTRIBUTES",
                        "ALL_PROJECTED_ATTRIBUTES",
                        "SPECIFIC_ATTRIBUTES",
                    ])
                    .into()
            }
            _ => {}
        }
    }

    fn project(&mut self, body: &mut Value) {
        match self.rng.one_in(6) {
            true => body["AttributesToGet"] = json!([self.name(), self.name()]),
            false => self.project_by_expression(body),
        }
    }

    fn project_by_expression(&mut self, body: &mut Value) {
        if self.rng.one_in(3) {
            let mut placeholders = Placeholders::default();
            body["ProjectionExpression"] = self.projection(&mut placeholders).into();
            placeholders.put(&mut self.rng, body);
        }
    }

    /// Puts a fault somewhere into a request: a member is gone, or another's, or of another type.
    fn spoil(&mut self, value: &mut Value) {
        let wrong = [
            json!(1),
            json!("x"),
            json!(""),
            json!([]),
            json!({}),
            json!(null),
            json!(true),
        ];
        let wrong = self.rng.pick(&wrong);
        match value {
            Value::Object(members) if !members.is_empty() => {
                let n = self.rng.below(members.len());
                let name = members.keys().nth(n).cloned().unwrap_or_default();
                match self.rng.below(6) {
                    0 => drop(members.remove(&name)),
                    1 => drop(members.insert(name, wrong)),
                    _ => {
                        if let Some(member) = members.get_mut(&name) {
                            self.spoil(member);
                        }
                    }
                }
            }
            Value::Array(elements) if !elements.is_empty() => {
                let n = self.rng.below(elements.len());
                self.spoil(&mut elements[n]);
            }
            other => *other = wrong,
        }
    }
}

fn schema(keys: &[(&str, &str)]) -> Value {
    let element = |(name, role): &(&str, &str)| json!({"AttributeName": name, "KeyType": role});
    keys.iter().map(element).collect()
}
