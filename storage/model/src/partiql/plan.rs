//! What a statement means for a table of a known schema: requests of the other operations.

use super::Statement;
use super::ast::{self, Change, Condition, Order, SetOperand, Source};
use super::bind::Parameters;
use super::keys::{KeyNames, Split, conjuncts, split, whole_key};
use crate::error::ValidationError;
use crate::expr::condition::Comparator;
use crate::expr::key_condition::Test as KeyTest;
use crate::expr::path::{Part, Path, PathTree};
use crate::expr::predicate::{Term, Test, order};
use crate::expr::update::{Action, Change as Effect, Operand, Value as Written};
use crate::expr::{
    ConditionExpression, FilterParameter, KeyConditionExpression, ProjectionExpression,
    UpdateExpression,
};
use crate::index::IndexSchema;
use crate::map::{Item, Map};
use crate::names::{IndexName, TableRef};
use crate::ops::{
    DeleteItem, Filter, Guard, PutItem, Query, ReturnConsumedCapacity, ReturnItemCollectionMetrics,
    ReturnValue, Scan, ScanSegment, Select as Selected, UpdateItem, no_such_index,
};
use crate::schema::{KeySchema, TableSchema};
use crate::size::validate_item;
use crate::value::AttributeValue;

type Result<T> = std::result::Result<T, ValidationError>;

/// A statement with all that a request says about it. The parameters were checked one by one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The statement.
    pub statement: Statement,
    /// The values of its `?`, in their order.
    pub parameters: Vec<AttributeValue>,
    /// Whether a strongly consistent read is asked for.
    pub consistent_read: bool,
    /// Whether a condition that does not hold gives back the item that it met.
    pub return_old: bool,
    /// What to tell about consumed capacity.
    pub return_consumed_capacity: ReturnConsumedCapacity,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Read items.
    Select(Select),
    /// Put an item if there is none of its key. If there is one, that is an error of its own.
    Insert(Box<PutItem>),
    /// Change an item.
    Update(Box<UpdateItem>),
    /// Delete an item.
    Delete(Box<DeleteItem>),
    /// Check an item, within a transaction.
    Check(Check),
}

/// A condition of an item that is not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The table.
    pub table: TableRef,
    /// The key.
    pub key: Map,
    /// The condition.
    pub guard: Guard,
}

/// A SELECT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Select {
    /// What is read.
    pub reads: Reads,
    /// What is given back of each item.
    pub columns: Columns,
    /// The primary key of the only item that is read, if it is fixed and the table itself is read.
    pub key: Option<Map>,
}

/// The reads of a SELECT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reads {
    /// Of one partition after the other, at least one.
    Partitions(Vec<Query>),
    /// Of the whole table or index.
    Table(Box<Scan>),
}

/// The columns of a SELECT: paths, and what they are called.
#[derive(Clone, PartialEq, Eq)]
pub struct Columns(Option<Vec<(Box<str>, Path)>>);

/// How many there are.
impl std::fmt::Debug for Columns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Columns({:?})", self.0.as_ref().map(Vec::len))
    }
}

impl Columns {
    fn new(columns: Option<&[Path]>) -> Self {
        let named = |path: &Path| (column_name(path), path.clone());
        Self(columns.map(|columns| columns.iter().map(named).collect()))
    }

    /// What an item has of the columns.
    pub fn of(&self, item: Item) -> Item {
        match &self.0 {
            None => item,
            Some(columns) => columns
                .iter()
                .filter_map(|(name, path)| Some((&**name, path.get(&item)?.clone())))
                .collect(),
        }
    }

    /// The attributes that hold them, each once.
    fn attributes(&self) -> Result<Option<ProjectionExpression>> {
        let Some(columns) = &self.0 else {
            return Ok(None);
        };
        let mut names: Vec<String> = columns
            .iter()
            .map(|(_, path)| path.head.to_string())
            .collect();
        names.sort_unstable();
        names.dedup();
        ProjectionExpression::of_attributes(&names).map(Some)
    }
}

