//! The grammar of conditions.
//!
//! ```text
//! condition := and (OR and)*
//! and       := not (AND not)*
//! not       := NOT not | predicate
//! predicate := operand (= | <> | != | < | <= | > | >=) operand
//!            | operand [NOT] BETWEEN operand AND operand
//!            | operand [NOT] IN ([ values ] | ( values ) | ?)
//!            | path IS [NOT] (MISSING | type)
//!            | begins_with ( operand , operand ) | contains ( operand , operand ) | attribute_type ( operand , value )
//!            | ( condition )
//! operand   := path | value | size ( path ) | ( operand )
//! ```

use super::ast::{Condition, Operand, TYPE_NAMES, Value};
use super::lexer::Token;
use super::malformed;
use super::parser::Parser;
use crate::error::ValidationError;
use crate::expr::condition::Comparator;

type Result<T> = std::result::Result<T, ValidationError>;

/// What stands in parentheses is only known afterwards to be a condition or an operand.
enum Node {
    Condition(Condition),
    Operand(Operand),
}

impl Parser<'_> {
    /// `[WHERE condition]`
    pub(super) fn condition_clause(&mut self) -> Result<Option<Condition>> {
        if !self.accept_word("WHERE") {
            return Ok(None);
        }
        let node = self.any()?;
        self.condition(node).map(Some)
    }

    fn condition(&self, node: Node) -> Result<Condition> {
        match node {
            Node::Condition(condition) => Ok(condition),
            Node::Operand(_) => Err(self.unexpected()),
        }
    }

    /// `condition`, or an operand by itself.
    fn any(&mut self) -> Result<Node> {
        self.series("OR", Condition::Or, |parser| {
            parser.series("AND", Condition::And, Self::not)
        })
    }

    fn series(
        &mut self,
        operator: &str,
        join: fn(Vec<Condition>) -> Condition,
        mut read: impl FnMut(&mut Self) -> Result<Node>,
    ) -> Result<Node> {
        let first = read(self)?;
        if !self.is_word(operator) {
            return Ok(first);
        }
        let mut conditions = vec![self.condition(first)?];
        while self.accept_word(operator) {
            let next = read(self)?;
            conditions.push(self.condition(next)?);
        }
        Ok(Node::Condition(join(conditions)))
    }

    fn not(&mut self) -> Result<Node> {
        if !self.accept_word("NOT") {
            return self.predicate();
        }
        let node = self.nested(Self::not)?;
        Ok(Node::Condition(negated(self.condition(node)?)))
    }

    fn predicate(&mut self) -> Result<Node> {
        let left = match self.term()? {
            Node::Operand(operand) => operand,
            condition @ Node::Condition(_) => return Ok(condition),
        };
        let comparator = match self.peek() {
            Token::Symbol("=") => Comparator::Equal,
            Token::Symbol("<>" | "!=") => Comparator::NotEqual,
            Token::Symbol("<") => Comparator::Less,
            Token::Symbol("<=") => Comparator::LessOrEqual,
            Token::Symbol(">") => Comparator::Greater,
            Token::Symbol(">=") => Comparator::GreaterOrEqual,
            _ => return self.worded(left),
        };
        self.advance();
        let right = self.operand()?;
        Ok(Node::Condition(Condition::Compare(left, comparator, right)))
    }

    /// A predicate whose operator is a word, or the operand alone.
    fn worded(&mut self, left: Operand) -> Result<Node> {
        if self.accept_word("IS") {
            return self.is(left).map(Node::Condition);
        }
        let not = self.accept_word("NOT");
        let condition = if self.accept_word("BETWEEN") {
            let low = self.operand()?;
            self.expect_word("AND")?;
            Condition::Between(left, low, self.operand()?)
        } else if self.accept_word("IN") {
            Condition::In(left, self.candidates()?)
        } else if self.is_word("LIKE") {
            return Err(self.unsupported("operator", "LIKE"));
        } else if not {
            return Err(self.unexpected());
        } else {
            return Ok(Node::Operand(left));
        };
        Ok(Node::Condition(if not {
            negated(condition)
        } else {
            condition
        }))
    }

    fn is(&mut self, left: Operand) -> Result<Condition> {
        let Operand::Path(path) = left else {
            return Err(self.unexpected());
        };
        let not = self.accept_word("NOT");
        let condition = if self.accept_word("MISSING") {
            Condition::IsMissing(path)
        } else {
            let kind = TYPE_NAMES
                .iter()
                .find(|(name, _)| self.is_word(name))
                .ok_or_else(|| malformed("Expected type name"))?;
            self.advance();
            Condition::Is(path, kind.1)
        };
        Ok(if not { negated(condition) } else { condition })
    }

    /// What stands behind IN.
    fn candidates(&mut self) -> Result<Value> {
        if self.accept("(") {
            return self.values(")").map(Value::List);
        }
        match self.value()? {
            list @ (Value::List(_) | Value::Parameter(_)) => Ok(list),
            _ => Err(self.unexpected()),
        }
    }

    fn operand(&mut self) -> Result<Operand> {
        match self.term()? {
            Node::Operand(operand) => Ok(operand),
            Node::Condition(_) => Err(self.unexpected()),
        }
    }

    fn term(&mut self) -> Result<Node> {
        if self.accept("(") {
            let node = self.nested(Self::any)?;
            self.expect(")")?;
            return Ok(node);
        }
        if let Token::Word(word) = self.peek()
            && *self.peek_second() == Token::Symbol("(")
        {
            let function = word.to_ascii_lowercase();
            return self.call(&function);
        }
        let operand = if self.at_name() {
            Operand::Path(self.path()?)
        } else {
            Operand::Value(self.value()?)
        };
        self.no_arithmetic()?;
        Ok(Node::Operand(operand))
    }

    /// A call of a function, from its name on.
    fn call(&mut self, function: &str) -> Result<Node> {
        let two: fn(Operand, Operand) -> Condition = match function {
            "size" => {
                self.advance();
                self.advance();
                let path = self.path()?;
                self.expect(")")?;
                return Ok(Node::Operand(Operand::Size(path)));
            }
            "attribute_type" => {
                let first = self.first_argument()?;
                let kind = self.value()?;
                self.expect(")")?;
                return Ok(Node::Condition(Condition::HasType(first, kind)));
            }
            "begins_with" => Condition::BeginsWith,
            "contains" => Condition::Contains,
            "exists" => {
                return Err(ValidationError::new(
                    "EXISTS can only be used in ExecuteTransaction write requests.",
                ));
            }
            _ => return Err(self.unsupported("function", function)),
        };
        let first = self.first_argument()?;
        let second = self.nested(Self::operand)?;
        self.expect(")")?;
        Ok(Node::Condition(two(first, second)))
    }

    /// The first argument of a function of two, and the comma behind it.
    fn first_argument(&mut self) -> Result<Operand> {
        self.advance();
        self.advance();
        let first = self.nested(Self::operand)?;
        self.expect(",")?;
        Ok(first)
    }
}

fn negated(condition: Condition) -> Condition {
    Condition::Not(Box::new(condition))
}
