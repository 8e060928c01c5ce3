//! UpdateTable: billing, throughput, table class, deletion protection, the stream, and global indexes made or removed while the table is
//! in use.

use crate::error::{Constraints, ValidationError};
use crate::index::{IndexKind, IndexSchema};
use crate::names::{IndexName, TableName};
use crate::ops::create_table::Definitions;
use crate::ops::index_update::{check_index_update, one_update_each};
use crate::ops::secondary_index::{add, global_index};
use crate::ops::throughput::{Asked, Of};
use crate::ops::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, GlobalSecondaryIndexUpdate,
    OnDemandThroughput, ProvisionedThroughput, SseSpecification, StreamChange, StreamSpecification,
    TableClass, TableDescription, Throughput, WarmThroughput, setters,
};
use crate::schema::TableSchema;

/// What UpdateTable takes.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateTableInput {
    /// The table.
    pub table_name: String,
    /// The types of the key attributes of a new index, and maybe of those that the table knows.
    pub attribute_definitions: Option<Vec<AttributeDefinition>>,
    /// How throughput is charged.
    pub billing_mode: Option<BillingMode>,
    /// Capacity units.
    pub provisioned_throughput: Option<ProvisionedThroughput>,
    /// The most on demand.
    pub on_demand_throughput: Option<OnDemandThroughput>,
    /// What is to be ready.
    pub warm_throughput: Option<WarmThroughput>,
    /// Changes of global indexes.
    pub global_secondary_index_updates: Option<Vec<GlobalSecondaryIndexUpdate>>,
    /// Whether the table has a stream.
    pub stream_specification: Option<StreamSpecification>,
    /// The encryption that is asked for: under which KMS key the table's key is to be wrapped.
    pub sse_specification: Option<SseSpecification>,
    /// The table's class.
    pub table_class: Option<TableClass>,
    /// Whether DeleteTable is refused.
    pub deletion_protection_enabled: Option<bool>,
}

impl UpdateTableInput {
    /// Changes nothing of this table yet.
    pub fn new(table_name: impl Into<String>) -> Self {
        Self {
            table_name: table_name.into(),
            attribute_definitions: None,
            billing_mode: None,
            provisioned_throughput: None,
            on_demand_throughput: None,
            warm_throughput: None,
            global_secondary_index_updates: None,
            stream_specification: None,
            sse_specification: None,
            table_class: None,
            deletion_protection_enabled: None,
        }
    }

    /// Adds a change of a global index.
    #[must_use]
    pub fn index_update(mut self, update: GlobalSecondaryIndexUpdate) -> Self {
        self.global_secondary_index_updates
            .get_or_insert_default()
            .push(update);
        self
    }

    /// Checks all that can be known without the table.
    ///
    /// # Errors
    /// A bad name or bad units, or nothing to change.
    pub fn validate(self) -> Result<UpdateTable, ValidationError> {
        let asked = Asked {
            provisioned: self.provisioned_throughput,
            on_demand: self.on_demand_throughput,
            warm: self.warm_throughput,
        };
        let updates = self.global_secondary_index_updates.unwrap_or_default();
        let mut constraints = Constraints::default();
        asked.check_shape("", &mut constraints);
        for (i, update) in updates.iter().enumerate() {
            let at = format!("globalSecondaryIndexUpdates.{}.member", i + 1);
            check_index_update(update, &at, &mut constraints);
        }
        constraints.finish()?;
        let table = TableName::of_request(self.table_name)?;
        let stream = self.stream_specification;
        let stream = stream.map(StreamSpecification::for_table).transpose()?;
        if stream.is_some() {
            alone(asked.provisioned.is_some(), &updates)?;
        }
        let nothing = asked == Asked::default()
            && updates.is_empty()
            && stream.is_none()
            && self.billing_mode.is_none()
            && self.sse_specification.is_none()
            && self.table_class.is_none()
            && self.deletion_protection_enabled.is_none();
        if nothing {
            return Err(ValidationError::new(
                "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates or \
                 SSESpecification or ReplicaUpdates is required",
            ));
        }
        if let Some(mode) = self.billing_mode {
            asked.check(Of::Table, mode)?;
        }
        if self.billing_mode == Some(BillingMode::Provisioned) && asked.provisioned.is_none() {
            return Err(ValidationError::invalid_parameter(
                "ProvisionedThroughput must be specified when BillingMode is PROVISIONED",
            ));
        }
        one_update_each(&updates)?;
        let encryption = self.sse_specification.map(Encryption::of).transpose()?;
        Ok(UpdateTable {
            table,
            definitions: self.attribute_definitions.unwrap_or_default(),
            billing_mode: self.billing_mode,
            asked,
            index_updates: updates,
            stream,
            encryption,
            table_class: self.table_class,
            deletion_protection_enabled: self.deletion_protection_enabled,
        })
    }
}

