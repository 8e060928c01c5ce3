//! The grammar of statements; that of conditions is in [`super::condition_grammar`].
//!
//! ```text
//! statement  := select | insert | update | delete | EXISTS ( select )
//! select     := SELECT (* | path (, path)*) FROM name [. name] [WHERE condition] [ORDER BY path [ASC | DESC] (, …)*]
//! insert     := INSERT INTO name VALUE value
//! update     := UPDATE name (SET assignment (, assignment)* | REMOVE path)+ [WHERE condition] [RETURNING returning]
//! delete     := DELETE FROM name [WHERE condition] [RETURNING returning]
//! returning  := (ALL | MODIFIED) (OLD | NEW) *
//! assignment := path = (operand [(+ | -) operand] | set_add ( path , value ) | set_delete ( path , value ))
//! operand    := path | value | list_append ( operand , operand )
//! path       := name (. name | [ integer ] | [ string ])*
//! value      := string | [+ | -] number | TRUE | FALSE | NULL | ? | [ values ] | << values >> | { string : value, … }
//! ```
//!
//! Guaranteed: any text gives a statement or an error; recursion ends at [`MAX_NESTING`]. Where DynamoDB's wording of an error is
//! known, it is that of the PartiQL parser that it is built on.

use super::ast::{
    Change, Delete, Insert, Order, Select, SetOperand, Source, Statement, Update, Value,
};
use super::lexer::{Lexeme, Token, lex};
use super::malformed;
use crate::error::ValidationError;
use crate::expr::path::{MAX_PATH, Part, Path};
use crate::number::Number;
use crate::ops::ReturnValue;
use crate::value::AttributeValue;

/// Most parentheses, NOTs, values and functions within each other.
const MAX_NESTING: usize = 64;

type Result<T> = std::result::Result<T, ValidationError>;

/// A statement, and how many parameters it has.
pub(super) fn parse(source: &str) -> Result<(Statement, usize)> {
    let mut parser = Parser {
        source,
        lexemes: lex(source)?,
        at: 0,
        depth: 0,
        parameters: 0,
    };
    let statement = parser.statement()?;
    if parser.accept(";") && *parser.peek() != Token::End {
        return Err(malformed(
            "Unexpected token after semicolon. (Only one query is allowed.)",
        ));
    }
    if *parser.peek() != Token::End {
        return Err(parser.trailing());
    }
    Ok((statement, parser.parameters))
}

/// A place in the tokens of a statement.
pub(super) struct Parser<'a> {
    source: &'a str,
    lexemes: Vec<Lexeme<'a>>,
    at: usize,
    depth: usize,
    /// How many were met.
    parameters: usize,
}

