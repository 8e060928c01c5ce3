//! UpdateTable: billing, throughput, table class, deletion protection, and global indexes made or removed while the table is in use.

use std::fmt;

use crate::error::{Constraints, ValidationError};
use crate::index::{IndexKind, IndexSchema};
use crate::names::{IndexName, TableName, check_index_name};
use crate::ops::create_table::{Definitions, check_units, check_units_shape};
use crate::ops::secondary_index::{add, check_global_shape, global_index};
use crate::ops::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, ProvisionedThroughput, TableClass,
    TableDescription, setters,
};
use crate::schema::TableSchema;

/// A change of one global index.
#[derive(Clone, PartialEq, Eq)]
pub enum GlobalSecondaryIndexUpdate {
    /// Make it, and fill it from the table.
    Create(GlobalSecondaryIndex),
    /// Change its capacity units.
    Update {
        /// Its name.
        index_name: String,
        /// The units.
        provisioned_throughput: ProvisionedThroughput,
    },
    /// Remove it.
    Delete {
        /// Its name.
        index_name: String,
    },
}

/// The kind; names of indexes stay out of logs.
impl fmt::Debug for GlobalSecondaryIndexUpdate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            GlobalSecondaryIndexUpdate::Create(_) => "Create",
            GlobalSecondaryIndexUpdate::Update { .. } => "Update",
            GlobalSecondaryIndexUpdate::Delete { .. } => "Delete",
        })
    }
}

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
    /// Changes of global indexes.
    pub global_secondary_index_updates: Option<Vec<GlobalSecondaryIndexUpdate>>,
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
            global_secondary_index_updates: None,
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
        let mut constraints = Constraints::default();
        check_units_shape(self.provisioned_throughput, "", &mut constraints);
        let updates = self.global_secondary_index_updates.unwrap_or_default();
        for (i, update) in updates.iter().enumerate() {
            let at = format!("globalSecondaryIndexUpdates.{}.member", i + 1);
            check_index_update(update, &at, &mut constraints);
        }
        constraints.finish()?;
        let table = TableName::new(self.table_name)?;
        if let Some(units) = self.provisioned_throughput {
            if self.billing_mode == Some(BillingMode::PayPerRequest) {
                return Err(ValidationError::invalid_parameter(
                    "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
                ));
            }
            check_units(units, None)?;
        }
        let nothing = updates.is_empty()
            && self.billing_mode.is_none()
            && self.provisioned_throughput.is_none()
            && self.table_class.is_none()
            && self.deletion_protection_enabled.is_none();
        if nothing {
            return Err(ValidationError::new(
                "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates or \
                 SSESpecification or ReplicaUpdates is required",
            ));
        }
        Ok(UpdateTable {
            table,
            definitions: self.attribute_definitions.unwrap_or_default(),
            billing_mode: self.billing_mode,
            provisioned_throughput: self.provisioned_throughput,
            index_updates: updates,
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
    /// Sets all changes of global indexes.
    global_secondary_index_updates: Vec<GlobalSecondaryIndexUpdate> => Some,
    /// Sets the class.
    table_class: TableClass => Some,
    /// Sets whether DeleteTable is refused.
    deletion_protection_enabled: bool => Some,
}}

fn check_index_update(
    update: &GlobalSecondaryIndexUpdate,
    at: &str,
    constraints: &mut Constraints,
) {
    match update {
        GlobalSecondaryIndexUpdate::Create(index) => {
            check_global_shape(index, &format!("{at}.create"), constraints);
        }
        GlobalSecondaryIndexUpdate::Update {
            index_name,
            provisioned_throughput,
        } => {
            check_index_name(index_name, &format!("{at}.update.indexName"), constraints);
            let under = format!("{at}.update.");
            check_units_shape(Some(*provisioned_throughput), &under, constraints);
        }
        GlobalSecondaryIndexUpdate::Delete { index_name } => {
            check_index_name(index_name, &format!("{at}.delete.indexName"), constraints);
        }
    }
}

/// An UpdateTable that follows the rules, as far as they can be checked without the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateTable {
    /// The table.
    pub table: TableName,
    /// How throughput is charged from now on.
    pub billing_mode: Option<BillingMode>,
    /// Capacity units from now on.
    pub provisioned_throughput: Option<ProvisionedThroughput>,
    /// The class from now on.
    pub table_class: Option<TableClass>,
    /// Whether DeleteTable is refused from now on.
    pub deletion_protection_enabled: Option<bool>,
    definitions: Vec<AttributeDefinition>,
    index_updates: Vec<GlobalSecondaryIndexUpdate>,
}

