//! DynamoDB's expressions. So far: KeyConditionExpression.

mod key_condition;

pub use key_condition::{KeyCondition, SortCondition};
