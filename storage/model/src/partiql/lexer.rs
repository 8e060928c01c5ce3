//! Tokens of PartiQL, as far as DynamoDB knows it.

use std::borrow::Cow;

use super::keywords::is_keyword;
use super::malformed;
use crate::error::ValidationError;

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// `[A-Za-z_$][A-Za-z0-9_$]*`: a keyword in any case, the name of a function, or a name.
    Word(&'a str),
    /// A name in double quotation marks, without them.
    Name(Cow<'a, str>),
    /// A string in single quotation marks, without them.
    Text(Cow<'a, str>),
    /// `1`, `1.0`, `1e0`, without a sign.
    Number(&'a str),
    /// One of [`SYMBOLS`].
    Symbol(&'static str),
    /// The end of the statement.
    End,
}

/// The symbols; those that begin with another stand before it.
const SYMBOLS: [&str; 23] = [
    "<<", ">>", "<>", "<=", ">=", "!=", "<", ">", "=", "+", "-", "*", "(", ")", "[", "]", "{", "}",
    ",", ".", ":", "?", ";",
];

/// A token and where it begins, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lexeme<'a> {
    pub(super) token: Token<'a>,
    pub(super) start: usize,
}

impl Token<'_> {
    /// Whether this is a word that stands for no name unless it is quoted.
    pub(super) fn is_keyword(&self) -> bool {
        matches!(self, Token::Word(word) if is_keyword(word))
    }
}

/// The tokens of `source`, [`Token::End`] last.
pub(super) fn lex(source: &str) -> Result<Vec<Lexeme<'_>>, ValidationError> {
    let mut lexemes = Vec::new();
    let mut rest = source;
    loop {
        rest = next_token(rest);
        let start = source.len() - rest.len();
        let (token, length) = next(rest)?;
        let last = token == Token::End;
        lexemes.push(Lexeme { token, start });
        if last {
            return Ok(lexemes);
        }
        rest = rest.get(length..).unwrap_or_default();
    }
}

/// `text` without the white space and the comments at its start: `-- to the end of a line`, `/* to the next */`.
fn next_token(text: &str) -> &str {
    let mut rest = text.trim_ascii_start();
    loop {
        let comment = match (rest.strip_prefix("--"), rest.strip_prefix("/*")) {
            (Some(line), _) => line.split_once('\n'),
            (None, Some(comment)) => comment.split_once("*/"),
            (None, None) => return rest,
        };
        rest = comment.map_or("", |(_, behind)| behind.trim_ascii_start());
    }
}

/// The token at the start of `text`, and its length in bytes.
fn next(text: &str) -> Result<(Token<'_>, usize), ValidationError> {
    Ok(match text.bytes().next() {
        None => (Token::End, 0),
        Some(b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'$') => {
            let word = front(text, |byte| {
                byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$')
            });
            (Token::Word(word), word.len())
        }
        Some(b'0'..=b'9') => {
            let number = number(text);
            (Token::Number(number), number.len())
        }
        Some(b'\'') => {
            let (content, length) = quoted(text, "'")?;
            (Token::Text(content), length)
        }
        Some(b'"') => {
            let (content, length) = quoted(text, "\"")?;
            (Token::Name(content), length)
        }
        Some(_) => {
            let symbol = SYMBOLS
                .into_iter()
                .find(|symbol| text.starts_with(symbol))
                .ok_or_else(|| malformed("Invalid character"))?;
            (Token::Symbol(symbol), symbol.len())
        }
    })
}

/// The bytes at the start of `text` that `belongs` holds for. They are ASCII.
fn front(text: &str, belongs: fn(u8) -> bool) -> &str {
    let end = text
        .bytes()
        .position(|byte| !belongs(byte))
        .unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

/// `digits [. digits] [e [sign] digits]`
fn number(text: &str) -> &str {
    let digits = |from: usize| {
        front(text.get(from..).unwrap_or_default(), |byte| {
            byte.is_ascii_digit()
        })
        .len()
    };
    let mut end = digits(0);
    if text.get(end..).is_some_and(|rest| rest.starts_with('.')) {
        let fraction = digits(end + 1);
        end += if fraction > 0 { 1 + fraction } else { 0 };
    }
    if text
        .get(end..)
        .is_some_and(|rest| rest.starts_with(['e', 'E']))
    {
        let sign = usize::from(
            text.get(end + 1..)
                .is_some_and(|rest| rest.starts_with(['+', '-'])),
        );
        let exponent = digits(end + 1 + sign);
        end += if exponent > 0 { 1 + sign + exponent } else { 0 };
    }
    text.get(..end).unwrap_or_default()
}

/// What stands between the quotation mark at the start of `text` and the next single one; two of them stand for one.
/// The length includes the marks.
fn quoted<'a>(text: &'a str, mark: &str) -> Result<(Cow<'a, str>, usize), ValidationError> {
    let mut end = mark.len();
    let mut doubled = false;
    loop {
        let rest = text.get(end..).unwrap_or_default();
        end += rest
            .find(mark)
            .ok_or_else(|| malformed("Unterminated string"))?;
        if !text
            .get(end + 1..)
            .is_some_and(|rest| rest.starts_with(mark))
        {
            break;
        }
        doubled = true;
        end += 2;
    }
    let content = text.get(mark.len()..end).unwrap_or_default();
    let content = if doubled {
        Cow::Owned(content.replace(&mark.repeat(2), mark))
    } else {
        Cow::Borrowed(content)
    };
    Ok((content, end + mark.len()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn tokens(source: &str) -> Vec<Token<'_>> {
        lex(source)
            .unwrap()
            .into_iter()
            .map(|lexeme| lexeme.token)
            .collect()
    }

    #[test]
    fn reads_the_tokens_of_a_statement() {
        use Token::{End, Name, Number, Symbol, Text, Word};
        assert_eq!(
            tokens("where \"a \"\"b\"\"\".c_$1[0]>=-1.5e-3 AND d<>'it''s' ; "),
            [
                Word("where"),
                Name("a \"b\"".into()),
                Symbol("."),
                Word("c_$1"),
                Symbol("["),
                Number("0"),
                Symbol("]"),
                Symbol(">="),
                Symbol("-"),
                Number("1.5e-3"),
                Word("AND"),
                Word("d"),
                Symbol("<>"),
                Text("it's".into()),
                Symbol(";"),
                End,
            ]
        );
        assert_eq!(
            tokens("<<1,?>>"),
            [
                Symbol("<<"),
                Number("1"),
                Symbol(","),
                Symbol("?"),
                Symbol(">>"),
                End
            ]
        );
        assert_eq!(tokens("''"), [Text("".into()), End]);
        assert_eq!(
            tokens("-- a\n/* b\n -- */ c -- d"),
            [Word("c"), End],
            "comments"
        );
        assert_eq!(
            tokens("1.x2e"),
            [Number("1"), Symbol("."), Word("x2e"), End]
        );
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for source in ["'a", "\"a\"\"", "a & b", "ä", "a / b"] {
            assert!(lex(source).is_err(), "{source}");
        }
    }
}
