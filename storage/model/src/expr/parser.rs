//! What the grammars of all expressions share: walking over tokens, paths, parentheses, and errors with AWS's messages.
//!
//! Guaranteed: recursion ends at [`MAX_NESTING`], so what is read may be walked and dropped recursively.

use crate::expr::check::{MAX_OPERATORS, REDUNDANT_PARENTHESES};
use crate::expr::lexer::{Lexeme, Token, lex};

/// Most parentheses, NOTs and functions within each other. An expression of 4096 bytes could hold thousands, of which an expression of
/// no more operators than it may have needs none: parentheses around parentheses are refused.
pub(crate) const MAX_NESTING: usize = MAX_OPERATORS;

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

/// The text does not follow the grammar. Prints as AWS's messages do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SyntaxError {
    /// At this token, which stands within this part of the text.
    #[error("Syntax error; token: \"{token}\", near: \"{near}\"")]
    Unexpected { token: String, near: String },
    /// An index that no list has.
    #[error("List index is not within the allowable range; index: [{0}]")]
    ListIndex(String),
    /// So much within each other that there are too many operators.
    #[error("The expression contains too many operators; operator count: {}", MAX_OPERATORS + 1)]
    TooDeep,
    /// The same, of parentheses around each other.
    #[error("{REDUNDANT_PARENTHESES}")]
    RedundantParentheses,
}

/// A place in the tokens of a text.
pub(crate) struct Parser<'a> {
    source: &'a str,
    lexemes: Vec<Lexeme<'a>>,
    at: usize,
    depth: usize,
    /// Whether something stands in two pairs of parentheses.
    pub(crate) redundant_parentheses: bool,
}

impl<'a> Parser<'a> {
    pub(crate) fn new(source: &'a str) -> Self {
        Self {
            source,
            lexemes: lex(source),
            at: 0,
            depth: 0,
            redundant_parentheses: false,
        }
    }

    pub(crate) fn peek(&self) -> Token<'a> {
        self.lexemes
            .get(self.at)
            .map_or(Token::End, |lexeme| lexeme.token)
    }

    pub(crate) fn advance(&mut self) -> Token<'a> {
        let token = self.peek();
        self.at += usize::from(token != Token::End);
        token
    }

    pub(crate) fn accept(&mut self, token: Token<'_>) -> bool {
        let found = self.peek() == token;
        if found {
            self.advance();
        }
        found
    }

    pub(crate) fn expect(&mut self, token: Token<'_>) -> Result<(), SyntaxError> {
        if self.peek() == token {
            self.advance();
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    /// The error of the next token. `near` reaches from the token before to the one after.
    pub(crate) fn unexpected(&self) -> SyntaxError {
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
    pub(crate) fn nested<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, SyntaxError>,
    ) -> Result<T, SyntaxError> {
        if self.depth == MAX_NESTING {
            let opened = self.lexemes.get(..self.at).unwrap_or_default();
            let around = opened.iter().rev().map(|lexeme| lexeme.token).take(2);
            return Err(match around.eq([Token::LeftParenthesis; 2]) {
                true => SyntaxError::RedundantParentheses,
                false => SyntaxError::TooDeep,
            });
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    /// What `read` reads between the parenthesis just opened and its counterpart. Takes notice of a pair within a pair.
    pub(crate) fn parenthesized<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, SyntaxError>,
    ) -> Result<T, SyntaxError> {
        let opened_at = self.at;
        let inner = self.nested(read)?;
        let inner_closed_last = self.lexemes.get(self.at - 1).map(|lexeme| lexeme.token)
            == Some(Token::RightParenthesis);
        self.expect(Token::RightParenthesis)?;
        self.redundant_parentheses |= inner_closed_last && self.is_one_group(opened_at);
        Ok(inner)
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

    /// A path.
    pub(crate) fn path(&mut self) -> Result<Vec<Step<'a>>, SyntaxError> {
        let first = match self.peek() {
            Token::Identifier(name) => Step::Attribute(name),
            Token::Name(placeholder) => Step::Name(placeholder),
            _ => return Err(self.unexpected()),
        };
        self.advance();
        self.steps(vec![first])
    }

    /// What follows the first steps of a path.
    pub(crate) fn steps(&mut self, mut steps: Vec<Step<'a>>) -> Result<Vec<Step<'a>>, SyntaxError> {
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
                let index = digits
                    .parse()
                    .ok()
                    .filter(|index| *index <= i32::MAX as u32)
                    .ok_or_else(|| SyntaxError::ListIndex(digits.to_owned()))?;
                steps.push(Step::Index(index));
                self.advance();
                self.expect(Token::RightBracket)?;
            } else {
                return Ok(steps);
            }
        }
    }
}
