//! DynamoDB's expressions: the tokens of all of them, the grammar of conditions, and KeyConditionExpression.
//!
//! Text goes through [`lexer`](self) → grammar ([`condition`](self)) → checks that hold for every condition → what the
//! expression is for. Update and projection expressions will stand beside the grammar of conditions, on the same tokens.

mod check;
mod condition;
mod key_condition;
mod lexer;
mod reserved;

pub use key_condition::{IndexCondition, KeyCondition, KeyConditionExpression, SortCondition};
