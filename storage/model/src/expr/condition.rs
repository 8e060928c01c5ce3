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
//! Guaranteed: any text gives a tree or a [`SyntaxError`], and recursion ends at [`MAX_NESTING`], so the tree may be
//! walked and dropped recursively. What the tree means (names, types, which function may stand where) is checked in
//! [`super::check`].

use crate::expr::lexer::{Lexeme, Token, lex};

/// Most parentheses, NOTs and functions within each other. An expression of 4096 bytes could hold thousands.
pub(crate) const MAX_NESTING: usize = 64;

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

/// A step of a path. The first is never an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step<'a> {
    /// An attribute's name as it stands in the expression.
    Attribute(&'a str),
    /// A placeholder of a name, `#` included.
    Name(&'a str),
    /// An element of a list.
    Index(u32),
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

/// The text does not follow the grammar. Prints as AWS's messages do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SyntaxError {
    /// At this token, which stands within this part of the text.
    #[error("Syntax error; token: \"{token}\", near: \"{near}\"")]
    Unexpected { token: String, near: String },
    /// Too much within each other. AWS's own limit and message are not known.
    #[error("The expression is nested deeper than {MAX_NESTING} levels")]
    TooDeep,
}

/// Reads a condition.
pub(crate) fn parse(source: &str) -> Result<Parsed<'_>, SyntaxError> {
    let mut parser = Parser {
        source,
        lexemes: lex(source),
        at: 0,
        depth: 0,
        redundant_parentheses: false,
    };
    let node = parser.any()?;
    let condition = parser.condition(node)?;
    parser.expect(Token::End)?;
    Ok(Parsed {
        condition,
        redundant_parentheses: parser.redundant_parentheses,
    })
}

struct Parser<'a> {
    source: &'a str,
    lexemes: Vec<Lexeme<'a>>,
    at: usize,
    depth: usize,
    redundant_parentheses: bool,
}

/// What stands in parentheses is only known afterwards to be a condition or an operand.
enum Node<'a> {
    Condition(Condition<'a>),
    Operand(Operand<'a>),
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Token<'a> {
        self.lexemes
            .get(self.at)
            .map_or(Token::End, |lexeme| lexeme.token)
    }

    fn advance(&mut self) -> Token<'a> {
        let token = self.peek();
        self.at += usize::from(token != Token::End);
        token
    }

    fn accept(&mut self, token: Token<'_>) -> bool {
        let found = self.peek() == token;
        if found {
            self.advance();
        }
        found
    }

    fn expect(&mut self, token: Token<'_>) -> Result<(), SyntaxError> {
        if self.peek() == token {
            self.advance();
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    /// The error of the next token. `near` reaches from the token before to the one after.
    fn unexpected(&self) -> SyntaxError {
        let text =
            |from: usize, to: usize| self.source.get(from..to).unwrap_or_default().to_owned();
        let here = self.lexemes.get(self.at).or(self.lexemes.last());
        let (start, end) = here.map_or((0, 0), |lexeme| (lexeme.start, lexeme.end));
        let before = self.at.checked_sub(1).and_then(|at| self.lexemes.get(at));
        let after = self
            .lexemes
            .get(self.at + 1)
            .filter(|lexeme| lexeme.token != Token::End);
        let last = match self.peek() {
            Token::End => before.map_or(end, |lexeme| lexeme.end),
            _ => after.map_or(end, |lexeme| lexeme.end),
        };
        SyntaxError::Unexpected {
            token: if self.peek() == Token::End {
                "<EOF>".to_owned()
            } else {
                text(start, end)
            },
            near: text(before.map_or(start, |lexeme| lexeme.start), last),
        }
    }

    /// Runs `read` one level deeper.
    fn nested<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, SyntaxError>,
    ) -> Result<T, SyntaxError> {
        if self.depth == MAX_NESTING {
            return Err(SyntaxError::TooDeep);
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

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
                let opened_at = self.at;
                let node = self.nested(Self::any)?;
                let inner_closed_last = self.lexemes.get(self.at - 1).map(|lexeme| lexeme.token)
                    == Some(Token::RightParenthesis);
                self.expect(Token::RightParenthesis)?;
                self.redundant_parentheses |= inner_closed_last && self.is_one_group(opened_at);
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
            Token::Name(placeholder) => {
                self.advance();
                Operand::Path(self.steps(vec![Step::Name(placeholder)])?)
            }
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

    /// Whether the tokens from `opened_at` to the parenthesis just closed are one group in parentheses.
    fn is_one_group(&self, opened_at: usize) -> bool {
        let inner = self.lexemes.get(opened_at..self.at - 1).unwrap_or_default();
        if inner.first().map(|lexeme| lexeme.token) != Some(Token::LeftParenthesis) {
            return false;
        }
        let mut open = 0usize;
        for (at, lexeme) in inner.iter().enumerate() {
            match lexeme.token {
                Token::LeftParenthesis => open += 1,
                Token::RightParenthesis => open -= 1,
                _ => {}
            }
            if open == 0 {
                return at + 1 == inner.len();
            }
        }
        false
    }

    fn steps(&mut self, mut steps: Vec<Step<'a>>) -> Result<Vec<Step<'a>>, SyntaxError> {
        loop {
            if self.accept(Token::Dot) {
                steps.push(match self.peek() {
                    Token::Identifier(name) => Step::Attribute(name),
                    Token::Name(placeholder) => Step::Name(placeholder),
                    _ => return Err(self.unexpected()),
                });
                self.advance();
            } else if self.accept(Token::LeftBracket) {
                let Token::Integer(digits) = self.peek() else {
                    return Err(self.unexpected());
                };
                // No list of an item has that many elements.
                steps.push(Step::Index(digits.parse().unwrap_or(u32::MAX)));
                self.advance();
                self.expect(Token::RightBracket)?;
            } else {
                return Ok(steps);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

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
        assert!(parse(&format!("{}a = :a", "NOT ".repeat(MAX_NESTING))).is_ok());
        assert_eq!(
            parse(&format!("{}a = :a", "NOT ".repeat(MAX_NESTING + 1))),
            Err(SyntaxError::TooDeep)
        );
    }
}
