//! ProjectionExpression, and AttributesToGet: what is given back of an item.

use std::collections::HashSet;

use crate::error::{Constraints, ValidationError};
use crate::expr::check::{check_length, invalid, no_reserved_step, path_fits};
use crate::expr::lexer::Token;
use crate::expr::parser::{Parser, Step, SyntaxError};
use crate::expr::path::{Path, PathTree};
use crate::expr::placeholders::Placeholders;
use crate::expr::predicate::key_is_scalar;
use crate::map::Item;
use crate::schema::KeySchema;
use crate::size::attribute_name;

/// Paths of which none lies within another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProjectionExpression {
    paths: PathTree,
}

impl ProjectionExpression {
    /// Reads and checks a projection.
    pub(crate) fn parse<'a>(
        source: &'a str,
        placeholders: &mut Placeholders<'a>,
    ) -> Result<Self, ValidationError> {
        invalid("ProjectionExpression", read(source, placeholders)).map(|paths| Self { paths })
    }

    /// The projection on whole attributes.
    pub(crate) fn of_attributes(names: &[String]) -> Result<Self, ValidationError> {
        let mut constraints = Constraints::default();
        constraints.length(names.len(), 1, usize::MAX, "[]", "attributesToGet");
        constraints.finish()?;
        names.iter().try_for_each(|name| attribute_name(name))?;
        let mut seen = HashSet::with_capacity(names.len());
        if let Some(name) = names.iter().find(|name| !seen.insert(name.as_str())) {
            return Err(ValidationError::invalid_parameter(format_args!(
                "Duplicate value in attribute name: {name}"
            )));
        }
        let paths: Vec<Path> = names.iter().map(|name| Path::attribute(name)).collect();
        let paths = PathTree::new(paths.iter()).map_err(ValidationError::new)?;
        Ok(Self { paths })
    }

    pub(super) fn of_tree(paths: PathTree) -> Self {
        Self { paths }
    }

    /// What an item has of the paths. Elements of lists keep their order and close their ranks.
    pub fn project(&self, item: &Item) -> Item {
        self.paths.project(item)
    }

    /// The attributes that the paths begin with, each once.
    pub fn attributes(&self) -> impl Iterator<Item = &str> {
        self.paths.heads()
    }

    /// Key attributes are scalars: nothing is nested in them.
    ///
    /// # Errors
    /// AWS's message.
    pub fn keys_are_scalars(&self, schema: &KeySchema) -> Result<(), ValidationError> {
        key_is_scalar(schema, self.nested_heads())
    }

    /// The attributes into which the paths lead.
    pub fn nested_heads(&self) -> impl Iterator<Item = &str> {
        self.paths.nested_heads()
    }
}

/// `path (, path)*`
fn read<'a>(source: &'a str, placeholders: &mut Placeholders<'a>) -> Result<PathTree, String> {
    check_length(source)?;
    let paths = parse(source).map_err(|error| error.to_string())?;
    paths.iter().try_for_each(|path| no_reserved_step(path))?;
    paths
        .iter()
        .try_for_each(|path| path_fits(path, placeholders))?;
    let paths: Vec<Path> = paths
        .iter()
        .map(|path| placeholders.checked_path(path))
        .collect();
    PathTree::new(paths.iter())
}

fn parse(source: &str) -> Result<Vec<Vec<Step<'_>>>, SyntaxError> {
    let mut parser = Parser::new(source);
    let mut paths = vec![parser.path()?];
    while parser.accept(Token::Comma) {
        paths.push(parser.path()?);
    }
    parser.expect(Token::End)?;
    Ok(paths)
}

#[cfg(test)]
mod tests;
