//! Updates as they are carried out: UpdateExpression, and AttributeUpdates, which mean the same.
//!
//! All operands are read from the item as it was; then values are written, then attributes and elements are removed, from the
//! highest index down. So the order in which the actions stand makes no difference, and an index means the same element in
//! all of them. A value written behind the end of a list becomes its last element; of several, they come in their order.
//!
//! Nothing is copied before it is known that the new item has room for it: a short text may name a large value many times.

use std::borrow::Cow;

use crate::error::ValidationError;
use crate::expr::check::invalid;
use crate::expr::condition::Operand as Read;
use crate::expr::constant::Constant;
use crate::expr::path::{Part, Path, PathTree};
use crate::expr::placeholders::Placeholders;
use crate::expr::predicate::is_key;
use crate::expr::projection::ProjectionExpression;
use crate::expr::update_check::read;
use crate::expr::update_grammar;
use crate::map::{Item, Map};
use crate::number::Number;
use crate::schema::KeySchema;
use crate::size::{ELEMENT_SIZE, MAX_ITEM_SIZE, item_size, validate_key_map, value_size};
use crate::value::{AttributeType, AttributeValue};

/// Changes of an item that were checked; their placeholders are resolved.
#[derive(Clone, PartialEq, Eq)]
pub struct UpdateExpression {
    /// Sorted by path.
    actions: Vec<Action>,
    paths: ProjectionExpression,
    /// What a wrong type is called: the older parameters have a message of their own.
    mistyped: &'static str,
}

/// How many changes there are.
impl std::fmt::Debug for UpdateExpression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "UpdateExpression({} actions)", self.actions.len())
    }
}

/// A change at a path.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Action {
    pub(crate) path: Path,
    pub(crate) change: Change,
}

/// What happens at a path.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Change {
    Set(Value),
    Remove,
    /// Adds a number to a number, or elements to a set; or appends a list to a list, in AttributeUpdates only.
    Add(Constant),
    /// Removes elements of a set.
    Delete(Constant),
}

/// What a path is set to.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Operand(Operand),
    Plus(Operand, Operand),
    Minus(Operand, Operand),
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Operand {
    Path(Path),
    Value(Constant),
    IfNotExists(Path, Box<Operand>),
    ListAppend(Box<Operand>, Box<Operand>),
}

/// What becomes of the place that a path names.
enum Effect<'i> {
    Write(Cow<'i, AttributeValue>),
    /// Something is there.
    Remove,
    Nothing,
}