/// The last name of a path, with the indexes behind it.
fn column_name(path: &Path) -> Box<str> {
    let mut name = path.head.to_string();
    for part in &path.rest {
        match part {
            Part::Name(last) => name = last.to_string(),
            Part::Index(index) => name.push_str(&format!("[{index}]")),
        }
    }
    name.into()
}

impl Request {
    /// What the statement means for its table.
    ///
    /// # Errors
    /// AWS's messages, where they are known.
    pub fn plan(&self, schema: &TableSchema) -> Result<Plan> {
        self.statement.takes(&self.parameters)?;
        match &self.statement.tree {
            ast::Statement::Select(select) => self.select(select, schema).map(Plan::Select),
            ast::Statement::Insert(insert) => self.insert(insert, &schema.key),
            ast::Statement::Update(update) => self.update(update, &schema.key),
            ast::Statement::Delete(delete) => self.delete(delete, &schema.key),
            ast::Statement::Exists(select) => self.check(select, &schema.key).map(Plan::Check),
        }
    }

    fn bound(&self) -> Parameters<'_> {
        Parameters(&self.parameters)
    }

    fn table(&self) -> TableRef {
        self.statement.table.clone().into()
    }

    fn select(&self, select: &ast::Select, schema: &TableSchema) -> Result<Select> {
        let index = select
            .index
            .as_deref()
            .map(|name| index_of(schema, name))
            .transpose()?;
        let names = index.map_or_else(|| KeyNames::of_table(&schema.key), KeyNames::of_index);
        let conditions = conjuncts(select.condition.as_ref());
        check_order(select, &names)?;
        let split = split(conditions.clone(), &names, self.bound())?;
        let columns = Columns::new(select.columns.as_deref());
        let source = ReadOf {
            request: self,
            index: index.map(|index| index.name.clone()),
            projection: columns.attributes()?,
        };
        let reads = match split {
            Some(split) => Reads::Partitions(source.queries(split, &names, &select.order)?),
            None if !select.order.is_empty() => {
                return Err(ValidationError::new(
                    "Must have at least one non-optional hash key condition in WHERE clause when using ORDER BY clause.",
                ));
            }
            None => Reads::Table(Box::new(source.scan(conditions.clone())?)),
        };
        let key = match index {
            Some(_) => None,
            None => whole_key(conditions, &schema.key, self.bound())?.map(|(key, _)| key),
        };
        Ok(Select {
            reads,
            columns,
            key,
        })
    }

    fn insert(&self, insert: &ast::Insert, schema: &KeySchema) -> Result<Plan> {
        let AttributeValue::M(item) = self.bound().value(&insert.item)? else {
            return Err(ValidationError::new("Item to insert must be a tuple"));
        };
        Ok(Plan::Insert(Box::new(PutItem {
            table: self.table(),
            size: validate_item(&item)?,
            item,
            guard: Some(Guard {
                condition: ConditionExpression::of(Test::Not(Box::new(exists(schema)))),
                return_old: false,
            }),
            return_values: ReturnValue::None,
            return_consumed_capacity: self.return_consumed_capacity,
            return_item_collection_metrics: ReturnItemCollectionMetrics::None,
        })))
    }

    fn update(&self, update: &ast::Update, schema: &KeySchema) -> Result<Plan> {
        let (key, rest) = self.key(update.condition.as_ref(), schema)?;
        let actions = update
            .changes
            .iter()
            .map(|change| self.action(change))
            .collect::<Result<Vec<_>>>()?;
        let tree = PathTree::new(actions.iter().map(|action| &action.path))
            .map_err(ValidationError::new)?;
        Ok(Plan::Update(Box::new(UpdateItem {
            table: self.table(),
            key,
            update: UpdateExpression::of(
                actions,
                tree,
                "An operand in the update expression has an incorrect data type",
            ),
            guard: Some(self.guard(schema, rest)?),
            return_values: update.returning,
            return_consumed_capacity: self.return_consumed_capacity,
            return_item_collection_metrics: ReturnItemCollectionMetrics::None,
        })))
    }

    fn delete(&self, delete: &ast::Delete, schema: &KeySchema) -> Result<Plan> {
        if let Some(returned) = ast::returned(delete.returning)
            && delete.returning != ReturnValue::AllOld
        {
            return Err(ValidationError::new(format!(
                "Invalid returning clause: RETURNING {returned} *. Only RETURNING ALL OLD * is allowed in DELETE statements."
            )));
        }
        let (key, rest) = self.key(delete.condition.as_ref(), schema)?;
        let rest = self.bound().tests(rest)?;
        // Nothing to delete is no failure, whatever the condition.
        let guard = (!rest.is_empty()).then(|| Guard {
            condition: ConditionExpression::of(Test::Any(vec![
                Test::Not(Box::new(exists(schema))),
                Test::All(rest),
            ])),
            return_old: self.return_old,
        });
        Ok(Plan::Delete(Box::new(DeleteItem {
            table: self.table(),
            key,
            guard,
            return_values: delete.returning,
            return_consumed_capacity: self.return_consumed_capacity,
            return_item_collection_metrics: ReturnItemCollectionMetrics::None,
        })))
    }

    fn check(&self, select: &ast::Select, schema: &KeySchema) -> Result<Check> {
        if select.index.is_some() {
            return Err(ValidationError::new(
                "This operation is not supported on an index",
            ));
        }
        let (key, rest) = self.key(select.condition.as_ref(), schema)?;
        Ok(Check {
            table: self.table(),
            key,
            guard: self.guard(schema, rest)?,
        })
    }

    /// The key of the item that the statement is about, and the conditions that do not fix it.
    fn key<'c>(
        &self,
        condition: Option<&'c Condition>,
        schema: &KeySchema,
    ) -> Result<(Map, Vec<&'c Condition>)> {
        whole_key(conjuncts(condition), schema, self.bound())?.ok_or_else(|| {
            ValidationError::new(
                "Where clause does not contain a mandatory equality on all key attributes",
            )
        })
    }

    /// There is an item, and all conditions hold.
    fn guard(&self, schema: &KeySchema, conditions: Vec<&Condition>) -> Result<Guard> {
        let mut tests = vec![exists(schema)];
        tests.extend(self.bound().tests(conditions)?);
        Ok(Guard {
            condition: ConditionExpression::of(Test::All(tests)),
            return_old: self.return_old,
        })
    }

    fn action(&self, change: &Change) -> Result<Action> {
        let (path, effect) = match change {
            Change::Remove(path) => (path, Effect::Remove),
            Change::Set(path, source) => (path, self.effect(path, source)?),
        };
        Ok(Action {
            path: path.clone(),
            change: effect,
        })
    }

    fn effect(&self, path: &Path, source: &Source) -> Result<Effect> {
        let set = |value: &ast::Value, of: &Path, function: &str| {
            if of != path {
                return Err(ValidationError::new(format!(
                    "The first operand of {function} must be the path that is set"
                )));
            }
            let value = self.bound().value(value)?;
            let is_set = matches!(
                value,
                AttributeValue::Ss(_) | AttributeValue::Ns(_) | AttributeValue::Bs(_)
            );
            if is_set {
                Ok(value)
            } else {
                Err(ValidationError::new(format!(
                    "The second operand of {function} must be a set"
                )))
            }
        };
        Ok(match source {
            Source::Operand(operand) => Effect::Set(Written::Operand(self.operand(operand)?)),
            Source::Plus(left, right) => {
                Effect::Set(Written::Plus(self.operand(left)?, self.operand(right)?))
            }
            Source::Minus(left, right) => {
                Effect::Set(Written::Minus(self.operand(left)?, self.operand(right)?))
            }
            Source::SetAdd(of, value) => Effect::Add(set(value, of, "set_add")?.into()),
            Source::SetDelete(of, value) => Effect::Delete(set(value, of, "set_delete")?.into()),
        })
    }

    fn operand(&self, operand: &SetOperand) -> Result<Operand> {
        Ok(match operand {
            SetOperand::Path(path) => Operand::Path(path.clone()),
            SetOperand::Value(value) => Operand::Value(self.bound().value(value)?.into()),
            SetOperand::ListAppend(first, second) => Operand::ListAppend(
                Box::new(self.operand(first)?),
                Box::new(self.operand(second)?),
            ),
        })
    }
}

