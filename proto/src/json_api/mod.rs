//! DynamoDB's JSON protocol: bodies of requests to the model's inputs, outputs to bodies of answers.
//!
//! A request is read in the order in which the service answers its mistakes:
//!
//! 1. **Text to fields** ([`parse`]): one pass over the bytes, guided by the request's [`shape`]. A value of another JSON type
//!    than the shape's ends it with a SerializationException. Attribute values become the model's at once, without a tree
//!    between.
//! 2. **Constraints** ([`check`]): what the service's model says about lengths, ranges, enumerations and required members,
//!    reported all at once.
//! 3. **Input**: the fields become an input of [`sealdb_model::ops`].
//! 4. **Values**: what is no attribute value (no number, two types at once), unless the input has parameters that do not go
//!    together, which come before. All other checks of the input come after.
//!
//! # What is guaranteed
//! - Time is linear in the text but for sorting attribute names; memory is at most a small multiple of the text, whatever
//!   stands in it; the stack is bounded by [`MAX_NESTING`].
//! - A field that an operation does not know is skipped, as the service does. One that the service knows and we do not carry
//!   out yet is refused, never ignored.
//! - Of an attribute name that stands twice in one map the last counts.

#![deny(clippy::indexing_slicing)]

pub mod account;
mod batches;
mod capacity;
mod check;
mod conditions;
mod fields;
mod indexes;
mod items;
mod parse;
mod partiql;
mod reader;
mod reads;
mod shape;
mod streams;
mod tables;
mod tags;
mod throughput;
mod time_to_live;
mod transactions;
mod update_table;
mod values;
mod write;

use sealdb_model::ValidationError;

use crate::status::Detail;

pub use fields::Fields;
pub use reader::MAX_NESTING;
pub use shape::Structure;
pub use write::Object;

/// Why a body is not a request.
#[derive(Clone, PartialEq, Eq)]
pub enum Refused {
    /// It is no JSON, or has values of wrong JSON types. The service gives no message for the former.
    Serialization(Option<String>),
    /// It breaks a rule.
    Validation(ValidationError),
}

/// Lengths only: the messages may quote the caller's data.
impl std::fmt::Debug for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refused::Serialization(message) => write!(
                f,
                "Serialization({:?} bytes)",
                message.as_ref().map(String::len)
            ),
            Refused::Validation(error) => error.fmt(f),
        }
    }
}

impl From<ValidationError> for Refused {
    fn from(error: ValidationError) -> Refused {
        Refused::Validation(error)
    }
}

impl From<reader::Syntax> for Refused {
    fn from(_: reader::Syntax) -> Refused {
        Refused::Serialization(None)
    }
}

/// An input that comes as a body.
pub trait Request: Sized {
    /// The request in the service's model.
    const SHAPE: &'static Structure;

    /// Makes the input of fields that follow the shape and its constraints.
    ///
    /// # Errors
    /// What the shape cannot say.
    fn read(fields: &mut Fields) -> Result<Self, ValidationError>;

    /// What the service checks before it looks at any attribute value: which parameters go together.
    ///
    /// # Errors
    /// Parameters that do not.
    fn check_parameters(&self) -> Result<(), ValidationError> {
        Ok(())
    }
}

/// A body that follows its request's shape and constraints, to be made an input by [`input`].
pub struct Parsed {
    fields: Fields,
    /// What is wrong with the first attribute value that is wrong.
    wrong_value: Option<ValidationError>,
}

impl Parsed {
    /// The table that the request is about, for logs: of several, the first.
    pub fn table(&self) -> &str {
        self.fields.table()
    }
}

/// An output that goes as a body.
pub trait Response {
    /// False if the body is empty: not even an object.
    const HAS_BODY: bool = true;

    /// Writes the members.
    fn write(&self, object: &mut Object<'_>);
}

/// Reads a body, as far as its request's shape tells how.
///
/// # Errors
/// The first two steps of the module's list.
pub fn parse<R: Request>(body: &[u8]) -> Result<Parsed, Refused> {
    let (fields, wrong_value) = parse::fields(R::SHAPE, body)?;
    check::constraints(&fields)?;
    Ok(Parsed {
        fields,
        wrong_value,
    })
}

/// The input of a body.
///
/// # Errors
/// The other steps: what the shape cannot say, values that are none, a field that is not carried out yet.
pub fn input<R: Request>(parsed: Parsed) -> Result<R, ValidationError> {
    let Parsed {
        mut fields,
        wrong_value,
    } = parsed;
    let input = R::read(&mut fields)?;
    if let Some(error) = wrong_value {
        return input.check_parameters().and(Err(error));
    }
    match fields.left() {
        None => Ok(input),
        Some(name) => Err(ValidationError::invalid_parameter(format_args!(
            "{name} is not supported by this version of SealDB"
        ))),
    }
}

/// The body of an answer.
pub fn render<R: Response>(response: &R) -> Vec<u8> {
    if !R::HAS_BODY {
        return Vec::new();
    }
    let mut body = Vec::with_capacity(256);
    let mut object = Object::begin(&mut body);
    response.write(&mut object);
    object.end();
    body
}

/// Whether a body is JSON at all.
pub fn is_json(body: &[u8]) -> bool {
    parse::is_json(body)
}

/// The body of an error: `{"__type": …, "message": …}`; SerializationException spells it `Message`.
pub fn render_error(
    kind: &str,
    message_name: &str,
    message: Option<&str>,
    detail: &Detail,
) -> Vec<u8> {
    let mut body = Vec::with_capacity(256);
    let mut object = Object::begin(&mut body);
    object.text("__type", kind);
    if let Some(message) = message {
        object.text(message_name, message);
    }
    match detail {
        Detail::None => {}
        Detail::Item(item) => object.values("Item", item),
        Detail::Reasons(reasons) => transactions::reasons(&mut object, reasons),
    }
    object.end();
    body
}

/// Any bytes, as any request: neither reading it nor checking what was read may panic.
#[doc(hidden)]
pub fn fuzz_json_request(body: &[u8]) {
    use sealdb_model::ops;
    fn one<R: Request>(body: &[u8]) -> Option<R> {
        parse::<R>(body).ok().and_then(|fields| input(fields).ok())
    }
    macro_rules! requests {
        ($($input:ident)*) => {$(
            if let Some(input) = one::<ops::$input>(body) {
                let _ = input.validate();
            }
        )*};
    }
    assert!(is_json(body) || parse::<ops::ListTablesInput>(body).is_err());
    requests! {
        CreateTableInput DescribeTableInput UpdateTableInput DeleteTableInput ListTablesInput
        UpdateTimeToLiveInput DescribeTimeToLiveInput
        TagResourceInput UntagResourceInput ListTagsOfResourceInput
        PutItemInput GetItemInput UpdateItemInput DeleteItemInput QueryInput ScanInput
        BatchWriteItemInput BatchGetItemInput TransactWriteItemsInput TransactGetItemsInput
        ExecuteStatementInput BatchExecuteStatementInput ExecuteTransactionInput
        ListStreamsInput DescribeStreamInput GetShardIteratorInput GetRecordsInput
    }
}

#[cfg(test)]
mod tests;
