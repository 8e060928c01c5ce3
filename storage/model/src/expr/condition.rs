//! The grammar of conditions, as KeyConditionExpression, FilterExpression and ConditionExpression share it.
//!
//! ```text
//! condition := and (OR and)*
//! and       := not (AND not)*
//! not       := NOT not | predicate
//! predicate := operand (= | <> | < | <= | > | >=) operand
//!            | operand BETWEEN operand AND operand
//!            | operand IN ( operand (, operand)* )
//!            | function
//!            | ( condition )
//! operand   := path | :value | function | ( operand )
//! function  := identifier ( operand (, operand)* )
//! path      := (identifier | #name) (. (identifier | #name) | [ integer ])*
//! ```
//!
//! Guaranteed: any text gives a tree or a [`SyntaxError`]. What the tree means (names, types, which function may stand where) is checked in
//! [`super::check`].

use crate::expr::lexer::Token;
use crate::expr::parser::{Parser, Step, SyntaxError};

/// A condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition<'a> {
    /// Two or more, of which one must hold.
    Or(Vec<Condition<'a>>),
    /// Two or more, all of which must hold.
    And(Vec<Condition<'a>>),
    Not(Box<Condition<'a>>),
    Compare(Operand<'a>, Comparator, Operand<'a>),
    /// The value, the lower and the upper bound, both included.
    Between(Operand<'a>, Operand<'a>, Operand<'a>),
    In(Operand<'a>, Vec<Operand<'a>>),
    Function(Function<'a>),
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparator {
    pub(crate) const fn symbol(self) -> &'static str {
        match self {
            Comparator::Equal => "=",
            Comparator::NotEqual => "<>",
            Comparator::Less => "<",
            Comparator::LessOrEqual => "<=",
            Comparator::Greater => ">",
            Comparator::GreaterOrEqual => ">=",
        }
    }

    /// The comparison with its sides exchanged.
    pub(crate) const fn flipped(self) -> Self {
        match self {
            Comparator::Less => Comparator::Greater,
            Comparator::LessOrEqual => Comparator::GreaterOrEqual,
            Comparator::Greater => Comparator::Less,
            Comparator::GreaterOrEqual => Comparator::LessOrEqual,
            same => same,
        }
    }
}

/// What is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operand<'a> {
    /// The place of an attribute: a name, and what is nested in it.
    Path(Vec<Step<'a>>),
    /// A placeholder of a value, `:` included.
    Value(&'a str),
    Function(Function<'a>),
}

/// A function and its arguments, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Function<'a> {
    pub(crate) name: &'a str,
    pub(crate) arguments: Vec<Operand<'a>>,
}

/// A condition as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parsed<'a> {
    pub(crate) condition: Condition<'a>,
    /// Whether something stands in two pairs of parentheses.
    pub(crate) redundant_parentheses: bool,
}

/// Reads a condition.
pub(crate) fn parse(source: &str) -> Result<Parsed<'_>, SyntaxError> {
    let mut parser = Parser::new(source);
    let node = parser.any()?;
    let condition = parser.condition(node)?;
    parser.expect(Token::End)?;
    Ok(Parsed {
        condition,
        redundant_parentheses: parser.redundant_parentheses,
    })
}

/// What stands in parentheses is only known afterwards to be a condition or an operand.
enum Node<'a> {
    Condition(Condition<'a>),
    Operand(Operand<'a>),
}

impl<'a> Parser<'a> {
    /// A node as a condition: it is one, or a function.
    fn condition(&self, node: Node<'a>) -> Result<Condition<'a>, SyntaxError> {
        match node {
            Node::Condition(condition) => Ok(condition),
            Node::Operand(Operand::Function(function)) => Ok(Condition::Function(function)),
            Node::Operand(_) => Err(self.unexpected()),
        }
    }

    /// `condition`, or an operand by itself.
    fn any(&mut self) -> Result<Node<'a>, SyntaxError> {
        self.series(Token::Or, Condition::Or, |parser| {
            parser.series(Token::And, Condition::And, Self::not)
        })
    }

    fn series(
        &mut self,
        operator: Token<'static>,
        join: fn(Vec<Condition<'a>>) -> Condition<'a>,
        mut read: impl FnMut(&mut Self) -> Result<Node<'a>, SyntaxError>,
    ) -> Result<Node<'a>, SyntaxError> {
        let first = read(self)?;
        if self.peek() != operator {
            return Ok(first);
        }
        let mut conditions = vec![self.condition(first)?];
        while self.accept(operator) {
            let next = read(self)?;
            conditions.push(self.condition(next)?);
        }
        Ok(Node::Condition(join(conditions)))
    }

    fn not(&mut self) -> Result<Node<'a>, SyntaxError> {
        if !self.accept(Token::Not) {
            return self.predicate();
        }
        let node = self.nested(Self::not)?;
        Ok(Node::Condition(Condition::Not(Box::new(
            self.condition(node)?,
        ))))
    }

    fn predicate(&mut self) -> Result<Node<'a>, SyntaxError> {
        let left = match self.term()? {
            Node::Operand(operand) => operand,
            condition @ Node::Condition(_) => return Ok(condition),
        };
        let comparator = match self.peek() {
            Token::Equal => Comparator::Equal,
            Token::NotEqual => Comparator::NotEqual,
            Token::Less => Comparator::Less,
            Token::LessOrEqual => Comparator::LessOrEqual,
            Token::Greater => Comparator::Greater,
            Token::GreaterOrEqual => Comparator::GreaterOrEqual,
            Token::Between => {
                self.advance();
                let low = self.operand()?;
                self.expect(Token::And)?;
                return Ok(Node::Condition(Condition::Between(
                    left,
                    low,
                    self.operand()?,
                )));
            }
            Token::In => {
                self.advance();
                self.expect(Token::LeftParenthesis)?;
                return Ok(Node::Condition(Condition::In(left, self.operands()?)));
            }
            _ => return Ok(Node::Operand(left)),
        };
        self.advance();
        Ok(Node::Condition(Condition::Compare(
            left,
            comparator,
            self.operand()?,
        )))
    }

    fn operand(&mut self) -> Result<Operand<'a>, SyntaxError> {
        match self.term()? {
            Node::Operand(operand) => Ok(operand),
            Node::Condition(_) => Err(self.unexpected()),
        }
    }

    /// Operands up to and with the closing parenthesis.
    fn operands(&mut self) -> Result<Vec<Operand<'a>>, SyntaxError> {
        let mut operands = vec![self.operand()?];
        while self.accept(Token::Comma) {
            operands.push(self.operand()?);
        }
        self.expect(Token::RightParenthesis)?;
        Ok(operands)
    }

    /// An operand, or anything in parentheses.
    fn term(&mut self) -> Result<Node<'a>, SyntaxError> {
        let operand = match self.peek() {
            Token::LeftParenthesis => {
                self.advance();
                let node = self.parenthesized(Self::any)?;
                match node {
                    // `(a)[0]` is a path too.
                    Node::Operand(Operand::Path(steps)) => Operand::Path(self.steps(steps)?),
                    node => return Ok(node),
                }
            }
            Token::Value(placeholder) => {
                self.advance();
                Operand::Value(placeholder)
            }
            Token::Name(_) => Operand::Path(self.path()?),
            Token::Identifier(name) => {
                self.advance();
                if self.accept(Token::LeftParenthesis) {
                    let arguments = self.nested(Self::operands)?;
                    Operand::Function(Function { name, arguments })
                } else {
                    Operand::Path(self.steps(vec![Step::Attribute(name)])?)
                }
            }
            _ => return Err(self.unexpected()),
        };
        Ok(Node::Operand(operand))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::expr::parser::MAX_NESTING;

    fn path(name: &str) -> Operand<'_> {
        Operand::Path(vec![Step::Attribute(name)])
    }

    fn equal<'a>(name: &'a str, value: &'a str) -> Condition<'a> {
        Condition::Compare(path(name), Comparator::Equal, Operand::Value(value))
    }

    fn error(source: &str) -> String {
        parse(source).unwrap_err().to_string()
    }

    #[test]
    fn and_binds_closer_than_or_and_not_closest() {
        assert_eq!(
            parse("a = :a OR NOT b = :b AND (c = :c)")
                .unwrap()
                .condition,
            Condition::Or(vec![
                equal("a", ":a"),
                Condition::And(vec![
                    Condition::Not(Box::new(equal("b", ":b"))),
                    equal("c", ":c")
                ])
            ])
        );
    }

    #[test]
    fn the_and_of_between_belongs_to_it() {
        assert_eq!(
            parse("a BETWEEN :a AND (:b) AND begins_with(b, :c)")
                .unwrap()
                .condition,
            Condition::And(vec![
                Condition::Between(path("a"), Operand::Value(":a"), Operand::Value(":b")),
                Condition::Function(Function {
                    name: "begins_with",
                    arguments: vec![path("b"), Operand::Value(":c")]
                })
            ])
        );
    }

    #[test]
    fn parentheses_hold_operands_too() {
        let nested = Operand::Path(vec![Step::Name("#a"), Step::Index(3), Step::Attribute("b")]);
        assert_eq!(
            parse("((#a)[3].b) > (size(c))").unwrap().condition,
            Condition::Compare(
                nested,
                Comparator::Greater,
                Operand::Function(Function {
                    name: "size",
                    arguments: vec![path("c")]
                })
            )
        );
    }

    #[test]
    fn redundant_parentheses_are_seen() {
        for source in [
            "((a = :a))",
            "b = :b AND ((a = :a) )",
            "((a)) = :b",
            "(((a)) = :b)",
        ] {
            assert!(parse(source).unwrap().redundant_parentheses, "{source}");
        }
        for source in [
            "(a = :a)",
            "((a = :a) AND (b = :b))",
            "((a) = :b)",
            "(a IN (b))",
            "(begins_with((a), (b)))",
        ] {
            assert!(!parse(source).unwrap().redundant_parentheses, "{source}");
        }
    }

    #[test]
    fn syntax_errors_name_the_token_and_its_neighbours() {
        for (source, token, near) in [
            ("begins_with(#SK,:sk", "<EOF>", ":sk"),
            ("a = :a AND __typename = :b", "_", "AND __"),
            ("things are not gonna be ok", "are", "things are not"),
            ("a > 4", "4", "> 4"),
            ("a", "<EOF>", "a"),
            ("(a) AND b = :b", "AND", ") AND b"),
            ("a = b = c", "=", "b = c"),
            ("a = :a)", ")", ":a)"),
            ("(size(a))[0] > a", "[", ")[0"),
        ] {
            assert_eq!(
                error(source),
                format!("Syntax error; token: \"{token}\", near: \"{near}\""),
                "{source}"
            );
        }
    }

    #[test]
    fn nesting_ends_at_the_limit() {
        for (open, close) in [("(", ")"), ("NOT ", ""), ("size(", ")")] {
            let source = |count| format!("{}a = :a{}", open.repeat(count), close.repeat(count));
            assert!(parse(&source(2_000)).is_err());
        }
        assert_eq!(
            parse(&format!("{}a = :a{}", "(".repeat(999), ")".repeat(999))),
            Err(SyntaxError::RedundantParentheses)
        );
        assert!(parse(&format!("{}a = :a", "NOT ".repeat(MAX_NESTING))).is_ok());
        assert_eq!(
            parse(&format!("{}a = :a", "NOT ".repeat(MAX_NESTING + 1))),
            Err(SyntaxError::TooDeep)
        );
    }
}