/// What is to become of a table's global indexes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexChanges {
    /// To be made and filled.
    pub create: Option<IndexSchema>,
    /// To be removed.
    pub delete: Option<IndexName>,
    /// To have other capacity units.
    pub throughput: Vec<(IndexName, ProvisionedThroughput)>,
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
    /// The changes of indexes, for a table of this schema that is charged like this from now on.
    ///
    /// # Errors
    /// AWS's messages.
    pub fn index_changes(
        &self,
        schema: &TableSchema,
        billing: BillingMode,
    ) -> Result<IndexChanges, IndexChangeError> {
        let mut changes = IndexChanges::default();
        let global = |name: &str| {
            let mut indexes = schema.indexes.iter();
            indexes.find(|index| index.kind == IndexKind::Global && index.name.as_str() == name)
        };
        for update in &self.index_updates {
            match update {
                GlobalSecondaryIndexUpdate::Create(index) => {
                    if schema
                        .indexes
                        .iter()
                        .any(|other| other.name.as_str() == index.index_name)
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
                GlobalSecondaryIndexUpdate::Update {
                    index_name,
                    provisioned_throughput,
                } => {
                    let Some(index) = global(index_name) else {
                        return Err(crate::ops::no_such_index(index_name).into());
                    };
                    check_units(*provisioned_throughput, Some(&index.name))?;
                    let change = (index.name.clone(), *provisioned_throughput);
                    changes.throughput.push(change);
                }
            }
        }
        if changes.create.is_some() && changes.delete.is_some() {
            return Err(IndexChangeError::TooMany);
        }
        Ok(changes)
    }

    fn new_index(
        &self,
        schema: &TableSchema,
        index: &GlobalSecondaryIndex,
        billing: BillingMode,
    ) -> Result<IndexSchema, ValidationError> {
        // What the table knows need not be told again, but must not be told otherwise.
        let mut definitions = self.definitions.clone();
        for attribute in schema.key_attributes() {
            let name = attribute.name.as_str();
            match definitions
                .iter()
                .find(|other| other.attribute_name == name)
            {
                Some(other) if other.attribute_type != attribute.kind => {
                    return Err(ValidationError::invalid_parameter(format_args!(
                        "Attribute {name} is defined as {} already",
                        attribute.kind
                    )));
                }
                Some(_) => {}
                None => definitions.push(AttributeDefinition::new(name, attribute.kind)),
            }
        }
        let index = global_index(&Definitions(&definitions), index, billing)?;
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
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::ops::CreateTableInput;
    use crate::schema::ScalarType;

    fn schema() -> TableSchema {
        CreateTableInput::new("Airports")
            .partition_key("pk", ScalarType::S)
            .attribute("city", ScalarType::S)
            .global_index(GlobalSecondaryIndex::new("by-city", &["city"], &[]))
            .validate()
            .unwrap()
            .schema
    }

    fn changes(input: UpdateTableInput) -> Result<IndexChanges, IndexChangeError> {
        let update = input.validate()?;
        update.index_changes(&schema(), BillingMode::PayPerRequest)
    }

    fn create(name: &str, partition: &str) -> GlobalSecondaryIndexUpdate {
        GlobalSecondaryIndexUpdate::Create(GlobalSecondaryIndex::new(name, &[partition], &[]))
    }

    fn delete(index_name: &str) -> GlobalSecondaryIndexUpdate {
        GlobalSecondaryIndexUpdate::Delete {
            index_name: index_name.into(),
        }
    }

    #[test]
    fn one_index_is_made_or_removed_at_a_time() {
        let update = || UpdateTableInput::new("Airports");
        let defined = vec![AttributeDefinition::new("code", ScalarType::N)];
        let made = changes(
            update()
                .attribute_definitions(defined)
                .index_update(create("by-code", "code")),
        );
        assert_eq!(made.unwrap().create.unwrap().name.as_str(), "by-code");
        // The table's own attributes are known.
        assert!(changes(update().index_update(create("again", "city"))).is_ok());
        assert_eq!(
            changes(update().index_update(delete("by-city")))
                .unwrap()
                .delete,
            Some(IndexName::new("by-city").unwrap())
        );
        let two = update()
            .index_update(create("one", "pk"))
            .index_update(delete("by-city"));
        assert_eq!(changes(two), Err(IndexChangeError::TooMany));
        assert_eq!(
            changes(update().index_update(delete("by-name"))),
            Err(IndexChangeError::NotFound("by-name".into()))
        );
    }

    #[test]
    fn update_table_refuses_as_aws_does() {
        let update = || UpdateTableInput::new("Airports");
        let message = |input| match changes(input) {
            Err(IndexChangeError::Invalid(error)) => error.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            message(update()),
            "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates or \
             SSESpecification or ReplicaUpdates is required"
        );
        assert_eq!(
            message(update().index_update(create("by-city", "pk"))),
            "Attempting to create an index which already exists"
        );
        assert!(
            message(update().index_update(create("by-name", "name")))
                .contains("Some index key attributes are not defined in AttributeDefinitions")
        );
        let other = vec![AttributeDefinition::new("city", ScalarType::B)];
        let input = update().attribute_definitions(other);
        assert!(message(input.index_update(create("new", "pk"))).contains("defined as S already"));
    }
}