impl<'a> Parser<'a> {
    pub(super) fn peek(&self) -> &Token<'a> {
        self.lexemes
            .get(self.at)
            .map_or(&Token::End, |lexeme| &lexeme.token)
    }

    /// The token after the next one.
    pub(super) fn peek_second(&self) -> &Token<'a> {
        self.lexemes
            .get(self.at + 1)
            .map_or(&Token::End, |lexeme| &lexeme.token)
    }

    pub(super) fn advance(&mut self) -> Token<'a> {
        let token = self.peek().clone();
        self.at += usize::from(token != Token::End);
        token
    }

    pub(super) fn accept(&mut self, symbol: &'static str) -> bool {
        let found = *self.peek() == Token::Symbol(symbol);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, symbol: &'static str) -> Result<()> {
        if self.accept(symbol) {
            Ok(())
        } else {
            Err(malformed(format!("Expected '{symbol}'")))
        }
    }

    pub(super) fn is_word(&self, keyword: &str) -> bool {
        matches!(self.peek(), Token::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    pub(super) fn accept_word(&mut self, keyword: &str) -> bool {
        let found = self.is_word(keyword);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect_word(&mut self, keyword: &str) -> Result<()> {
        if self.accept_word(keyword) {
            Ok(())
        } else {
            Err(malformed(format!("Expected {keyword}")))
        }
    }

    /// The error of a token that begins no term.
    pub(super) fn unexpected(&self) -> ValidationError {
        malformed(match self.peek() {
            token if token.is_keyword() => "Unexpected keyword",
            Token::Symbol("<" | "<=" | "<>" | "!=" | "=" | ">" | ">=" | "+" | "-") => {
                "Unexpected operator"
            }
            _ => "Unexpected term",
        })
    }

    /// The error of what stands behind a statement.
    fn trailing(&self) -> ValidationError {
        const CLAUSES: [&str; 4] = ["LIMIT", "GROUP", "HAVING", "OFFSET"];
        match CLAUSES.into_iter().find(|clause| self.is_word(clause)) {
            Some(clause) => self.unsupported("clause", clause),
            None => malformed("Unexpected token after expression"),
        }
    }

    /// The error of the next token, which PartiQL knows and DynamoDB does not: what it is, with its line, column and length.
    pub(super) fn unsupported(&self, what: &str, name: &str) -> ValidationError {
        let start = self.lexemes.get(self.at).map_or(0, |lexeme| lexeme.start);
        let before = self.source.get(..start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before
            .rsplit('\n')
            .next()
            .map_or(0, |text| text.chars().count())
            + 1;
        ValidationError::new(format!(
            "Unsupported {what}: {name} at {line}:{column}:{}",
            name.len()
        ))
    }

    /// Refuses to compute with what was read.
    pub(super) fn no_arithmetic(&self) -> Result<()> {
        match self.peek() {
            Token::Symbol(operator @ ("+" | "-" | "*")) => {
                Err(self.unsupported("operator", operator))
            }
            _ => Ok(()),
        }
    }

    /// Refuses another name for what was read.
    fn no_alias(&self) -> Result<()> {
        if self.is_word("AS") || self.at_name() {
            return Err(ValidationError::new("Aliasing is not supported"));
        }
        Ok(())
    }

    /// Runs `read` one level deeper.
    pub(super) fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth == MAX_NESTING {
            return Err(malformed(format!(
                "Nested deeper than {MAX_NESTING} levels"
            )));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    /// One or more, divided by commas.
    fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let mut list = vec![read(self)?];
        while self.accept(",") {
            list.push(read(self)?);
        }
        Ok(list)
    }

    fn statement(&mut self) -> Result<Statement> {
        if self.accept_word("SELECT") {
            self.select().map(Statement::Select)
        } else if self.accept_word("INSERT") {
            self.expect_word("INTO")?;
            self.insert().map(Statement::Insert)
        } else if self.accept_word("UPDATE") {
            self.update().map(Statement::Update)
        } else if self.accept_word("DELETE") {
            self.delete().map(Statement::Delete)
        } else if self.accept_word("EXISTS") {
            self.expect("(")?;
            self.expect_word("SELECT")?;
            let select = self.select()?;
            self.expect(")")?;
            Ok(Statement::Exists(select))
        } else {
            Err(malformed("Expected data manipulation"))
        }
    }

    fn select(&mut self) -> Result<Select> {
        if self.is_word("DISTINCT") {
            return Err(self.unsupported("clause", "DISTINCT"));
        }
        let columns = if self.accept("*") {
            None
        } else {
            Some(self.list(Self::column)?)
        };
        if !self.accept_word("FROM") {
            return Err(malformed("Expected FROM after SELECT list"));
        }
        let (table, index) = self.source()?;
        let condition = self.condition_clause()?;
        let mut order = Vec::new();
        if self.accept_word("ORDER") {
            self.expect_word("BY")?;
            order = self.list(Self::order)?;
        }
        Ok(Select {
            columns,
            table,
            index,
            condition,
            order,
        })
    }

    fn column(&mut self) -> Result<Path> {
        if let Token::Word(function) = *self.peek()
            && *self.peek_second() == Token::Symbol("(")
        {
            return Err(self.unsupported("function", function));
        }
        let path = self.path()?;
        self.no_arithmetic()?;
        self.no_alias()?;
        Ok(path)
    }

    /// The table or index behind FROM.
    fn source(&mut self) -> Result<(String, Option<String>)> {
        const JOINS: [&str; 7] = ["JOIN", "INNER", "LEFT", "RIGHT", "FULL", "CROSS", "NATURAL"];
        let several =
            || ValidationError::new("Only select from a single table or index is supported.");
        if *self.peek() == Token::Symbol("(") {
            return Err(several());
        }
        let table = self.name()?;
        let index = if self.accept(".") {
            Some(self.name()?)
        } else {
            None
        };
        if *self.peek() == Token::Symbol(",") || JOINS.iter().any(|join| self.is_word(join)) {
            return Err(several());
        }
        self.no_alias()?;
        Ok((table, index))
    }

    fn order(&mut self) -> Result<Order> {
        let path = self.path()?;
        let descending = self.accept_word("DESC");
        if !descending {
            self.accept_word("ASC");
        }
        Ok(Order { path, descending })
    }

    fn insert(&mut self) -> Result<Insert> {
        let table = self.written_table()?;
        if !self.accept_word("VALUE") {
            return Err(self.unexpected());
        }
        let item = self.value()?;
        Ok(Insert { table, item })
    }

    fn update(&mut self) -> Result<Update> {
        let table = self.written_table()?;
        let mut changes = Vec::new();
        loop {
            if self.accept_word("SET") {
                changes.extend(self.list(Self::assignment)?);
            } else if self.accept_word("REMOVE") {
                changes.push(Change::Remove(self.simple_path()?));
            } else {
                break;
            }
        }
        if changes.is_empty() {
            return Err(malformed("Expected data manipulation"));
        }
        let condition = self.condition_clause()?;
        let returning = self.returning()?;
        Ok(Update {
            table,
            changes,
            condition,
            returning,
        })
    }

    fn delete(&mut self) -> Result<Delete> {
        if !self.accept_word("FROM") {
            return Err(malformed("Expected FROM after DELETE"));
        }
        let table = self.written_table()?;
        let condition = self.condition_clause()?;
        let returning = self.returning()?;
        Ok(Delete {
            table,
            condition,
            returning,
        })
    }

    /// The table of a write: an index is not written.
    fn written_table(&mut self) -> Result<String> {
        if !self.at_name() {
            return Err(malformed("Expected identifier for simple path"));
        }
        let table = self.name()?;
        if *self.peek() == Token::Symbol(".") {
            return Err(ValidationError::new(
                "This operation is not supported on an index",
            ));
        }
        Ok(table)
    }

    fn returning(&mut self) -> Result<ReturnValue> {
        if !self.accept_word("RETURNING") {
            return Ok(ReturnValue::None);
        }
        let expected = "Expected ( MODIFIED | ALL ) ( NEW | OLD ) in each returning element.";
        let all = self.accept_word("ALL");
        if !all && !self.accept_word("MODIFIED") {
            return Err(malformed(expected));
        }
        let old = self.accept_word("OLD");
        if !old && !self.accept_word("NEW") {
            return Err(malformed(expected));
        }
        self.expect("*")?;
        Ok(match (all, old) {
            (true, true) => ReturnValue::AllOld,
            (true, false) => ReturnValue::AllNew,
            (false, true) => ReturnValue::UpdatedOld,
            (false, false) => ReturnValue::UpdatedNew,
        })
    }

    fn assignment(&mut self) -> Result<Change> {
        let path = self.simple_path()?;
        self.expect("=")?;
        let source = if self.accept_call("set_add") {
            let (path, value) = self.set_arguments()?;
            Source::SetAdd(path, value)
        } else if self.accept_call("set_delete") {
            let (path, value) = self.set_arguments()?;
            Source::SetDelete(path, value)
        } else {
            let left = self.set_operand()?;
            if self.accept("+") {
                Source::Plus(left, self.set_operand()?)
            } else if self.accept("-") {
                Source::Minus(left, self.set_operand()?)
            } else {
                Source::Operand(left)
            }
        };
        Ok(Change::Set(path, source))
    }

    /// The name of a function and the parenthesis behind it.
    fn accept_call(&mut self, function: &str) -> bool {
        let found = self.is_word(function) && *self.peek_second() == Token::Symbol("(");
        self.at += if found { 2 } else { 0 };
        found
    }

    fn set_arguments(&mut self) -> Result<(Path, Value)> {
        let path = self.path()?;
        self.expect(",")?;
        let value = self.value()?;
        self.expect(")")?;
        Ok((path, value))
    }

    fn set_operand(&mut self) -> Result<SetOperand> {
        if self.accept_call("list_append") {
            let first = self.nested(Self::set_operand)?;
            self.expect(",")?;
            let second = self.nested(Self::set_operand)?;
            self.expect(")")?;
            return Ok(SetOperand::ListAppend(Box::new(first), Box::new(second)));
        }
        if self.at_name() {
            self.path().map(SetOperand::Path)
        } else {
            self.value().map(SetOperand::Value)
        }
    }

    /// Whether a name follows.
    pub(super) fn at_name(&self) -> bool {
        match self.peek() {
            Token::Name(_) => true,
            token @ Token::Word(_) => !token.is_keyword(),
            _ => false,
        }
    }

    fn name(&mut self) -> Result<String> {
        if !self.at_name() {
            return Err(self.unexpected());
        }
        Ok(match self.advance() {
            Token::Name(name) => name.into_owned(),
            Token::Word(word) => word.to_owned(),
            _ => String::new(),
        })
    }

    /// A path that is written.
    fn simple_path(&mut self) -> Result<Path> {
        if !self.at_name() {
            return Err(malformed("Expected identifier for simple path"));
        }
        self.path()
    }

    pub(super) fn path(&mut self) -> Result<Path> {
        let mut path = Path::attribute(&self.name()?);
        loop {
            if self.accept(".") {
                if !self.at_name() {
                    return Err(malformed("Invalid path dot component"));
                }
                path.rest.push(Part::Name(self.name()?.into()));
            } else if self.accept("[") {
                path.rest.push(self.bracketed()?);
                self.expect("]")?;
            } else {
                return Ok(path);
            }
            if path.rest.len() >= MAX_PATH {
                return Err(malformed("The document path has too many nesting elements"));
            }
        }
    }

    fn bracketed(&mut self) -> Result<Part> {
        let invalid = || malformed("Invalid path component for simple path");
        match self.advance() {
            Token::Number(digits) => digits
                .parse()
                .ok()
                .filter(|index| *index <= i32::MAX as usize)
                .map(Part::Index)
                .ok_or_else(invalid),
            Token::Text(name) => Ok(Part::Name(name.into())),
            _ => Err(invalid()),
        }
    }

    pub(super) fn value(&mut self) -> Result<Value> {
        if self.accept("?") {
            self.parameters += 1;
            return Ok(Value::Parameter(self.parameters - 1));
        }
        if self.accept("[") {
            return self.values("]").map(Value::List);
        }
        if self.accept("<<") {
            return self.values(">>").map(Value::Set);
        }
        if self.accept("{") {
            return self.map().map(Value::Map);
        }
        self.scalar().map(Value::Scalar)
    }

    fn scalar(&mut self) -> Result<AttributeValue> {
        for (word, value) in [
            ("NULL", AttributeValue::Null),
            ("TRUE", AttributeValue::Bool(true)),
            ("FALSE", AttributeValue::Bool(false)),
        ] {
            if self.accept_word(word) {
                return Ok(value);
            }
        }
        let sign = match self.peek() {
            Token::Symbol(sign @ ("+" | "-")) if matches!(self.peek_second(), Token::Number(_)) => {
                *sign
            }
            _ => "",
        };
        self.at += usize::from(!sign.is_empty());
        match self.peek().clone() {
            Token::Text(text) => {
                self.advance();
                Ok(AttributeValue::S(text.into_owned()))
            }
            Token::Number(digits) => {
                self.advance();
                let sign = sign.trim_start_matches('+');
                let number: Number = format!("{sign}{digits}").parse()?;
                Ok(AttributeValue::N(number))
            }
            _ => Err(self.unexpected()),
        }
    }

    /// The values of a list or set up to its end.
    pub(super) fn values(&mut self, end: &'static str) -> Result<Vec<Value>> {
        if self.accept(end) {
            return Ok(Vec::new());
        }
        let values = self.nested(|parser| parser.list(Self::value))?;
        self.expect(end)?;
        Ok(values)
    }

    fn map(&mut self) -> Result<Vec<(String, Value)>> {
        if self.accept("}") {
            return Ok(Vec::new());
        }
        let entries = self.nested(|parser| {
            parser.list(|parser| {
                let Token::Text(name) = parser.peek().clone() else {
                    return Err(parser.unexpected());
                };
                parser.advance();
                parser.expect(":")?;
                Ok((name.into_owned(), parser.value()?))
            })
        })?;
        self.expect("}")?;
        Ok(entries)
    }
}
