//! Expressions from a seed.

use sealdb_tests::rng::Rng;
use serde_json::{Map, Value};

use crate::draw::Draw;

/// The names and values that the expressions of a request use.
#[derive(Default)]
pub struct Placeholders {
    names: Map<String, Value>,
    values: Map<String, Value>,
}

impl Placeholders {
    /// A placeholder of this value.
    pub fn value(&mut self, value: Value) -> String {
        let name = format!(":v{}", self.values.len());
        self.values.insert(name.clone(), value);
        name
    }

    fn name(&mut self, name: &str) -> String {
        let placeholder = format!("#{name}");
        self.names.insert(placeholder.clone(), name.into());
        placeholder
    }

    /// Puts them into a request, seldom one too many or one too few.
    pub fn put(mut self, rng: &mut Rng, body: &mut Value) {
        if rng.one_in(40) {
            self.value(serde_json::json!({"S": "unused"}));
        }
        if rng.one_in(40) {
            self.values.remove(":v0");
        }
        if !self.names.is_empty() {
            body["ExpressionAttributeNames"] = self.names.into();
        }
        if !self.values.is_empty() {
            body["ExpressionAttributeValues"] = self.values.into();
        }
    }
}

impl Draw {
    fn path(&mut self, placeholders: &mut Placeholders) -> String {
        let name = self.name();
        let mut path = match name == "name" && !self.rng.one_in(10) || self.rng.one_in(4) {
            true => placeholders.name(name),
            false => name.to_owned(),
        };
        match self.rng.below(10) {
            0 => path.push_str(".b"),
            1 => path.push_str("[0]"),
            2 => path.push_str(".b[1]"),
            _ => {}
        }
        path
    }

    fn placeholder(&mut self, placeholders: &mut Placeholders) -> String {
        let value = self.value(1);
        placeholders.value(value)
    }

    fn operand(&mut self, placeholders: &mut Placeholders) -> String {
        match self.rng.below(7) {
            0 => format!("size({})", self.path(placeholders)),
            1..4 => self.placeholder(placeholders),
            _ => self.path(placeholders),
        }
    }

    /// A condition or filter.
    pub fn predicate(&mut self, placeholders: &mut Placeholders, depth: usize) -> String {
        let text = self.test(placeholders, depth);
        self.misspell(text)
    }

    fn test(&mut self, placeholders: &mut Placeholders, depth: usize) -> String {
        let kinds = if depth > 0 { 11 } else { 8 };
        match self.rng.below(kinds) {
            0 => format!("attribute_exists({})", self.path(placeholders)),
            1 => format!("attribute_not_exists({})", self.path(placeholders)),
            2 => {
                let kind = self.rng.pick(&["S", "N", "L", "M", "SS", "X"]);
                let kind = placeholders.value(serde_json::json!({"S": kind}));
                format!("attribute_type({}, {kind})", self.path(placeholders))
            }
            3 => {
                let function = self.rng.pick(&["contains", "begins_with"]);
                let (path, operand) = (self.path(placeholders), self.operand(placeholders));
                format!("{function}({path}, {operand})")
            }
            4 => {
                let (a, b) = (self.operand(placeholders), self.placeholder(placeholders));
                format!("{a} BETWEEN {b} AND {}", self.operand(placeholders))
            }
            5 => {
                let (a, b) = (self.operand(placeholders), self.placeholder(placeholders));
                format!("{a} IN ({b}, {})", self.operand(placeholders))
            }
            6 | 7 => {
                let operator = self.rng.pick(&["=", "<>", "<", "<=", ">", ">="]);
                let (a, b) = (self.operand(placeholders), self.operand(placeholders));
                format!("{a} {operator} {b}")
            }
            8 => format!("NOT {}", self.test(placeholders, depth - 1)),
            9 => format!("({})", self.test(placeholders, depth - 1)),
            _ => {
                let operator = self.rng.pick(&["AND", "OR"]);
                let a = self.test(placeholders, depth - 1);
                format!("{a} {operator} {}", self.test(placeholders, depth - 1))
            }
        }
    }

    pub fn projection(&mut self, placeholders: &mut Placeholders) -> String {
        let many = self.rng.between(1, 3);
        let paths: Vec<String> = (0..many).map(|_| self.path(placeholders)).collect();
        self.misspell(paths.join(", "))
    }

    pub fn update(&mut self, placeholders: &mut Placeholders) -> String {
        let mut clauses = Vec::new();
        for clause in ["SET", "REMOVE", "ADD", "DELETE"] {
            if !self.rng.one_in(3) {
                continue;
            }
            let many = self.rng.between(1, 2);
            let actions: Vec<String> = (0..many)
                .map(|_| self.action(clause, placeholders))
                .collect();
            clauses.push(format!("{clause} {}", actions.join(", ")));
        }
        if clauses.is_empty() {
            clauses.push(format!("SET {}", self.action("SET", placeholders)));
        }
        self.misspell(clauses.join(" "))
    }

    fn action(&mut self, clause: &str, placeholders: &mut Placeholders) -> String {
        let path = self.path(placeholders);
        match clause {
            "REMOVE" => path,
            "SET" => {
                let value = self.placeholder(placeholders);
                let other = self.path(placeholders);
                match self.rng.below(6) {
                    0 => format!("{path} = {other} + {value}"),
                    1 => format!("{path} = {value} - {other}"),
                    2 => format!("{path} = if_not_exists({other}, {value})"),
                    3 => format!("{path} = list_append({other}, {value})"),
                    _ => format!("{path} = {value}"),
                }
            }
            _ => {
                let value = match self.rng.below(4) {
                    0 => self.value(0),
                    1 => serde_json::json!({"SS": ["a", "q"]}),
                    2 => serde_json::json!({"NS": ["1"]}),
                    _ => serde_json::json!({"N": "1"}),
                };
                format!("{path} {}", placeholders.value(value))
            }
        }
    }

    /// Now and then a text that is none of the language.
    pub fn misspell(&mut self, text: String) -> String {
        if !self.rng.one_in(20) {
            return text;
        }
        let mut words: Vec<&str> = text.split(' ').collect();
        let n = self.rng.below(words.len());
        match self.rng.below(5) {
            0 => drop(words.remove(n)),
            1 => words.insert(n, "AND"),
            2 => words.insert(n, "("),
            3 => words.insert(n, "!"),
            _ => words.insert(n, words[n]),
        }
        words.join(" ")
    }
}
