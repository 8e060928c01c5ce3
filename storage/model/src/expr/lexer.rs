//! Tokens of DynamoDB's expression language, all of it: conditions, key conditions, projections, updates.
//!
//! Guaranteed: every byte of the source belongs to a token or to white space; the lexer never fails. A character
//! that starts no token is a token of its own ([`Token::Unknown`]), which no grammar accepts, so that a syntax error is
//! reported at its place.

/// A token. Keywords are recognised in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// `[A-Za-z][A-Za-z0-9_]*` that is no keyword: an attribute or a function, and SET and its like.
    Identifier(&'a str),
    /// `#[A-Za-z0-9_]+`, the sign included.
    Name(&'a str),
    /// `:[A-Za-z0-9_]+`, the sign included.
    Value(&'a str),
    /// `[0-9]+`
    Integer(&'a str),
    And,
    Or,
    Not,
    Between,
    In,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Plus,
    Minus,
    Comma,
    Dot,
    LeftParenthesis,
    RightParenthesis,
    LeftBracket,
    RightBracket,
    /// Any other character.
    Unknown,
    /// The end of the source.
    End,
}

/// A token and its place in the source, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lexeme<'a> {
    pub(crate) token: Token<'a>,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// The tokens of `source`, [`Token::End`] last.
pub(crate) fn lex(source: &str) -> Vec<Lexeme<'_>> {
    let mut lexemes = Vec::with_capacity(source.len() / 3 + 2);
    let mut rest = source;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        let (token, length) = next(rest);
        let start = source.len() - rest.len();
        lexemes.push(Lexeme {
            token,
            start,
            end: start + length,
        });
        if token == Token::End {
            return lexemes;
        }
        rest = rest.get(length..).unwrap_or_default();
    }
}

/// The token at the start of `text`, and its length in bytes.
fn next(text: &str) -> (Token<'_>, usize) {
    let Some(first) = text.chars().next() else {
        return (Token::End, 0);
    };
    match first {
        'a'..='z' | 'A'..='Z' => {
            let word = word(text);
            (keyword(word).unwrap_or(Token::Identifier(word)), word.len())
        }
        '0'..='9' => {
            let end = text
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(text.len());
            (Token::Integer(text.get(..end).unwrap_or_default()), end)
        }
        '#' | ':' => {
            let length = 1 + word(text.get(1..).unwrap_or_default()).len();
            let placeholder = text.get(..length).unwrap_or_default();
            match first {
                _ if length == 1 => (Token::Unknown, 1),
                '#' => (Token::Name(placeholder), length),
                _ => (Token::Value(placeholder), length),
            }
        }
        '<' if text.starts_with("<=") => (Token::LessOrEqual, 2),
        '<' if text.starts_with("<>") => (Token::NotEqual, 2),
        '<' => (Token::Less, 1),
        '>' if text.starts_with(">=") => (Token::GreaterOrEqual, 2),
        '>' => (Token::Greater, 1),
        '=' => (Token::Equal, 1),
        '+' => (Token::Plus, 1),
        '-' => (Token::Minus, 1),
        ',' => (Token::Comma, 1),
        '.' => (Token::Dot, 1),
        '(' => (Token::LeftParenthesis, 1),
        ')' => (Token::RightParenthesis, 1),
        '[' => (Token::LeftBracket, 1),
        ']' => (Token::RightBracket, 1),
        other => (Token::Unknown, other.len_utf8()),
    }
}

fn word(text: &str) -> &str {
    let end = text
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

fn keyword(word: &str) -> Option<Token<'static>> {
    [
        ("AND", Token::And),
        ("OR", Token::Or),
        ("NOT", Token::Not),
        ("BETWEEN", Token::Between),
        ("IN", Token::In),
    ]
    .into_iter()
    .find_map(|(keyword, token)| keyword.eq_ignore_ascii_case(word).then_some(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(source: &str) -> Vec<Token<'_>> {
        lex(source).into_iter().map(|lexeme| lexeme.token).collect()
    }

    #[test]
    fn reads_the_tokens_of_a_condition() {
        use Token::*;
        assert_eq!(
            tokens("#n.b[12]>=:v AND\tNot(a_1<>b) "),
            [
                Name("#n"),
                Dot,
                Identifier("b"),
                LeftBracket,
                Integer("12"),
                RightBracket,
                GreaterOrEqual,
                Value(":v"),
                And,
                Not,
                LeftParenthesis,
                Identifier("a_1"),
                NotEqual,
                Identifier("b"),
                RightParenthesis,
                End
            ]
        );
        assert_eq!(
            tokens("< <= = + - , between IN or"),
            [
                Less,
                LessOrEqual,
                Equal,
                Plus,
                Minus,
                Comma,
                Between,
                In,
                Or,
                End
            ]
        );
    }

    #[test]
    fn unknown_characters_are_tokens_of_one_character() {
        assert_eq!(
            tokens("_é:#"),
            [
                Token::Unknown,
                Token::Unknown,
                Token::Unknown,
                Token::Unknown,
                Token::End
            ]
        );
        assert_eq!(
            lex("é a").get(1).map(|lexeme| (lexeme.start, lexeme.end)),
            Some((3, 4))
        );
    }
}
