//! DynamoDB's expressions, and the older parameters that mean the same.
//!
//! | | reads | checks | what it becomes |
//! |---|---|---|---|
//! | ConditionExpression, FilterExpression | `condition` | `check` | [`ConditionExpression`] |
//! | KeyConditionExpression | `condition` | `check`, `key_condition` | [`KeyCondition`] |
//! | UpdateExpression | `update_grammar` | `update_check` | [`UpdateExpression`] |
//! | ProjectionExpression | `projection` | `projection` | [`ProjectionExpression`] |
//! | Expected, AttributeUpdates, QueryFilter … | | `legacy` | the same |
//!
//! All are read from the tokens of `lexer` by the means of `parser`. What they become has no placeholders any more, and is
//! evaluated without further checks. The rules about placeholders hold for all expressions of a request together:
//! `placeholders`. What was decided where AWS's documentation is silent stands in `DYNAMODB.md`.

pub(crate) mod check;
pub(crate) mod condition;
pub(crate) mod constant;
pub(crate) mod key_condition;
pub(crate) mod legacy;
mod lexer;
pub(crate) mod parser;
pub(crate) mod path;
pub(crate) mod placeholders;
pub(crate) mod predicate;
mod projection;
mod reserved;
pub(crate) mod update;
mod update_check;
mod update_grammar;

pub(crate) use check::parse_condition;
pub use key_condition::{IndexCondition, KeyCondition, KeyConditionExpression, SortCondition};
pub use predicate::{ConditionExpression, FilterParameter};
pub use projection::ProjectionExpression;
pub use update::UpdateExpression;
