//! The grammar of UpdateExpression.
//!
//! ```text
//! update  := clause+
//! clause  := SET path = value (, path = value)*
//!          | REMOVE path (, path)*
//!          | ADD path :value (, path :value)*
//!          | DELETE path :value (, path :value)*
//! value   := operand | operand + operand | operand - operand | ( value )
//! operand := path | :value | identifier ( operand (, operand)* ) | ( operand )
//! ```
//!
//! That each clause stands once, and what the operands mean, is checked in [`super::update_check`].

use crate::expr::condition::{Function, Operand};
use crate::expr::lexer::Token;
use crate::expr::parser::{Parser, Step, SyntaxError};

/// One change, as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Action<'a> {
    pub(crate) path: Vec<Step<'a>>,
    pub(crate) change: Change<'a>,
}

/// What happens at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change<'a> {
    Set(Value<'a>),
    Remove,
    /// A placeholder of a value, `:` included.
    Add(&'a str),
    /// The same.
    Delete(&'a str),
}

/// What a path is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Operand(Operand<'a>),
    Plus(Operand<'a>, Operand<'a>),
    Minus(Operand<'a>, Operand<'a>),
}

/// An update as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parsed<'a> {
    pub(crate) actions: Vec<Action<'a>>,
    /// Whether something stands in two pairs of parentheses.
    pub(crate) redundant_parentheses: bool,
    /// The first clause that stands twice, if one does.
    pub(crate) repeated: Option<&'static str>,
}

/// The clauses, in capital letters.
const CLAUSES: [&str; 4] = ["SET", "REMOVE", "ADD", "DELETE"];

/// Reads an update.
pub(crate) fn parse(source: &str) -> Result<Parsed<'_>, SyntaxError> {
    let mut parser = Parser::new(source);
    let mut actions = Vec::new();
    let mut seen = Vec::with_capacity(CLAUSES.len());
    let mut repeated = None;
    loop {
        let clause = parser.clause()?;
        if seen.contains(&clause) {
            repeated = repeated.or(Some(clause));
        } else {
            seen.push(clause);
        }
        loop {
            actions.push(parser.action(clause)?);
            if !parser.accept(Token::Comma) {
                break;
            }
        }
        if parser.accept(Token::End) {
            return Ok(Parsed {
                actions,
                redundant_parentheses: parser.redundant_parentheses,
                repeated,
            });
        }
    }
}