setters! { UpdateTableInput {
    /// Sets the definitions.
    attribute_definitions: Vec<AttributeDefinition> => Some,
    /// Sets how throughput is charged.
    billing_mode: BillingMode => Some,
    /// Sets the capacity units.
    provisioned_throughput: ProvisionedThroughput => Some,
    /// Sets the most on demand.
    on_demand_throughput: OnDemandThroughput => Some,
    /// Sets what is to be ready.
    warm_throughput: WarmThroughput => Some,
    /// Sets all changes of global indexes.
    global_secondary_index_updates: Vec<GlobalSecondaryIndexUpdate> => Some,
    /// Sets whether the table has a stream.
    stream_specification: StreamSpecification => Some,
    /// Sets the encryption that is asked for.
    sse_specification: SseSpecification => Some,
    /// Sets the class.
    table_class: TableClass => Some,
    /// Sets whether DeleteTable is refused.
    deletion_protection_enabled: bool => Some,
}}

/// A stream is not switched together with other things.
fn alone(throughput: bool, updates: &[GlobalSecondaryIndexUpdate]) -> Result<(), ValidationError> {
    let indexes = updates.iter().any(|update| match update {
        GlobalSecondaryIndexUpdate::Create(_) | GlobalSecondaryIndexUpdate::Delete { .. } => true,
        GlobalSecondaryIndexUpdate::Update(_) => false,
    });
    if throughput {
        return Err(ValidationError::invalid_parameter(
            "You cannot modify stream status while updating table IOPS",
        ));
    }
    if indexes {
        return Err(ValidationError::invalid_parameter(
            "You cannot create or delete index while changing stream status",
        ));
    }
    Ok(())
}

/// The encryption that an UpdateTable asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Encryption {
    /// Under a key that nobody chose.
    Off,
    /// Under a KMS key that somebody chose.
    Kms(NewKmsKey),
}

impl Encryption {
    fn of(specification: SseSpecification) -> Result<Self, ValidationError> {
        let key = specification.validate()?;
        Ok(key.map_or(Encryption::Off, Encryption::Kms))
    }
}

/// The KMS key that a table is to be under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewKmsKey {
    /// The database's default key, for nobody chooses one.
    Unchosen,
    /// The database's default key, for one is asked for and none is named.
    Default,
    /// This one, by id or alias.
    Named(String),
}

/// An UpdateTable that follows the rules, as far as they can be checked without the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateTable {
    /// The table.
    pub table: TableName,
    /// What is to become of the stream.
    pub stream: Option<StreamChange>,
    /// The class from now on.
    pub table_class: Option<TableClass>,
    /// Whether DeleteTable is refused from now on.
    pub deletion_protection_enabled: Option<bool>,
    billing_mode: Option<BillingMode>,
    asked: Asked,
    definitions: Vec<AttributeDefinition>,
    index_updates: Vec<GlobalSecondaryIndexUpdate>,
    encryption: Option<Encryption>,
}

/// What is to become of a table's global indexes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexChanges {
    /// To be made and filled.
    pub create: Option<IndexSchema>,
    /// To be removed.
    pub delete: Option<IndexName>,
    /// To be able to take something else.
    pub throughput: Vec<(IndexName, Throughput)>,
}

/// Why indexes cannot be changed like this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexChangeError {
    /// The request breaks a rule.
    Invalid(ValidationError),
    /// An index that is to be removed is not there.
    NotFound(String),
    /// More than one index at a time: `LimitExceededException`.
    TooMany,
}

impl From<ValidationError> for IndexChangeError {
    fn from(error: ValidationError) -> Self {
        IndexChangeError::Invalid(error)
    }
}

impl UpdateTable {
    /// How a table is billed from now on, and what it is to be able to take.
    ///
    /// # Errors
    /// AWS's messages: units that do not fit the mode, or are no others.
    pub fn billing(
        &self,
        mode: BillingMode,
        throughput: &Throughput,
    ) -> Result<(BillingMode, Throughput), ValidationError> {
        let next = self.billing_mode.unwrap_or(mode);
        self.asked.check(Of::Table, next)?;
        if next == mode {
            self.asked.changes(throughput.provisioned, Of::Table)?;
        }
        Ok((next, throughput.with(self.asked, next)))
    }

    /// The KMS key that a table under the one of this id, which was chosen by this name, is to be under from now on. `default` is the
    /// name of the database's default key.
    ///
    /// # Errors
    /// AWS's messages for what is already so.
    pub fn new_key(
        &self,
        chosen: Option<&str>,
        default: &str,
        id: &str,
    ) -> Result<Option<NewKmsKey>, ValidationError> {
        let refused = match (&self.encryption, chosen) {
            (None, _) => return Ok(None),
            (Some(Encryption::Off), None) => "Table is already encrypted by default",
            (Some(Encryption::Off), Some(_)) => return Ok(Some(NewKmsKey::Unchosen)),
            (Some(Encryption::Kms(NewKmsKey::Named(key))), _)
                if key == id || chosen == Some(key.as_str()) =>
            {
                "Table is already encrypted by given KMSMasterKeyId"
            }
            (Some(Encryption::Kms(NewKmsKey::Default)), Some(name)) if name == default => {
                return Ok(None);
            }
            (Some(Encryption::Kms(key)), _) => return Ok(Some(key.clone())),
        };
        Err(ValidationError::invalid_parameter(refused))
    }

