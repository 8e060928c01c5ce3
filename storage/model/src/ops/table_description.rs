//! What DescribeTable and its like say about a table.

use crate::index::IndexKind;
use crate::ops::{
    AttributeDefinition, GlobalSecondaryIndexDescription, IndexStatus, KeySchemaElement, KeyType,
    LocalSecondaryIndexDescription, OnDemandThroughput, ProvisionedThroughput, SseType,
    StreamSpecification, Throughput, WarmThroughput, wire_enum,
};
use crate::schema::TableSchema;

wire_enum! {
    /// The state of a table.
    TableStatus {
        /// Being made.
        Creating = "CREATING",
        /// In use.
        Active = "ACTIVE",
        /// In use while an index is made or removed.
        Updating = "UPDATING",
        /// Being removed.
        Deleting = "DELETING",
        /// Its KMS key is disabled, gone or out of reach: the table takes no reads or writes until it is back.
        InaccessibleEncryptionCredentials = "INACCESSIBLE_ENCRYPTION_CREDENTIALS",
    }
}

wire_enum! {
    /// How throughput is charged in AWS. Reported as it was asked for; it limits nothing here.
    BillingMode {
        /// By capacity units.
        Provisioned = "PROVISIONED",
        /// By request.
        PayPerRequest = "PAY_PER_REQUEST",
    }
}

wire_enum! {
    /// What AWS charges by. Kept and told, nothing else.
    TableClass {
        /// The usual one.
        Standard = "STANDARD",
        /// For data that is seldom read.
        StandardInfrequentAccess = "STANDARD_INFREQUENT_ACCESS",
    }
}

wire_enum! {
    /// The state of a table's encryption. Every table is encrypted, always.
    SseStatus {
        /// In force.
        Enabled = "ENABLED",
        /// The key is being changed.
        Updating = "UPDATING",
    }
}

/// How throughput is charged.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BillingModeSummary {
    /// The mode.
    pub billing_mode: BillingMode,
    /// When it last became PAY_PER_REQUEST, in milliseconds since 1970, if it ever did.
    pub last_update_to_pay_per_request_date_time: Option<u64>,
}

impl BillingModeSummary {
    /// A summary with this mode.
    pub fn new(billing_mode: BillingMode) -> Self {
        Self {
            billing_mode,
            last_update_to_pay_per_request_date_time: None,
        }
    }
}

/// The encryption of a table as it is.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SseDescription {
    /// Its state.
    pub status: SseStatus,
    /// Always KMS: every table's key is wrapped by a KMS key.
    pub sse_type: SseType,
    /// The KMS key that wraps the table's key, as its provider names it.
    pub kms_master_key_arn: String,
    /// Since when the KMS key cannot be used, in milliseconds since 1970, if it cannot.
    pub inaccessible_encryption_date_time: Option<u64>,
    /// Nobody asked for a KMS key: it is the database's default one. DynamoDB then tells nothing of encryption.
    pub by_default: bool,
}

impl SseDescription {
    /// Encryption in force under this KMS key.
    pub fn new(kms_master_key_arn: impl Into<String>) -> Self {
        Self {
            status: SseStatus::Enabled,
            sse_type: SseType::Kms,
            kms_master_key_arn: kms_master_key_arn.into(),
            inaccessible_encryption_date_time: None,
            by_default: false,
        }
    }
}