impl UpdateExpression {
    /// Reads and checks an update.
    pub(crate) fn parse<'a>(
        source: &'a str,
        placeholders: &mut Placeholders<'a>,
    ) -> Result<Self, ValidationError> {
        let (actions, paths, tree) = invalid("UpdateExpression", read(source, placeholders))?;
        let actions = actions
            .iter()
            .zip(paths)
            .map(|(action, path)| Action {
                path,
                change: Change::of(&action.change, placeholders),
            })
            .collect();
        Ok(Self::of(
            actions,
            tree,
            "An operand in the update expression has an incorrect data type",
        ))
    }

    /// Changes whose paths are those of the tree.
    pub(crate) fn of(mut actions: Vec<Action>, tree: PathTree, mistyped: &'static str) -> Self {
        actions.sort_by(|a, b| a.path.cmp(&b.path));
        Self {
            actions,
            paths: ProjectionExpression::of_tree(tree),
            mistyped,
        }
    }

    /// No change.
    pub(crate) fn none() -> Self {
        Self::of(Vec::new(), PathTree::default(), "")
    }

    /// Refuses to change an attribute of the key.
    ///
    /// # Errors
    /// AWS's message.
    pub fn spares_key_of(&self, schema: &KeySchema) -> Result<(), ValidationError> {
        match self.paths.attributes().find(|name| is_key(schema, name)) {
            None => Ok(()),
            Some(name) => Err(ValidationError::invalid_parameter(format_args!(
                "Cannot update attribute {name}. This attribute is part of the key"
            ))),
        }
    }

    /// Whether an attribute, or something in it, is changed.
    pub fn changes(&self, attribute: &str) -> bool {
        self.paths.attributes().any(|name| name == attribute)
    }

    /// The type that an attribute certainly has after the update, if that is known before the item is.
    pub fn type_of(&self, attribute: &str) -> Option<AttributeType> {
        let whole =
            |action: &&Action| action.path.rest.is_empty() && &*action.path.head == attribute;
        match &self.actions.iter().find(whole)?.change {
            Change::Set(Value::Operand(Operand::Value(value))) | Change::Add(value) => {
                Some(value.attribute_type())
            }
            Change::Set(Value::Operand(Operand::ListAppend(..))) => Some(AttributeType::L),
            Change::Set(Value::Plus(..) | Value::Minus(..)) => Some(AttributeType::N),
            Change::Set(_) | Change::Remove | Change::Delete(_) => None,
        }
    }

    /// The value that an attribute is set to, if the update names it.
    pub fn value_of(&self, attribute: &str) -> Option<&AttributeValue> {
        let whole =
            |action: &&Action| action.path.rest.is_empty() && &*action.path.head == attribute;
        match &self.actions.iter().find(whole)?.change {
            Change::Set(Value::Operand(Operand::Value(value))) => Some(value),
            _ => None,
        }
    }

    /// The paths that are changed.
    pub fn paths(&self) -> &ProjectionExpression {
        &self.paths
    }

    /// The item after the update; `key` are its key attributes in case that there was none. `None` if there was no item and there
    /// is none now, because nothing but removals was asked for.
    ///
    /// # Errors
    /// AWS's messages for operands and paths that do not fit the item, and for one that has become too large or is nested too deep.
    pub fn apply(&self, key: &Map, old: Option<&Item>) -> Result<Option<Item>, ValidationError> {
        const NONE: &Item = &Item::new();
        let before = old.unwrap_or(NONE);
        let effects = self.effects(before)?;
        let only_removes = effects
            .iter()
            .all(|effect| !matches!(effect, Effect::Write(_)));
        if old.is_none() && only_removes && !self.actions.is_empty() {
            return Ok(None);
        }
        let mut item = old.unwrap_or(key).clone();
        let mut removed = Vec::new();
        for (action, effect) in self.actions.iter().zip(effects) {
            match effect {
                Effect::Write(value) => write(&mut item, &action.path, value.into_owned())?,
                Effect::Remove => removed.push(&action.path),
                Effect::Nothing => {}
            }
        }
        for path in removed.into_iter().rev() {
            remove(&mut item, path)?;
        }
        // Only the depth can be wrong: sets and names were checked one by one.
        validate_key_map(&item)?;
        if item_size(&item) > MAX_ITEM_SIZE {
            return Err(too_large());
        }
        Ok(Some(item))
    }

    /// What each action does. Paths do not overlap, so all that is written is in the new item, and has to fit in it.
    fn effects<'i>(&'i self, item: &'i Item) -> Result<Vec<Effect<'i>>, ValidationError> {
        let mut room = MAX_ITEM_SIZE;
        let effects = self.actions.iter().map(|action| {
            let effect = self.effect(action, item)?;
            if let Effect::Write(value) = &effect {
                let left = room.checked_sub(value_size(value));
                room = left.ok_or_else(too_large)?;
            }
            Ok(effect)
        });
        effects.collect()
    }

    fn effect<'i>(
        &'i self,
        action: &'i Action,
        item: &'i Item,
    ) -> Result<Effect<'i>, ValidationError> {
        let mistyped = || ValidationError::new(self.mistyped);
        let old = action.path.get(item);
        match (&action.change, old) {
            (Change::Set(value), _) => value.read(item, mistyped).map(Effect::Write),
            (Change::Remove, Some(_)) => Ok(Effect::Remove),
            (Change::Add(value), None) => Ok(Effect::Write(Cow::Borrowed(value))),
            (Change::Add(value), Some(old)) => {
                let sum = sum(old, value)?.ok_or_else(mistyped)?;
                Ok(Effect::Write(Cow::Owned(sum)))
            }
            (Change::Delete(value), Some(old)) => difference(old, value).ok_or_else(mistyped),
            // What other actions write where nothing was is not meant.
            (Change::Remove | Change::Delete(_), None) if leads_somewhere(item, &action.path) => {
                Ok(Effect::Nothing)
            }
            (Change::Remove | Change::Delete(_), None) => Err(invalid_path()),
        }
    }
}

impl Change {
    fn of<'a>(change: &update_grammar::Change<'a>, placeholders: &Placeholders<'a>) -> Self {
        use update_grammar::{Change as From, Value as FromValue};
        let operand = |operand: &Read<'a>| Operand::of(operand, placeholders);
        match change {
            From::Set(FromValue::Operand(one)) => Change::Set(Value::Operand(operand(one))),
            From::Set(FromValue::Plus(left, right)) => {
                Change::Set(Value::Plus(operand(left), operand(right)))
            }
            From::Set(FromValue::Minus(left, right)) => {
                Change::Set(Value::Minus(operand(left), operand(right)))
            }
            From::Remove => Change::Remove,
            From::Add(placeholder) => Change::Add(placeholders.checked_value(placeholder)),
            From::Delete(placeholder) => Change::Delete(placeholders.checked_value(placeholder)),
        }
    }
}

