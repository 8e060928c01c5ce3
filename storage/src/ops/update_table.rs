//! UpdateTable, tags and time to live: whatever gives a table another definition.

use std::sync::Arc;

use sealdb_crypto::{Caller, KeyRef};
use sealdb_model::ops::{
    DescribeTimeToLiveInput, DescribeTimeToLiveOutput, IndexChangeError, IndexChanges,
    ListTagsOfResourceInput, ListTagsOfResourceOutput, NewKmsKey, Resource, StreamChange,
    TagResourceInput, TimeToLiveStatus, UntagResourceInput, UpdateTable, UpdateTableInput,
    UpdateTableOutput, UpdateTimeToLiveInput, UpdateTimeToLiveOutput, too_many_tags,
};
use sealdb_model::{AttributeName, IndexName, TableName};

use super::Via;
use super::tables::{describe, kms_key};
use crate::audit::administer;
use crate::catalog::definition::Definition;
use crate::core::Core;
use crate::error::Error;
use crate::rewrap::NewKey;
use crate::session::Session;
use crate::shared::Shared;
use crate::table::Table;
use crate::trees::{Filled, Role, TreeDef};

impl Via {
    /// Gives a table the definition that `change` makes of its own.
    async fn alter<F>(
        self,
        core: &Session,
        table: &TableName,
        change: F,
    ) -> Result<Arc<Table>, Error>
    where
        F: FnOnce(&Table, Definition) -> Result<Definition, Error> + Send + 'static,
    {
        core.check_change(self, table).await?;
        match self {
            Via::Async => core.alter_table(table.to_string(), change).await,
            Via::Blocking => core.alter_table_blocking(table.as_str(), change),
        }
    }
}

pub(crate) async fn update_table(
    core: &Session,
    via: Via,
    caller: Caller,
    input: UpdateTableInput,
) -> Result<UpdateTableOutput, Error> {
    let by = caller.clone();
    let work = |input| update(core, via, caller, input);
    administer(core, via, &by, input, work).await
}

async fn update(
    core: &Session,
    via: Via,
    caller: Caller,
    input: UpdateTableInput,
) -> Result<UpdateTableOutput, Error> {
    let update = input.validate()?;
    core.check_change(via, &update.table).await?;
    let (name, shared) = (update.table.clone(), core.shared().clone());
    // What is wrong with it, if something is, is told below, when it is its turn.
    let there = shared.table(name.as_str());
    let key = there.and_then(|table| new_key(&update, &table).ok().flatten());
    let key = key.map(|key| (key, caller));
    let change = move |table: &Table, definition| redefined(&shared, &update, table, definition);
    let table = match via {
        Via::Async => core.update_table(name.to_string(), change, key).await?,
        Via::Blocking => core.update_table_blocking(name.as_str(), change, key)?,
    };
    Ok(UpdateTableOutput::new(describe(core, &table)))
}

/// The definition that an UpdateTable asks for.
fn redefined(
    shared: &Shared,
    update: &UpdateTable,
    table: &Table,
    mut definition: Definition,
) -> Result<Definition, Error> {
    let was = definition.billing;
    let (mode, throughput) = update.billing(was.mode, &was.throughput)?;
    definition.billing = was.changed(mode, throughput, shared.clock.wall_ms());
    new_key(update, table)?;
    definition.class = update.table_class.or(definition.class);
    if let Some(protected) = update.deletion_protection_enabled {
        definition.protected = protected;
    }
    let changes = update.index_changes(&table.table_schema(), (was.mode, mode));
    let IndexChanges {
        create,
        delete,
        throughput,
    } = changes.map_err(|error| match error {
        IndexChangeError::Invalid(error) => Error::from(error),
        IndexChangeError::TooMany => Error::TooManyIndexChanges,
        IndexChangeError::NotFound(index) => Error::IndexNotFound {
            table: table.name.clone(),
            index,
        },
    })?;
    if create.is_some() && is_changing(table, &definition) {
        return Err(Error::TooManyIndexChanges);
    }
    for (name, throughput) in throughput {
        replace(&mut definition, &name, |tree| match &mut tree.role {
            Role::Index(index) => index.throughput = throughput,
            Role::Items | Role::Expiry(_) | Role::Stream(_) => {}
        });
    }
    if let Some(name) = delete {
        replace(&mut definition, &name, |tree| tree.leaving = true);
    }
    if let Some(index) = create {
        definition.add_tree(shared.new_space(), Role::Index(index));
    }
    if let Some(change) = update.stream {
        switch_stream(shared, table, &mut definition, change)?;
    }
    Ok(definition)
}

/// A new stream begins, or the one that there is takes no more records.
fn switch_stream(
    shared: &Shared,
    table: &Table,
    definition: &mut Definition,
    change: StreamChange,
) -> Result<(), Error> {
    let now = shared.clock.wall_ms();
    let enabled = definition.derived.iter_mut().find(|tree| {
        let stream = tree.role.stream();
        stream.is_some_and(|stream| stream.disabled_ms.is_none())
    });
    change.fits(&table.name, enabled.is_some())?;
    match (change, enabled) {
        (StreamChange::Enable(view), _) => {
            let stream = shared.new_stream(definition, view, now);
            definition.add_tree(shared.new_space(), Role::Stream(stream));
        }
        (StreamChange::Disable, Some(tree)) => {
            if let Role::Stream(stream) = &mut Arc::make_mut(tree).role {
                stream.disabled_ms = Some(now);
            }
        }
        (StreamChange::Disable, None) => {}
    }
    Ok(())
}

