#![allow(clippy::unwrap_used)]

use super::*;
use crate::ops::{CreateTableInput, UpdateGlobalSecondaryIndex};
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
    let mode = BillingMode::PayPerRequest;
    update.index_changes(&schema(), (mode, mode))
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
    // The table's own attributes are told again.
    let again = || update().index_update(create("again", "city"));
    let city = vec![AttributeDefinition::new("city", ScalarType::S)];
    assert!(changes(again().attribute_definitions(city)).is_ok());
    assert!(changes(again()).is_err());
    assert_eq!(
        changes(update().index_update(delete("by-city")))
            .unwrap()
            .delete,
        Some(IndexName::new("by-city").unwrap())
    );
    let two = update()
        .attribute_definitions(vec![AttributeDefinition::new("pk", ScalarType::S)])
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
    let stream = || update().stream_specification(StreamSpecification::disabled());
    assert_eq!(
        message(stream().index_update(delete("by-city"))),
        "One or more parameter values were invalid: You cannot create or delete index while changing stream status"
    );
    let units = ProvisionedThroughput {
        read_capacity_units: 1,
        write_capacity_units: 1,
    };
    assert_eq!(
        message(stream().provisioned_throughput(units)),
        "One or more parameter values were invalid: You cannot modify stream status while updating table IOPS"
    );
    let other = vec![AttributeDefinition::new("city", ScalarType::B)];
    let input = update().attribute_definitions(other);
    assert!(message(input.index_update(create("new", "pk"))).contains("defined as S already"));
}
#[test]
fn indexes_are_billed_as_their_table() {
    let to = |mode, input: UpdateTableInput| {
        let was = match mode {
            BillingMode::Provisioned => BillingMode::PayPerRequest,
            BillingMode::PayPerRequest => BillingMode::Provisioned,
        };
        input
            .validate()?
            .index_changes(&schema(), (was, mode))
            .map(|changes| changes.throughput)
    };
    let units = ProvisionedThroughput {
        read_capacity_units: 1,
        write_capacity_units: 2,
    };
    let provisioned = UpdateTableInput::new("Airports")
        .billing_mode(BillingMode::Provisioned)
        .provisioned_throughput(units);
    assert_eq!(
        to(BillingMode::Provisioned, provisioned.clone()),
        Err(ValidationError::new(
            "One or more parameter values were invalid: ProvisionedThroughput must be specified for index: by-city"
        )
        .into())
    );
    let index = UpdateGlobalSecondaryIndex::new("by-city").provisioned_throughput(units);
    let both = provisioned.index_update(GlobalSecondaryIndexUpdate::Update(index.clone()));
    let changed = to(BillingMode::Provisioned, both).unwrap();
    assert_eq!(changed[0].1.provisioned, units);
    let on_demand = UpdateTableInput::new("Airports").billing_mode(BillingMode::PayPerRequest);
    let changed = to(BillingMode::PayPerRequest, on_demand).unwrap();
    assert_eq!(changed.len(), 1);
    let twice = UpdateTableInput::new("Airports")
        .index_update(GlobalSecondaryIndexUpdate::Update(index))
        .index_update(delete("by-city"));
    assert_eq!(
        twice.validate().unwrap_err().to_string(),
        "One or more parameter values were invalid: Only one global secondary index update per index is allowed \
         simultaneously. Index: by-city"
    );
}

#[test]
fn a_table_is_put_under_another_key_unless_it_is_already_so() {
    let new_key = |specification: SseSpecification, named: Option<&str>| {
        let input = UpdateTableInput::new("Airports").sse_specification(specification);
        let update = input.validate().unwrap();
        update
            .new_key(named, "alias/default", "id")
            .map_err(|e| e.to_string())
    };
    let on = || SseSpecification::new().enabled(true);
    let off = || SseSpecification::new().enabled(false);
    assert_eq!(new_key(on(), None), Ok(Some(NewKmsKey::Default)));
    assert_eq!(new_key(on(), Some("alias/default")), Ok(None));
    let own = Some("alias/own");
    assert_eq!(new_key(on(), own), Ok(Some(NewKmsKey::Default)));
    assert_eq!(new_key(off(), own), Ok(Some(NewKmsKey::Unchosen)));
    let other = NewKmsKey::Named("other".into());
    let asked = SseSpecification::kms("other");
    assert_eq!(new_key(asked.clone(), own), Ok(Some(other.clone())));
    assert_eq!(new_key(asked, None), Ok(Some(other)));
    for (specification, named, refused) in [
        (off(), None, "Table is already encrypted by default"),
        (
            SseSpecification::kms("id"),
            None,
            "Table is already encrypted by given KMSMasterKeyId",
        ),
        (
            SseSpecification::kms("alias/own"),
            Some("alias/own"),
            "Table is already encrypted by given KMSMasterKeyId",
        ),
    ] {
        let expected = format!("One or more parameter values were invalid: {refused}");
        assert_eq!(new_key(specification, named), Err(expected));
    }
}