impl Operand {
    fn of<'a>(operand: &Read<'a>, placeholders: &Placeholders<'a>) -> Self {
        let nested = |operand| Box::new(Operand::of(operand, placeholders));
        match operand {
            Read::Path(steps) => Operand::Path(placeholders.checked_path(steps)),
            Read::Value(placeholder) => Operand::Value(placeholders.checked_value(placeholder)),
            Read::Function(function) => match (function.name, function.arguments.as_slice()) {
                ("if_not_exists", [Read::Path(steps), default]) => {
                    Operand::IfNotExists(placeholders.checked_path(steps), nested(default))
                }
                ("list_append", [first, second]) => {
                    Operand::ListAppend(nested(first), nested(second))
                }
                // The check let no other function pass.
                _ => Operand::Value(AttributeValue::Null.into()),
            },
        }
    }

    fn read<'i>(
        &'i self,
        item: &'i Item,
        mistyped: impl Fn() -> ValidationError + Copy,
    ) -> Result<Cow<'i, AttributeValue>, ValidationError> {
        match self {
            Operand::Path(path) => path.get(item).map(Cow::Borrowed).ok_or_else(|| {
                ValidationError::new(
                    "The provided expression refers to an attribute that does not exist in the item",
                )
            }),
            Operand::Value(value) => Ok(Cow::Borrowed(value)),
            Operand::IfNotExists(path, default) => match path.get(item) {
                Some(value) => Ok(Cow::Borrowed(value)),
                None => default.read(item, mistyped),
            },
            Operand::ListAppend(..) => {
                let mut lists = Lists::default();
                self.join(item, mistyped, &mut lists)?;
                Ok(Cow::Owned(AttributeValue::L(lists.parts.concat())))
            }
        }
    }

    /// Adds the list that the operand is, or the lists of which it is made.
    fn join<'i>(
        &'i self,
        item: &'i Item,
        mistyped: impl Fn() -> ValidationError + Copy,
        lists: &mut Lists<'i>,
    ) -> Result<(), ValidationError> {
        match self {
            Operand::ListAppend(first, second) => {
                first.join(item, mistyped, lists)?;
                second.join(item, mistyped, lists)
            }
            Operand::IfNotExists(path, default) if path.get(item).is_none() => {
                default.join(item, mistyped, lists)
            }
            single => match single.read(item, mistyped)? {
                Cow::Borrowed(AttributeValue::L(list)) => lists.push(list),
                _ => Err(mistyped()),
            },
        }
    }
}

/// Lists to be joined, which together fit in an item.
#[derive(Default)]
struct Lists<'i> {
    parts: Vec<&'i [AttributeValue]>,
    size: usize,
}

impl<'i> Lists<'i> {
    fn push(&mut self, list: &'i [AttributeValue]) -> Result<(), ValidationError> {
        let sizes = list.iter().map(|value| ELEMENT_SIZE + value_size(value));
        self.size += sizes.sum::<usize>();
        if self.size > MAX_ITEM_SIZE {
            return Err(too_large());
        }
        self.parts.push(list);
        Ok(())
    }
}

impl Value {
    fn read<'i>(
        &'i self,
        item: &'i Item,
        mistyped: impl Fn() -> ValidationError + Copy,
    ) -> Result<Cow<'i, AttributeValue>, ValidationError> {
        let number = |operand: &Operand| match *operand.read(item, mistyped)? {
            AttributeValue::N(number) => Ok(number),
            _ => Err(mistyped()),
        };
        let number: Number = match self {
            Value::Operand(operand) => return operand.read(item, mistyped),
            Value::Plus(left, right) => {
                let (left, right) = (number(left)?, number(right)?);
                left.checked_add(right)?
            }
            Value::Minus(left, right) => {
                let (left, right) = (number(left)?, number(right)?);
                left.checked_sub(right)?
            }
        };
        Ok(Cow::Owned(AttributeValue::N(number)))
    }
}