/// Whether there is an item: then it has its key.
fn exists(schema: &KeySchema) -> Test {
    Test::Exists(Term::Path(Path::attribute(schema.partition.name.as_str())))
}

fn index_of<'s>(schema: &'s TableSchema, name: &str) -> Result<&'s IndexSchema> {
    schema
        .indexes
        .iter()
        .find(|index| index.name.as_str() == name)
        .ok_or_else(|| no_such_index(name))
}

/// ORDER BY names attributes of the key, and stands with WHERE.
fn check_order(select: &ast::Select, names: &KeyNames<'_>) -> Result<()> {
    if select.order.is_empty() {
        return Ok(());
    }
    if select.condition.is_none() {
        return Err(ValidationError::new(
            "Must have WHERE clause in the statement when using ORDER BY clause.",
        ));
    }
    let is_key = |order: &&Order| {
        let names = || names.partition.iter().chain(&names.sort);
        order.path.rest.is_empty() && names().any(|name| **name == *order.path.head)
    };
    match select.order.iter().find(|order| !is_key(order)) {
        None => Ok(()),
        Some(order) => Err(ValidationError::new(format!(
            "Variable reference {} in ORDER BY clause must be part of the primary key",
            column_name(&order.path)
        ))),
    }
}

/// What the reads of a SELECT have in common.
struct ReadOf<'r> {
    request: &'r Request,
    index: Option<IndexName>,
    projection: Option<ProjectionExpression>,
}