/// A table, described.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableDescription {
    /// Its name.
    pub table_name: String,
    /// Its id (a UUID), never used again for another table.
    pub table_id: String,
    /// Its state.
    pub table_status: TableStatus,
    /// When it was made, in milliseconds since 1970.
    pub creation_date_time: u64,
    /// The types of the key attributes, of the table and of its indexes.
    pub attribute_definitions: Vec<AttributeDefinition>,
    /// Which of them is the partition key and which the sort key.
    pub key_schema: Vec<KeySchemaElement>,
    /// Count of items.
    pub item_count: u64,
    /// Sum of the items' sizes by AWS's rules.
    pub table_size_bytes: u64,
    /// How throughput is charged.
    pub billing_mode_summary: BillingModeSummary,
    /// Capacity units; zeros for PAY_PER_REQUEST, as in AWS.
    pub provisioned_throughput: ProvisionedThroughput,
    /// The most on demand, if there is a limit.
    pub on_demand_throughput: Option<OnDemandThroughput>,
    /// What is ready.
    pub warm_throughput: Option<WarmThroughput>,
    /// The local indexes.
    pub local_secondary_indexes: Vec<LocalSecondaryIndexDescription>,
    /// The global indexes.
    pub global_secondary_indexes: Vec<GlobalSecondaryIndexDescription>,
    /// Its class, if one was asked for; else it is STANDARD.
    pub table_class: Option<TableClass>,
    /// Its stream, if it has one that takes records.
    pub stream_specification: Option<StreamSpecification>,
    /// The label of its latest stream, also of one that was disabled and can still be read.
    pub latest_stream_label: Option<String>,
    /// The ARN of that stream.
    pub latest_stream_arn: Option<String>,
    /// Its encryption.
    pub sse_description: Option<SseDescription>,
    /// Whether DeleteTable is refused.
    pub deletion_protection_enabled: bool,
}

impl TableDescription {
    /// Tells its state. While it is being created or deleted, so are its global indexes.
    pub fn set_status(&mut self, status: TableStatus) {
        self.table_status = status;
        let of_indexes = match status {
            TableStatus::Creating => IndexStatus::Creating,
            TableStatus::Deleting => IndexStatus::Deleting,
            _ => return,
        };
        for index in &mut self.global_secondary_indexes {
            index.index_status = of_indexes;
        }
    }

    /// Tells how it is billed, and what it and the global indexes of its schema are to be able to take.
    pub fn set_throughput(
        &mut self,
        billing: BillingModeSummary,
        throughput: &Throughput,
        schema: &TableSchema,
    ) {
        let mode = billing.billing_mode;
        self.billing_mode_summary = billing;
        self.provisioned_throughput = throughput.provisioned;
        self.on_demand_throughput = throughput.told_on_demand();
        self.warm_throughput = Some(throughput.told_warm(mode));
        for description in &mut self.global_secondary_indexes {
            let mut indexes = schema.indexes.iter();
            let of = indexes.find(|index| index.name.as_str() == description.index_name);
            description.warm_throughput = of.map(|index| index.throughput.told_warm(mode));
        }
    }

    /// An active, empty PAY_PER_REQUEST table of this schema, its indexes active too; set what differs.
    pub fn new(
        table_name: impl Into<String>,
        table_id: impl Into<String>,
        schema: &TableSchema,
    ) -> Self {
        let mut description = Self::without_schema(table_name, table_id);
        for attribute in schema.key_attributes() {
            let (name, kind) = (attribute.name.as_str(), attribute.kind);
            description
                .attribute_definitions
                .push(AttributeDefinition::new(name, kind));
        }
        for (key, role) in schema.key.attributes().zip([KeyType::Hash, KeyType::Range]) {
            description
                .key_schema
                .push(KeySchemaElement::new(key.name.as_str(), role));
        }
        for index in &schema.indexes {
            match index.kind {
                IndexKind::Local => description
                    .local_secondary_indexes
                    .push(LocalSecondaryIndexDescription::of(index)),
                IndexKind::Global => description
                    .global_secondary_indexes
                    .push(GlobalSecondaryIndexDescription::of(index)),
            }
        }
        description
    }

    /// As [`TableDescription::new`], without a key yet: for whoever rebuilds a description from a wire format.
    pub fn without_schema(table_name: impl Into<String>, table_id: impl Into<String>) -> Self {
        Self {
            table_name: table_name.into(),
            table_id: table_id.into(),
            table_status: TableStatus::Active,
            creation_date_time: 0,
            attribute_definitions: Vec::new(),
            key_schema: Vec::new(),
            item_count: 0,
            table_size_bytes: 0,
            billing_mode_summary: BillingModeSummary::new(BillingMode::PayPerRequest),
            provisioned_throughput: ProvisionedThroughput::default(),
            on_demand_throughput: None,
            warm_throughput: None,
            local_secondary_indexes: Vec::new(),
            global_secondary_indexes: Vec::new(),
            table_class: None,
            stream_specification: None,
            latest_stream_label: None,
            latest_stream_arn: None,
            sse_description: None,
            deletion_protection_enabled: false,
        }
    }
}