/// ADD of two values, if their types allow it.
fn sum(
    old: &AttributeValue,
    added: &AttributeValue,
) -> Result<Option<AttributeValue>, ValidationError> {
    Ok(Some(match (old, added) {
        (AttributeValue::N(old), AttributeValue::N(added)) => {
            AttributeValue::N(old.checked_add(*added)?)
        }
        (AttributeValue::Ss(old), AttributeValue::Ss(added)) => {
            AttributeValue::Ss(union(old, added))
        }
        (AttributeValue::Ns(old), AttributeValue::Ns(added)) => {
            AttributeValue::Ns(union(old, added))
        }
        (AttributeValue::Bs(old), AttributeValue::Bs(added)) => {
            AttributeValue::Bs(union(old, added))
        }
        (AttributeValue::L(old), AttributeValue::L(added)) => {
            AttributeValue::L([old.as_slice(), added].concat())
        }
        _ => return Ok(None),
    }))
}

/// The elements of two sets, in order, each once.
fn union<T: Ord + Clone>(old: &[T], added: &[T]) -> Vec<T> {
    let mut all = [old, added].concat();
    all.sort();
    all.dedup();
    all
}

/// DELETE of elements, if the types allow it. A set that would be empty is removed.
fn difference<'i>(old: &AttributeValue, deleted: &Constant) -> Option<Effect<'i>> {
    fn without<'i, T: Ord + Clone>(
        old: &[T],
        deleted: &[T],
        make: fn(Vec<T>) -> AttributeValue,
    ) -> Effect<'i> {
        // The sets of constants are in order.
        let left: Vec<T> = old
            .iter()
            .filter(|element| deleted.binary_search(element).is_err())
            .cloned()
            .collect();
        match left.len() {
            0 => Effect::Remove,
            count if count == old.len() => Effect::Nothing,
            _ => Effect::Write(Cow::Owned(make(left))),
        }
    }
    Some(match (old, &**deleted) {
        (AttributeValue::Ss(old), AttributeValue::Ss(deleted)) => {
            without(old, deleted, AttributeValue::Ss)
        }
        (AttributeValue::Ns(old), AttributeValue::Ns(deleted)) => {
            without(old, deleted, AttributeValue::Ns)
        }
        (AttributeValue::Bs(old), AttributeValue::Bs(deleted)) => {
            without(old, deleted, AttributeValue::Bs)
        }
        _ => return None,
    })
}

fn too_large() -> ValidationError {
    ValidationError::new("Item size to update has exceeded the maximum allowed size")
}

fn invalid_path() -> ValidationError {
    ValidationError::new(
        "The document path provided in the update expression is invalid for update",
    )
}

/// Whether a path at which nothing stands goes through what is there: something could be written at it.
fn leads_somewhere(item: &Item, path: &Path) -> bool {
    match (path.rest.last(), path.parent(item)) {
        (None, _)
        | (Some(Part::Name(_)), Some(AttributeValue::M(_)))
        | (Some(Part::Index(_)), Some(AttributeValue::L(_))) => true,
        (Some(_), _) => false,
    }
}

/// The value in which the last part of a nested path stands, and that part.
fn parent<'i, 'p>(
    item: &'i mut Item,
    path: &'p Path,
) -> Result<Option<(&'i mut AttributeValue, &'p Part)>, ValidationError> {
    let Some((last, way)) = path.rest.split_last() else {
        return Ok(None);
    };
    let mut value = item.get_mut(&path.head).ok_or_else(invalid_path)?;
    for part in way {
        value = match (part, value) {
            (Part::Name(name), AttributeValue::M(map)) => map.get_mut(name),
            (Part::Index(index), AttributeValue::L(list)) => list.get_mut(*index),
            _ => None,
        }
        .ok_or_else(invalid_path)?;
    }
    Ok(Some((value, last)))
}

fn write(item: &mut Item, path: &Path, value: AttributeValue) -> Result<(), ValidationError> {
    match parent(item, path)? {
        None => {
            item.insert(&*path.head, value);
        }
        Some((AttributeValue::M(map), Part::Name(name))) => {
            map.insert(&**name, value);
        }
        Some((AttributeValue::L(list), Part::Index(index))) => match list.get_mut(*index) {
            Some(element) => *element = value,
            None => list.push(value),
        },
        Some(_) => return Err(invalid_path()),
    }
    Ok(())
}

fn remove(item: &mut Item, path: &Path) -> Result<(), ValidationError> {
    match parent(item, path)? {
        None => {
            item.remove(&path.head);
        }
        Some((AttributeValue::M(map), Part::Name(name))) => {
            map.remove(name);
        }
        Some((AttributeValue::L(list), Part::Index(index))) => {
            if *index < list.len() {
                list.remove(*index);
            }
        }
        Some(_) => return Err(invalid_path()),
    }
    Ok(())
}

#[cfg(test)]
mod tests;
