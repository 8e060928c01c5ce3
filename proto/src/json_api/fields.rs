//! The fields of a request, by name, on their way into an input.

use sealdb_model::ops::table_of_stream;
use sealdb_model::{AttributeValue, Map};

use super::shape::Structure;

/// A value that follows its shape.
#[derive(Clone)]
pub(super) enum Node {
    /// Absent, or `null`.
    Absent,
    Boolean(bool),
    Integer(i64),
    Text(String),
    Value(AttributeValue),
    /// A map of attribute values: an item, a key, what placeholders stand for.
    Values(Map),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
    Structure(Fields),
}

/// The members of a structure. What was taken is absent from then on.
#[derive(Clone)]
pub struct Fields {
    pub(super) structure: &'static Structure,
    /// One for each member, in its order.
    pub(super) members: Vec<Node>,
}

impl Fields {
    pub(super) fn new(structure: &'static Structure) -> Fields {
        Fields {
            structure,
            members: vec![Node::Absent; structure.members.len()],
        }
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.structure
            .members
            .iter()
            .position(|member| member.name == name)
    }

    pub(super) fn slot(&mut self, name: &str) -> Option<(usize, &mut Node)> {
        let at = self.position(name)?;
        Some((at, self.members.get_mut(at)?))
    }

    pub(super) fn get(&self, name: &str) -> &Node {
        self.position(name)
            .and_then(|at| self.members.get(at))
            .unwrap_or(&Node::Absent)
    }

    /// Takes all that is left: nothing depends on it.
    pub(super) fn pass_over(&mut self) {
        self.members.fill(Node::Absent);
    }

    /// The first member that nobody took.
    pub(super) fn left(&self) -> Option<&'static str> {
        let left = self
            .members
            .iter()
            .position(|member| !matches!(member, Node::Absent))?;
        self.structure.members.get(left).map(|member| member.name)
    }

    fn take(&mut self, name: &str) -> Node {
        debug_assert!(
            self.position(name).is_some(),
            "{} has no {name}",
            self.structure.name
        );
        match self.slot(name) {
            Some((_, slot)) => std::mem::replace(slot, Node::Absent),
            None => Node::Absent,
        }
    }

    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        self.take(name).into_text()
    }

    /// A text that is required: the constraints have seen to it.
    pub(super) fn required_text(&mut self, name: &str) -> String {
        self.text(name).unwrap_or_default()
    }

    pub(super) fn flag(&mut self, name: &str) -> Option<bool> {
        match self.take(name) {
            Node::Boolean(flag) => Some(flag),
            _ => None,
        }
    }

    pub(super) fn long(&mut self, name: &str) -> Option<i64> {
        match self.take(name) {
            Node::Integer(number) => Some(number),
            _ => None,
        }
    }

    pub(super) fn integer(&mut self, name: &str) -> Option<i32> {
        // The parser keeps it within 32 bits.
        self.long(name)
            .map(|number| i32::try_from(number).unwrap_or(i32::MAX))
    }

    pub(super) fn value(&mut self, name: &str) -> Option<AttributeValue> {
        self.take(name).into_value()
    }

    pub(super) fn values(&mut self, name: &str) -> Option<Map> {
        self.take(name).into_values()
    }

    pub(super) fn list(&mut self, name: &str) -> Option<Vec<Node>> {
        match self.take(name) {
            Node::List(list) => Some(list),
            _ => None,
        }
    }

    /// A list of structures.
    pub(super) fn structures(&mut self, name: &str) -> Option<Vec<Fields>> {
        Some(
            self.list(name)?
                .into_iter()
                .filter_map(Node::into_fields)
                .collect(),
        )
    }

    pub(super) fn map(&mut self, name: &str) -> Option<Vec<(String, Node)>> {
        match self.take(name) {
            Node::Map(map) => Some(map),
            _ => None,
        }
    }

    /// A map of strings: ExpressionAttributeNames.
    pub(super) fn names(&mut self, name: &str) -> Option<Vec<(String, String)>> {
        let pairs = self.map(name)?.into_iter();
        Some(
            pairs
                .filter_map(|(name, node)| match node {
                    Node::Text(text) => Some((name, text)),
                    _ => None,
                })
                .collect(),
        )
    }

    pub(super) fn structure(&mut self, name: &str) -> Option<Fields> {
        self.take(name).into_fields()
    }

    /// An enumeration's value: the constraints let through only those that the service knows.
    pub(super) fn one_of<E>(
        &mut self,
        name: &str,
        from_name: impl Fn(&str) -> Option<E>,
    ) -> Option<E> {
        match self.get(name) {
            Node::Text(text) => {
                let value = from_name(text)?;
                self.take(name);
                Some(value)
            }
            _ => None,
        }
    }

    /// The table that the request is about, for logs: of several, the first.
    pub fn table(&self) -> &str {
        for name in ["StreamArn", "ShardIterator"] {
            if let Node::Text(arn) = self.get(name) {
                return table_of_stream(arn);
            }
        }
        match (
            self.get("TableName"),
            self.get("RequestItems"),
            self.get("TransactItems"),
            self.get("ResourceArn"),
        ) {
            (Node::Text(name), ..) | (.., Node::Text(name)) => name,
            (_, Node::Map(tables), ..) => tables.first().map_or("", |(name, _)| name),
            (_, _, Node::List(actions), _) => actions.first().map_or("", Node::table_of_action),
            _ => "",
        }
    }
}

impl Node {
    /// The table of one action of a transaction.
    fn table_of_action(&self) -> &str {
        match self {
            Node::Structure(action) => action
                .members
                .iter()
                .find_map(|member| match member {
                    Node::Structure(fields) => Some(fields.table()),
                    _ => None,
                })
                .unwrap_or_default(),
            _ => "",
        }
    }

    pub(super) fn into_fields(self) -> Option<Fields> {
        match self {
            Node::Structure(fields) => Some(fields),
            _ => None,
        }
    }

    pub(super) fn into_text(self) -> Option<String> {
        match self {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn into_value(self) -> Option<AttributeValue> {
        match self {
            Node::Value(value) => Some(value),
            _ => None,
        }
    }

    pub(super) fn into_values(self) -> Option<Map> {
        match self {
            Node::Values(values) => Some(values),
            _ => None,
        }
    }

    pub(super) fn into_list(self) -> Vec<Node> {
        match self {
            Node::List(list) => list,
            _ => Vec::new(),
        }
    }
}
