//! Tokens of a JSON text (RFC 8259), one after another: no tree, no recursion but in [`Reader::skip`], which is bounded.
//!
//! Stricter than needed in one point: an escape of half a surrogate pair is refused, since no Rust string holds one.

use std::borrow::Cow;

/// Deepest nesting of objects and arrays. An attribute value of DynamoDB's 32 levels takes 66 and its request a few more.
pub const MAX_NESTING: usize = 128;

/// The text is not JSON, or nests too deep.
#[derive(Debug)]
pub(super) struct Syntax;

/// What kind of value comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Object,
    Array,
    Text,
    Number,
    True,
    False,
    Null,
}

pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Reader<'a> {
        Reader {
            text,
            at: 0,
            depth: 0,
        }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The next byte that is no white space; it is not consumed.
    fn next_byte(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.byte() {
            self.at += 1;
        }
        self.byte()
    }

    fn expect(&mut self, byte: u8) -> Result<(), Syntax> {
        if self.next_byte() != Some(byte) {
            return Err(Syntax);
        }
        self.at += 1;
        Ok(())
    }

    /// What comes next; nothing is consumed.
    pub(super) fn peek(&mut self) -> Result<Token, Syntax> {
        match self.next_byte() {
            Some(b'"') => Ok(Token::Text),
            Some(b'{') => Ok(Token::Object),
            Some(b'[') => Ok(Token::Array),
            Some(b'-' | b'0'..=b'9') => Ok(Token::Number),
            Some(b't') => Ok(Token::True),
            Some(b'f') => Ok(Token::False),
            Some(b'n') => Ok(Token::Null),
            _ => Err(Syntax),
        }
    }

    /// Consumes `true`, `false` or `null`.
    pub(super) fn literal(&mut self, literal: &str) -> Result<(), Syntax> {
        self.next_byte();
        let rest = self.text.get(self.at..).ok_or(Syntax)?;
        if !rest.starts_with(literal) {
            return Err(Syntax);
        }
        self.at += literal.len();
        Ok(())
    }

    /// Consumes a number, as it is written.
    pub(super) fn number(&mut self) -> Result<&'a str, Syntax> {
        self.next_byte();
        let start = self.at;
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        match self.byte() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.byte() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.byte() {
                self.at += 1;
            }
            self.digits()?;
        }
        self.text.get(start..self.at).ok_or(Syntax)
    }

    fn digits(&mut self) -> Result<(), Syntax> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.byte() {
            self.at += 1;
        }
        match self.at > start {
            true => Ok(()),
            false => Err(Syntax),
        }
    }

    /// Consumes a string. Borrowed if nothing in it is escaped.
    pub(super) fn string(&mut self) -> Result<Cow<'a, str>, Syntax> {
        self.expect(b'"')?;
        let plain = self.plain()?;
        if self.byte() == Some(b'"') {
            self.at += 1;
            return Ok(Cow::Borrowed(plain));
        }
        let mut text = plain.to_owned();
        loop {
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Cow::Owned(text));
                }
                Some(b'\\') => {
                    self.at += 1;
                    text.push(self.escape()?);
                }
                _ => return Err(Syntax),
            }
            text.push_str(self.plain()?);
        }
    }

    /// Up to the next quote, backslash or control character, all of which are ASCII.
    fn plain(&mut self) -> Result<&'a str, Syntax> {
        let rest = self.text.as_bytes().get(self.at..).ok_or(Syntax)?;
        let length = rest
            .iter()
            .position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f))
            .ok_or(Syntax)?;
        let start = self.at;
        self.at += length;
        self.text.get(start..self.at).ok_or(Syntax)
    }

    /// What stands behind a backslash.
    fn escape(&mut self) -> Result<char, Syntax> {
        let kind = self.byte().ok_or(Syntax)?;
        self.at += 1;
        Ok(match kind {
            b'"' | b'\\' | b'/' => char::from(kind),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(),
            _ => return Err(Syntax),
        })
    }

    /// One character of one or two `\uXXXX`, the first `\u` of which was consumed.
    fn unicode(&mut self) -> Result<char, Syntax> {
        let first = self.hex4()?;
        let code = match first {
            0xd800..=0xdbff => {
                if self.text.get(self.at..self.at + 2) != Some("\\u") {
                    return Err(Syntax);
                }
                self.at += 2;
                match self.hex4()? {
                    second @ 0xdc00..=0xdfff => {
                        0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
                    }
                    _ => return Err(Syntax),
                }
            }
            code => code,
        };
        char::from_u32(code).ok_or(Syntax)
    }

    fn hex4(&mut self) -> Result<u32, Syntax> {
        let digits = self.text.get(self.at..self.at + 4).ok_or(Syntax)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Syntax);
        }
        self.at += 4;
        u32::from_str_radix(digits, 16).map_err(|_| Syntax)
    }

    /// Consumes the `{` or `[` of what [`Reader::next_name`] or [`Reader::next_element`] walks through.
    pub(super) fn begin(&mut self) -> Result<(), Syntax> {
        match self.next_byte() {
            Some(b'{' | b'[') if self.depth < MAX_NESTING => {
                self.at += 1;
                self.depth += 1;
                Ok(())
            }
            _ => Err(Syntax),
        }
    }

    /// Consumes up to the next member's value; `None`: the object has ended. `first` is set by the caller, once.
    pub(super) fn next_name(&mut self, first: &mut bool) -> Result<Option<Cow<'a, str>>, Syntax> {
        if !self.goes_on(b'}', first)? {
            return Ok(None);
        }
        let name = self.string()?;
        self.expect(b':')?;
        Ok(Some(name))
    }

    /// Consumes up to the next element; `false`: the array has ended.
    pub(super) fn next_element(&mut self, first: &mut bool) -> Result<bool, Syntax> {
        self.goes_on(b']', first)
    }

    fn goes_on(&mut self, end: u8, first: &mut bool) -> Result<bool, Syntax> {
        let byte = self.next_byte();
        if byte == Some(end) {
            self.at += 1;
            self.depth -= 1;
            return Ok(false);
        }
        if !std::mem::take(first) {
            self.expect(b',')?;
        }
        Ok(true)
    }

    /// Consumes a value, whatever it is.
    pub(super) fn skip(&mut self) -> Result<(), Syntax> {
        let mut first = true;
        match self.peek()? {
            Token::Text => drop(self.string()?),
            Token::Number => drop(self.number()?),
            Token::True => self.literal("true")?,
            Token::False => self.literal("false")?,
            Token::Null => self.literal("null")?,
            Token::Object => {
                self.begin()?;
                while self.next_name(&mut first)?.is_some() {
                    self.skip()?;
                }
            }
            Token::Array => {
                self.begin()?;
                while self.next_element(&mut first)? {
                    self.skip()?;
                }
            }
        }
        Ok(())
    }

    /// Nothing but white space may be left.
    pub(super) fn end(&mut self) -> Result<(), Syntax> {
        match self.next_byte() {
            None => Ok(()),
            Some(_) => Err(Syntax),
        }
    }
}
