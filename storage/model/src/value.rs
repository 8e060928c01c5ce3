//! Attribute values: the ten types of DynamoDB.
//!
//! Guaranteed: sets compare as sets, whatever the order of their vectors; `Debug` prints types and lengths and
//! never content, so that a value in a log line or a panic message gives nothing away.
//! Not guaranteed by construction: a value may be nested too deep, a set may be empty or hold duplicates. Whoever
//! takes an item from outside calls [`crate::validate_item`], as the `validate` of every operation does.

use std::fmt;

use crate::map::Map;
use crate::number::Number;

/// A value of an attribute. The variants are the types of DynamoDB's API in Rust's spelling.
#[derive(Clone)]
pub enum AttributeValue {
    /// A string, UTF-8.
    S(String),
    /// A number.
    N(Number),
    /// Bytes.
    B(Vec<u8>),
    /// A truth value.
    Bool(bool),
    /// Null.
    Null,
    /// A map of names to values.
    M(Map),
    /// A list of values of any types.
    L(Vec<AttributeValue>),
    /// A set of strings.
    Ss(Vec<String>),
    /// A set of numbers.
    Ns(Vec<Number>),
    /// A set of byte strings.
    Bs(Vec<Vec<u8>>),
}

/// The type of a value, as error messages and `attribute_type` name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttributeType {
    /// String.
    S,
    /// Number.
    N,
    /// Binary.
    B,
    /// Truth value.
    Bool,
    /// Null.
    Null,
    /// Map.
    M,
    /// List.
    L,
    /// Set of strings.
    Ss,
    /// Set of numbers.
    Ns,
    /// Set of binaries.
    Bs,
}

impl AttributeType {
    /// Every type.
    pub const ALL: [AttributeType; 10] = [
        AttributeType::S,
        AttributeType::N,
        AttributeType::B,
        AttributeType::Bool,
        AttributeType::Null,
        AttributeType::M,
        AttributeType::L,
        AttributeType::Ss,
        AttributeType::Ns,
        AttributeType::Bs,
    ];

    /// DynamoDB's short name: `S`, `N`, `B`, `BOOL`, `NULL`, `M`, `L`, `SS`, `NS`, `BS`.
    pub const fn name(self) -> &'static str {
        match self {
            AttributeType::S => "S",
            AttributeType::N => "N",
            AttributeType::B => "B",
            AttributeType::Bool => "BOOL",
            AttributeType::Null => "NULL",
            AttributeType::M => "M",
            AttributeType::L => "L",
            AttributeType::Ss => "SS",
            AttributeType::Ns => "NS",
            AttributeType::Bs => "BS",
        }
    }
}