impl ReadOf<'_> {
    fn queries(&self, split: Split<'_>, names: &KeyNames<'_>, by: &[Order]) -> Result<Vec<Query>> {
        let Split {
            mut partitions,
            tests,
            rest,
        } = split;
        let first = names.partition.first().copied().unwrap_or_default();
        let of = |name: &str| by.iter().find(|order| *order.path.head == *name);
        if let Some(by_partition) = of(first) {
            partitions.sort_by(|a, b| order(Some(a), Some(b)).unwrap_or(std::cmp::Ordering::Equal));
            if by_partition.descending {
                partitions.reverse();
            }
        }
        if partitions.len() > 1 && by.first().is_some_and(|order| *order.path.head != *first) {
            return Err(ValidationError::new(
                "Must order by the hash key first when more than one hash key is selected",
            ));
        }
        let forward = !names
            .sort
            .iter()
            .find_map(|name| of(name))
            .is_some_and(|order| order.descending);
        let filter = self.filter(rest)?;
        partitions
            .into_iter()
            .map(|value| {
                let mut tests = tests.clone();
                tests.push((
                    first.to_owned(),
                    KeyTest::Compare(Comparator::Equal, value.into()),
                ));
                Ok(Query {
                    table: self.request.table(),
                    index: self.index.clone(),
                    condition: KeyConditionExpression::of_tests(tests),
                    limit: None,
                    forward,
                    exclusive_start_key: None,
                    filter: filter.clone(),
                    projection: self.projection.clone(),
                    select: self.selected(),
                    consistent_read: self.request.consistent_read,
                    return_consumed_capacity: self.request.return_consumed_capacity,
                })
            })
            .collect()
    }

    fn scan(&self, conditions: Vec<&Condition>) -> Result<Scan> {
        Ok(Scan {
            table: self.request.table(),
            index: self.index.clone(),
            limit: None,
            exclusive_start_key: None,
            segment: ScanSegment::WHOLE,
            filter: self.filter(conditions)?,
            projection: self.projection.clone(),
            select: self.selected(),
            consistent_read: self.request.consistent_read,
            return_consumed_capacity: self.request.return_consumed_capacity,
        })
    }

    fn filter(&self, conditions: Vec<&Condition>) -> Result<Option<Filter>> {
        let condition = self.request.bound().all(conditions)?;
        Ok(condition.map(|condition| Filter {
            condition,
            parameter: FilterParameter::Where,
        }))
    }

    fn selected(&self) -> Selected {
        match (&self.projection, &self.index) {
            (Some(_), _) => Selected::SpecificAttributes,
            (None, Some(_)) => Selected::AllProjectedAttributes,
            (None, None) => Selected::AllAttributes,
        }
    }
}