impl<'a> Parser<'a> {
    fn clause(&mut self) -> Result<&'static str, SyntaxError> {
        let found = match self.peek() {
            Token::Identifier(word) => CLAUSES
                .into_iter()
                .find(|clause| clause.eq_ignore_ascii_case(word)),
            _ => None,
        };
        let clause = found.ok_or_else(|| self.unexpected())?;
        self.advance();
        Ok(clause)
    }

    fn action(&mut self, clause: &str) -> Result<Action<'a>, SyntaxError> {
        let path = self.path()?;
        let change = match clause {
            "SET" => {
                self.expect(Token::Equal)?;
                Change::Set(self.value()?)
            }
            "REMOVE" => Change::Remove,
            "ADD" => Change::Add(self.value_placeholder()?),
            _ => Change::Delete(self.value_placeholder()?),
        };
        Ok(Action { path, change })
    }

    fn value_placeholder(&mut self) -> Result<&'a str, SyntaxError> {
        let Token::Value(placeholder) = self.peek() else {
            return Err(self.unexpected());
        };
        self.advance();
        Ok(placeholder)
    }

    fn value(&mut self) -> Result<Value<'a>, SyntaxError> {
        let left = match self.value_term()? {
            Value::Operand(operand) => operand,
            sum => return Ok(sum),
        };
        let join = match self.peek() {
            Token::Plus => Value::Plus,
            Token::Minus => Value::Minus,
            _ => return Ok(Value::Operand(left)),
        };
        self.advance();
        Ok(join(left, self.update_operand()?))
    }

    /// An operand, or anything in parentheses.
    fn value_term(&mut self) -> Result<Value<'a>, SyntaxError> {
        let operand = match self.peek() {
            Token::LeftParenthesis => {
                self.advance();
                return self.parenthesized(Self::value);
            }
            Token::Value(placeholder) => {
                self.advance();
                Operand::Value(placeholder)
            }
            Token::Identifier(name) => {
                self.advance();
                if self.accept(Token::LeftParenthesis) {
                    let arguments = self.nested(Self::update_operands)?;
                    Operand::Function(Function { name, arguments })
                } else {
                    Operand::Path(self.steps(vec![Step::Attribute(name)])?)
                }
            }
            _ => Operand::Path(self.path()?),
        };
        Ok(Value::Operand(operand))
    }

    fn update_operand(&mut self) -> Result<Operand<'a>, SyntaxError> {
        match self.value_term()? {
            Value::Operand(operand) => Ok(operand),
            Value::Plus(..) | Value::Minus(..) => Err(self.unexpected()),
        }
    }

    /// Operands up to and with the closing parenthesis.
    fn update_operands(&mut self) -> Result<Vec<Operand<'a>>, SyntaxError> {
        let mut operands = vec![self.update_operand()?];
        while self.accept(Token::Comma) {
            operands.push(self.update_operand()?);
        }
        self.expect(Token::RightParenthesis)?;
        Ok(operands)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn path(name: &str) -> Operand<'_> {
        Operand::Path(vec![Step::Attribute(name)])
    }

    #[test]
    fn reads_every_clause() {
        let parsed = parse(
            "set a = :a, b.c[1] = (list_append(b, :b)) + :n remove d[0] Add e :e DELETE #f :f, g :g",
        )
        .unwrap();
        let named = |name| vec![Step::Attribute(name)];
        assert_eq!(
            parsed.actions,
            [
                Action {
                    path: named("a"),
                    change: Change::Set(Value::Operand(Operand::Value(":a")))
                },
                Action {
                    path: vec![Step::Attribute("b"), Step::Attribute("c"), Step::Index(1)],
                    change: Change::Set(Value::Plus(
                        Operand::Function(Function {
                            name: "list_append",
                            arguments: vec![path("b"), Operand::Value(":b")]
                        }),
                        Operand::Value(":n")
                    ))
                },
                Action {
                    path: vec![Step::Attribute("d"), Step::Index(0)],
                    change: Change::Remove
                },
                Action {
                    path: named("e"),
                    change: Change::Add(":e")
                },
                Action {
                    path: vec![Step::Name("#f")],
                    change: Change::Delete(":f")
                },
                Action {
                    path: named("g"),
                    change: Change::Delete(":g")
                },
            ]
        );
    }

    #[test]
    fn syntax_errors_name_the_token_and_its_neighbours() {
        for (source, token, near) in [
            ("SET", "<EOF>", "SET"),
            ("a = :a", "a", "a ="),
            ("SET a = :a,", "<EOF>", ","),
            ("SET a = :a + :b + :c", "+", ":b + :c"),
            ("SET a = :a b = :b", "b", ":a b ="),
            ("SET a == :a", "=", "== :a"),
            ("SET a = 1", "1", "= 1"),
            ("SET a = list_append(b + :c, :d)", "+", "b + :c"),
            ("SET a = list_append((b + :c), :d)", ",", "), :d"),
            ("REMOVE a :a", ":a", "a :a"),
            ("ADD a b", "b", "a b"),
            ("ADD a = :b", "=", "a = :b"),
            ("DELETE", "<EOF>", "DELETE"),
            ("REMOVE [0]", "[", "REMOVE [0"),
            ("SET a[:i] = :a", ":i", "[:i]"),
        ] {
            assert_eq!(
                parse(source).unwrap_err().to_string(),
                format!("Syntax error; token: \"{token}\", near: \"{near}\""),
                "{source}"
            );
        }
    }

    #[test]
    fn each_clause_stands_once() {
        let repeated = |source| parse(source).unwrap().repeated;
        assert_eq!(repeated("SET a = :a REMOVE b set c = :c"), Some("SET"));
        assert_eq!(repeated("SET a = :a REMOVE b"), None);
        assert!(parse("REMOVE a[2147483648]").is_err());
        assert!(parse("SET a = ((:a))").unwrap().redundant_parentheses);
        assert!(!parse("SET a = (b) + (:a)").unwrap().redundant_parentheses);
    }
}
