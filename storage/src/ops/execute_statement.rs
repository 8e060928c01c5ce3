//! ExecuteStatement: a PartiQL statement, carried out as the operation that it means.

use sealdb_model::ops::{
    ConsumedCapacity, ExecuteStatement, ExecuteStatementInput, ExecuteStatementOutput, Query, Scan,
};
use sealdb_model::partiql::{NextToken, Plan, Reads, Request, Select};
use sealdb_model::{Item, Map, ValidationError, item_size};

use super::page::PAGE_BYTES;
use super::{Via, delete_item, put_item, query, scan, update_item};
use crate::error::Error;
use crate::session::Session;

pub(crate) async fn execute_statement(
    core: &Session,
    via: Via,
    input: ExecuteStatementInput,
) -> Result<ExecuteStatementOutput, Error> {
    let statement = input.validate()?;
    match plan(core, &statement.request)? {
        Plan::Select(select) => read(core, via, statement, select).await,
        write => {
            let (item, consumed) = self::write(core, via, write).await?;
            let mut output = ExecuteStatementOutput::new(item.into_iter().collect());
            output.consumed_capacity = consumed;
            Ok(output)
        }
    }
}

/// What a statement means for its table.
pub(super) fn plan(core: &Session, request: &Request) -> Result<Plan, Error> {
    let table = core.table(request.statement.table().as_str())?;
    Ok(request.plan(&table.table_schema())?)
}

/// Carries out a statement that writes; gives the item that it returns.
pub(super) async fn write(
    core: &Session,
    via: Via,
    plan: Plan,
) -> Result<(Option<Item>, Option<ConsumedCapacity>), Error> {
    Ok(match plan {
        Plan::Insert(put) => match put_item::run(core, via, *put).await {
            Ok(output) => (output.attributes, output.consumed_capacity),
            Err(Error::ConditionFailed { .. }) => return Err(Error::DuplicateItem),
            Err(error) => return Err(error),
        },
        Plan::Update(update) => {
            let output = update_item::run(core, via, *update).await?;
            (output.attributes, output.consumed_capacity)
        }
        Plan::Delete(delete) => {
            let output = delete_item::run(core, via, *delete).await?;
            (output.attributes, output.consumed_capacity)
        }
        Plan::Check(_) | Plan::Select(_) => {
            return Err(ValidationError::new(
                "EXISTS can only be used in ExecuteTransaction write requests.",
            )
            .into());
        }
    })
}

/// A page of what a SELECT reads.
#[derive(Default)]
struct Page {
    items: Vec<Item>,
    bytes: usize,
    consumed: Option<ConsumedCapacity>,
}

impl Page {
    fn add(&mut self, items: Vec<Item>, consumed: Option<ConsumedCapacity>) {
        self.bytes += items.iter().map(item_size).sum::<usize>();
        self.items.extend(items);
        match (&mut self.consumed, consumed) {
            (Some(sum), Some(more)) => *sum += more,
            (sum, more) => *sum = sum.take().or(more),
        }
    }
}

async fn read(
    core: &Session,
    via: Via,
    statement: ExecuteStatement,
    select: Select,
) -> Result<ExecuteStatementOutput, Error> {
    let mut page = Page::default();
    let next = match select.reads {
        Reads::Table(scan) => {
            let scan = Scan {
                limit: statement.limit,
                exclusive_start_key: statement.start.after,
                ..*scan
            };
            let output = scan::run(core, via, scan).await?;
            page.add(output.items, output.consumed_capacity);
            output.last_evaluated_key.map(|key| place(0, key))
        }
        Reads::Partitions(queries) => {
            let (start, limit) = (statement.start, statement.limit);
            partitions(core, via, queries, (start, limit), &mut page).await?
        }
    };
    let items = page.items.into_iter().map(|item| select.columns.of(item));
    let mut output = ExecuteStatementOutput::new(items.collect());
    output.consumed_capacity = page.consumed;
    output.next_token = next
        .as_ref()
        .map(|next| next.encode(statement.fingerprint))
        .transpose()?;
    output.last_evaluated_key = next.and_then(|next| next.after);
    Ok(output)
}

fn place(read: u32, after: Map) -> NextToken {
    NextToken {
        read,
        after: Some(after),
    }
}

/// Reads one partition after the other until a page is full; says where the next one begins.
async fn partitions(
    core: &Session,
    via: Via,
    queries: Vec<Query>,
    (start, mut limit): (NextToken, Option<usize>),
    page: &mut Page,
) -> Result<Option<NextToken>, Error> {
    let mut after = start.after;
    for (read, query) in (0..).zip(queries) {
        if read < start.read {
            continue;
        }
        if limit == Some(0) || page.bytes >= PAGE_BYTES {
            return Ok(Some(NextToken { read, after: None }));
        }
        let query = Query {
            limit,
            exclusive_start_key: after.take(),
            ..query
        };
        let output = query::run(core, via, query).await?;
        limit = limit.map(|limit| limit.saturating_sub(output.scanned_count as usize));
        page.add(output.items, output.consumed_capacity);
        if let Some(key) = output.last_evaluated_key {
            return Ok(Some(place(read, key)));
        }
    }
    Ok(None)
}