    /// The changes of indexes, for a table of this schema that was charged and is charged like this.
    ///
    /// # Errors
    /// AWS's messages.
    pub fn index_changes(
        &self,
        schema: &TableSchema,
        (was, billing): (BillingMode, BillingMode),
    ) -> Result<IndexChanges, IndexChangeError> {
        let mut changes = IndexChanges::default();
        let global = |name: &str| {
            let mut indexes = schema.indexes.iter();
            indexes.find(|index| index.kind == IndexKind::Global && index.name.as_str() == name)
        };
        for update in &self.index_updates {
            match update {
                GlobalSecondaryIndexUpdate::Create(index) => {
                    let name = &index.index_name;
                    if schema
                        .indexes
                        .iter()
                        .any(|other| other.name.as_str() == name)
                    {
                        return Err(ValidationError::new(
                            "Attempting to create an index which already exists",
                        )
                        .into());
                    }
                    let index = self.new_index(schema, index, billing)?;
                    if changes.create.replace(index).is_some() {
                        return Err(IndexChangeError::TooMany);
                    }
                }
                GlobalSecondaryIndexUpdate::Delete { index_name } => {
                    let Some(index) = global(index_name) else {
                        return Err(IndexChangeError::NotFound(index_name.clone()));
                    };
                    if changes.delete.replace(index.name.clone()).is_some() {
                        return Err(IndexChangeError::TooMany);
                    }
                }
                GlobalSecondaryIndexUpdate::Update(update) => {
                    let Some(index) = global(&update.index_name) else {
                        return Err(crate::ops::no_such_index(&update.index_name).into());
                    };
                    let (asked, of) = (update.asked(), Of::Index(&index.name));
                    asked.check(of, billing)?;
                    if was == billing {
                        asked.changes(index.throughput.provisioned, of)?;
                    }
                    let change = index.throughput.with(asked, billing);
                    changes.throughput.push((index.name.clone(), change));
                }
            }
        }
        if changes.create.is_some() && changes.delete.is_some() {
            return Err(IndexChangeError::TooMany);
        }
        if was != billing {
            self.rebill(schema, billing, &mut changes)?;
        }
        Ok(changes)
    }

    /// Global indexes are billed as their table is.
    fn rebill(
        &self,
        schema: &TableSchema,
        billing: BillingMode,
        changes: &mut IndexChanges,
    ) -> Result<(), ValidationError> {
        let mut lacking = Vec::new();
        for index in &schema.indexes {
            let named =
                |update: &&GlobalSecondaryIndexUpdate| update.index_name() == index.name.as_str();
            let update = self.index_updates.iter().find(named);
            let provisioned = match update {
                Some(GlobalSecondaryIndexUpdate::Update(update)) => update.provisioned_throughput,
                Some(_) => continue,
                None => None,
            };
            match billing {
                _ if index.kind == IndexKind::Local => {}
                BillingMode::Provisioned if provisioned.is_none() => {
                    lacking.push(index.name.as_str());
                }
                _ if update.is_some() => {}
                _ => {
                    let change = index.throughput.with(Asked::default(), billing);
                    changes.throughput.push((index.name.clone(), change));
                }
            }
        }
        if lacking.is_empty() {
            return Ok(());
        }
        Err(ValidationError::invalid_parameter(format_args!(
            "ProvisionedThroughput must be specified for index: {}",
            lacking.join(",")
        )))
    }

    fn new_index(
        &self,
        schema: &TableSchema,
        index: &GlobalSecondaryIndex,
        billing: BillingMode,
    ) -> Result<IndexSchema, ValidationError> {
        // "AttributeDefinitions must include the key element(s) of the new index", those that the table knows as well, and no otherwise.
        for attribute in schema.key_attributes() {
            let name = attribute.name.as_str();
            let differs = |other: &AttributeDefinition| {
                other.attribute_name == name && other.attribute_type != attribute.kind
            };
            if self.definitions.iter().any(differs) {
                return Err(ValidationError::invalid_parameter(format_args!(
                    "Attribute {name} is defined as {} already",
                    attribute.kind
                )));
            }
        }
        let index = global_index(&Definitions(&self.definitions), index, billing)?;
        let mut all = schema.clone();
        add(&mut all, index.clone())?;
        Ok(index)
    }
}

/// What UpdateTable gives back.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateTableOutput {
    /// The table as it is from now on.
    pub table_description: TableDescription,
}

impl UpdateTableOutput {
    /// An output with this description.
    pub fn new(table_description: TableDescription) -> Self {
        Self { table_description }
    }
}

#[cfg(test)]
mod tests;