impl AttributeType {
    /// The type of a short name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for AttributeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

macro_rules! accessors {
    ($($(#[$doc:meta])* $name:ident, $variant:ident, $type:ty;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// The value itself, if it is of another type.
        pub fn $name(&self) -> Result<&$type, &Self> {
            if let AttributeValue::$variant(value) = self { Ok(value) } else { Err(self) }
        }
    )*};
}

impl AttributeValue {
    accessors! {
        /// The string.
        as_s, S, String;
        /// The number.
        as_n, N, Number;
        /// The bytes.
        as_b, B, Vec<u8>;
        /// The truth value.
        as_bool, Bool, bool;
        /// The map.
        as_m, M, Map;
        /// The list.
        as_l, L, Vec<AttributeValue>;
        /// The set of strings.
        as_ss, Ss, Vec<String>;
        /// The set of numbers.
        as_ns, Ns, Vec<Number>;
        /// The set of byte strings.
        as_bs, Bs, Vec<Vec<u8>>;
    }

    /// Whether this is Null.
    pub fn is_null(&self) -> bool {
        matches!(self, AttributeValue::Null)
    }

    /// The type of the value.
    pub fn attribute_type(&self) -> AttributeType {
        match self {
            AttributeValue::S(_) => AttributeType::S,
            AttributeValue::N(_) => AttributeType::N,
            AttributeValue::B(_) => AttributeType::B,
            AttributeValue::Bool(_) => AttributeType::Bool,
            AttributeValue::Null => AttributeType::Null,
            AttributeValue::M(_) => AttributeType::M,
            AttributeValue::L(_) => AttributeType::L,
            AttributeValue::Ss(_) => AttributeType::Ss,
            AttributeValue::Ns(_) => AttributeType::Ns,
            AttributeValue::Bs(_) => AttributeType::Bs,
        }
    }

    /// Sorts all sets in it. Recurses as deep as the value is nested.
    pub(crate) fn put_sets_in_order(&mut self) {
        match self {
            AttributeValue::M(map) => map
                .iter_mut()
                .for_each(|(_, value)| value.put_sets_in_order()),
            AttributeValue::L(list) => list.iter_mut().for_each(Self::put_sets_in_order),
            AttributeValue::Ss(set) => set.sort_unstable(),
            AttributeValue::Ns(set) => set.sort_unstable(),
            AttributeValue::Bs(set) => set.sort_unstable(),
            _ => {}
        }
    }

    /// `==` of two values whose sets are in order, as those of stored items are. It takes time in proportion to the shorter one.
    pub(crate) fn equals_in_order(&self, other: &Self) -> bool {
        equal(self, other, true)
    }
}

/// The elements in order.
pub(crate) fn sorted<T: Ord>(set: &[T]) -> Vec<&T> {
    let mut elements: Vec<&T> = set.iter().collect();
    elements.sort_unstable();
    elements
}

/// Whether two values are equal. `in_order`: their sets are in order, so that nothing is to be sorted.
fn equal(a: &AttributeValue, b: &AttributeValue, in_order: bool) -> bool {
    fn sets<T: Ord>(a: &[T], b: &[T], in_order: bool) -> bool {
        a.len() == b.len() && (a == b || !in_order && sorted(a) == sorted(b))
    }
    use AttributeValue::{B, Bool, Bs, L, M, N, Ns, Null, S, Ss};
    match (a, b) {
        (S(a), S(b)) => a == b,
        (N(a), N(b)) => a == b,
        (B(a), B(b)) => a == b,
        (Bool(a), Bool(b)) => a == b,
        (Null, Null) => true,
        (M(a), M(b)) => {
            let values = || a.values().zip(b.values());
            a.keys().eq(b.keys()) && values().all(|(a, b)| equal(a, b, in_order))
        }
        (L(a), L(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b, in_order)),
        (Ss(a), Ss(b)) => sets(a, b, in_order),
        (Ns(a), Ns(b)) => sets(a, b, in_order),
        (Bs(a), Bs(b)) => sets(a, b, in_order),
        _ => false,
    }
}

impl PartialEq for AttributeValue {
    fn eq(&self, other: &Self) -> bool {
        equal(self, other, false)
    }
}

impl Eq for AttributeValue {}

/// Type and length, never content.
impl fmt::Debug for AttributeValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use AttributeValue::{B, Bool, Bs, L, M, N, Ns, Null, S, Ss};
        let kind = self.attribute_type();
        match self {
            S(value) => write!(f, "{kind}({} bytes)", value.len()),
            B(value) => write!(f, "{kind}({} bytes)", value.len()),
            N(value) => write!(f, "{kind}({} digits)", value.significant_digits()),
            Bool(_) | Null => write!(f, "{kind}"),
            M(value) => write!(f, "{kind}({} attributes)", value.len()),
            L(value) => write!(f, "{kind}({} elements)", value.len()),
            Ss(value) => write!(f, "{kind}({} elements)", value.len()),
            Ns(value) => write!(f, "{kind}({} elements)", value.len()),
            Bs(value) => write!(f, "{kind}({} elements)", value.len()),
        }
    }
}

macro_rules! from {
    ($($type:ty => |$value:ident| $make:expr;)*) => {$(
        impl From<$type> for AttributeValue {
            fn from($value: $type) -> Self {
                $make
            }
        }
    )*};
}
from! {
    &str => |value| AttributeValue::S(value.to_owned());
    String => |value| AttributeValue::S(value);
    Number => |value| AttributeValue::N(value);
    i32 => |value| AttributeValue::N(Number::from(value));
    u32 => |value| AttributeValue::N(Number::from(value));
    i64 => |value| AttributeValue::N(Number::from(value));
    u64 => |value| AttributeValue::N(Number::from(value));
    bool => |value| AttributeValue::Bool(value);
    Vec<u8> => |value| AttributeValue::B(value);
    &[u8] => |value| AttributeValue::B(value.to_vec());
    Map => |value| AttributeValue::M(value);
    Vec<AttributeValue> => |value| AttributeValue::L(value);
}