/// The KMS key that the table is to be under from now on, if that is another one.
fn new_key(update: &UpdateTable, table: &Table) -> Result<Option<NewKey>, Error> {
    let keys = &table.record.lock().record.keys;
    let chosen = Some(&*keys.name).filter(|name| !name.is_empty());
    let default = KeyRef::default_key().to_string();
    Ok(
        match update.new_key(chosen, &default, keys.active.key_id.as_str())? {
            None => None,
            Some(NewKmsKey::Unchosen) => Some(NewKey::Default),
            Some(key) => Some(NewKey::Named(kms_key(key)?)),
        },
    )
}

/// Whether an index of the table is being made or removed.
fn is_changing(table: &Table, definition: &Definition) -> bool {
    let changing = |tree: &Arc<TreeDef>| {
        let index = tree.role.index()?;
        Some(tree.leaving || !table.index_state(index.name.as_str()).1)
    };
    definition
        .derived
        .iter()
        .filter_map(changing)
        .any(|changing| changing)
}

/// Changes the definition of an index.
fn replace(definition: &mut Definition, index: &IndexName, change: impl FnOnce(&mut TreeDef)) {
    let mut trees = definition.derived.iter_mut();
    if let Some(tree) = trees.find(|tree| tree.role.is_index(index.as_str())) {
        change(Arc::make_mut(tree));
    }
}

// ---- tags

/// The error of a table that is not there, in terms of what was given.
fn of_resource(error: Error, arn: Option<String>) -> Error {
    match (error, arn) {
        (Error::TableNotFound(_), Some(arn)) => Error::ResourceNotFound(arn),
        (error, _) => error,
    }
}

pub(crate) async fn tag_resource(
    core: &Session,
    via: Via,
    caller: Caller,
    input: TagResourceInput,
) -> Result<(), Error> {
    administer(core, via, &caller, input, |input| tag(core, via, input)).await
}

async fn tag(core: &Session, via: Via, input: TagResourceInput) -> Result<(), Error> {
    let (Resource { table, arn }, tags) = input.validate()?;
    let change = move |_: &Table, mut definition: Definition| {
        definition.tags.extend(tags);
        too_many_tags(definition.tags.len())?;
        Ok(definition)
    };
    let altered = via.alter(core, &table, change).await;
    altered.map(drop).map_err(|error| of_resource(error, arn))
}

pub(crate) async fn untag_resource(
    core: &Session,
    via: Via,
    caller: Caller,
    input: UntagResourceInput,
) -> Result<(), Error> {
    administer(core, via, &caller, input, |input| untag(core, via, input)).await
}

async fn untag(core: &Session, via: Via, input: UntagResourceInput) -> Result<(), Error> {
    let (Resource { table, arn }, keys) = input.validate()?;
    let change = move |_: &Table, mut definition: Definition| {
        definition.tags.retain(|key, _| !keys.contains(key));
        Ok(definition)
    };
    let altered = via.alter(core, &table, change).await;
    altered.map(drop).map_err(|error| of_resource(error, arn))
}

pub(crate) fn list_tags_of_resource(
    core: &Core,
    input: ListTagsOfResourceInput,
) -> Result<ListTagsOfResourceOutput, Error> {
    let Resource { table, arn } = input.validate()?;
    let table = core
        .any_table(table.as_str())
        .map_err(|error| of_resource(error, arn))?;
    Ok(ListTagsOfResourceOutput::new(&table.definition().tags))
}

// ---- time to live

/// The attribute by which items of the table expire, and its tree.
fn expiry(definition: &Definition) -> Option<(&AttributeName, &Arc<TreeDef>)> {
    definition.derived.iter().find_map(|tree| match &tree.role {
        Role::Expiry(attribute) if !tree.leaving => Some((attribute, tree)),
        _ => None,
    })
}

pub(crate) async fn update_time_to_live(
    core: &Session,
    via: Via,
    caller: Caller,
    input: UpdateTimeToLiveInput,
) -> Result<UpdateTimeToLiveOutput, Error> {
    administer(core, via, &caller, input, |input| {
        set_time_to_live(core, via, input)
    })
    .await
}

async fn set_time_to_live(
    core: &Session,
    via: Via,
    input: UpdateTimeToLiveInput,
) -> Result<UpdateTimeToLiveOutput, Error> {
    let asked = input.time_to_live_specification.clone();
    let update = input.validate()?;
    let (name, shared) = (update.table.clone(), core.shared().clone());
    let change = move |_: &Table, mut definition: Definition| {
        update.fits(expiry(&definition).map(|(attribute, _)| attribute))?;
        if update.enabled {
            definition.add_tree(shared.new_space(), Role::Expiry(update.attribute));
        } else {
            definition
                .derived
                .retain(|tree| !matches!(tree.role, Role::Expiry(_)));
        }
        Ok(definition)
    };
    via.alter(core, &name, change).await?;
    Ok(UpdateTimeToLiveOutput::new(asked))
}

pub(crate) fn describe_time_to_live(
    core: &Core,
    input: DescribeTimeToLiveInput,
) -> Result<DescribeTimeToLiveOutput, Error> {
    let table = core.any_table(input.validate()?.as_str())?;
    let definition = table.definition();
    let Some((attribute, tree)) = expiry(&definition) else {
        let off = TimeToLiveStatus::Disabled;
        return Ok(DescribeTimeToLiveOutput::new(off, None));
    };
    let status = match table.filled(tree.id) {
        Some(Filled::All) | None => TimeToLiveStatus::Enabled,
        Some(Filled::UpTo(_)) => TimeToLiveStatus::Enabling,
    };
    let attribute = Some(attribute.to_string());
    Ok(DescribeTimeToLiveOutput::new(status, attribute))
}
