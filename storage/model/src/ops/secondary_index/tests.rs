#![allow(clippy::unwrap_used)]

use super::*;
use crate::ops::{AttributeDefinition, CreateTableInput, IndexStatus, TableDescription};
use crate::schema::ScalarType;

/// A table by `pk` and `sk`, with further definitions of attributes.
fn table(others: &[&str]) -> CreateTableInput {
    let input = CreateTableInput::new("Airports")
        .partition_key("pk", ScalarType::S)
        .sort_key("sk", ScalarType::N);
    others
        .iter()
        .fold(input, |input, name| input.attribute(*name, ScalarType::S))
}

fn refused(input: CreateTableInput) -> String {
    input.validate().unwrap_err().to_string()
}

const INVALID: &str = "One or more parameter values were invalid: ";

#[test]
fn indexes_are_read_and_described() {
    let created = table(&["city", "region", "code"])
        .local_index(
            LocalSecondaryIndex::new("by-code", "pk", "code")
                .projection(Projection::new(ProjectionType::KeysOnly)),
        )
        .global_index(
            GlobalSecondaryIndex::new("by-place", &["region", "city"], &["sk", "pk"])
                .projection(Projection::include(["name"])),
        )
        .validate()
        .unwrap();
    let [local, global] = created.schema.indexes.as_slice() else {
        panic!("two indexes");
    };
    assert_eq!(
        (local.kind, global.kind),
        (IndexKind::Local, IndexKind::Global)
    );
    assert_eq!(local.projection, IndexProjection::KeysOnly);
    let names = |attributes: &[crate::schema::KeyAttribute]| -> Vec<String> {
        attributes.iter().map(|a| a.name.to_string()).collect()
    };
    assert_eq!(names(&global.key.partition), ["region", "city"]);
    assert_eq!(names(&global.key.sort), ["sk", "pk"]);
    let described = TableDescription::new("Airports", "id", &created.schema);
    assert_eq!(described.attribute_definitions.len(), 5);
    assert_eq!(
        described.attribute_definitions.last(),
        Some(&AttributeDefinition::new("city", ScalarType::S))
    );
    let index = &described.global_secondary_indexes[0];
    assert_eq!(
        index.key_schema,
        elements(&["region", "city"], &["sk", "pk"])
    );
    assert_eq!(index.index_status, IndexStatus::Active);
    assert_eq!(
        described.local_secondary_indexes[0].projection,
        Projection::new(ProjectionType::KeysOnly)
    );
}

#[test]
fn create_table_refuses_indexes_as_aws_does() {
    let local = |partition: &str, sort: &str| LocalSecondaryIndex::new("local", partition, sort);
    let global =
        |partition: &[&str], sort: &[&str]| GlobalSecondaryIndex::new("global", partition, sort);
    let only_pk = CreateTableInput::new("Airports").partition_key("pk", ScalarType::S);
    for (input, expected) in [
        (
            table(&[]).global_secondary_indexes(Vec::new()),
            "List of GlobalSecondaryIndexes is empty",
        ),
        (
            table(&[]).local_secondary_indexes(Vec::new()),
            "List of LocalSecondaryIndexes is empty",
        ),
        (
            only_pk
                .attribute("a", ScalarType::S)
                .local_index(local("pk", "a")),
            "Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex",
        ),
        (
            table(&["a"]).local_index(local("a", "sk")),
            "Index KeySchema does not have the same leading hash key as table KeySchema for index: local. index hash \
             key: a, table hash key: pk",
        ),
        (
            table(&[]).local_index(local("pk", "sk").key_schema(elements(&["pk"], &[]))),
            "Index KeySchema does not have a range key for index: local",
        ),
        (
            table(&["a"]).global_index(global(&["b"], &[])),
            "Some index key attributes are not defined in AttributeDefinitions. Keys: [b], AttributeDefinitions: \
             [pk, sk, a]",
        ),
        (
            table(&["a", "b"]).global_index(global(&["a"], &[])),
            "Some AttributeDefinitions are not used. AttributeDefinitions: [pk, sk, a, b], keys used: [pk, sk, a]",
        ),
        (
            table(&[])
                .global_index(global(&["pk"], &[]))
                .global_index(global(&["sk"], &[])),
            "Duplicate index name: global",
        ),
        (
            table(&[]).global_index(global(&["pk"], &[]).projection(Projection::default())),
            "Unknown ProjectionType: null",
        ),
        (
            table(&[]).global_index(
                global(&["pk"], &[]).projection(Projection::new(ProjectionType::Include)),
            ),
            "ProjectionType is INCLUDE, but NonKeyAttributes is not specified",
        ),
        (
            table(&[]).global_index(global(&["pk"], &[]).projection(Projection {
                projection_type: Some(ProjectionType::All),
                ..Projection::include(["x"])
            })),
            "ProjectionType is ALL, but NonKeyAttributes is specified",
        ),
        (
            table(&[])
                .billing_mode(BillingMode::Provisioned)
                .provisioned_throughput(ProvisionedThroughput {
                    read_capacity_units: 1,
                    write_capacity_units: 1,
                })
                .global_index(global(&["pk"], &[])),
            "ProvisionedThroughput is not specified for index: global",
        ),
        (
            table(&[]).global_index(global(&["pk"], &[]).provisioned_throughput(
                ProvisionedThroughput {
                    read_capacity_units: 1,
                    write_capacity_units: 1,
                },
            )),
            "ProvisionedThroughput should not be specified for index: global when BillingMode is PAY_PER_REQUEST",
        ),
        (
            (0..=MAX_GLOBAL_INDEXES).fold(table(&[]), |input, i| {
                input.global_index(GlobalSecondaryIndex::new(format!("index{i}"), &["sk"], &[]))
            }),
            "GlobalSecondaryIndex count exceeds the per-table limit of 20",
        ),
        (
            (0..=MAX_LOCAL_INDEXES).fold(table(&[]), |input, i| {
                input.local_index(LocalSecondaryIndex::new(format!("index{i}"), "pk", "sk"))
            }),
            "Number of LocalSecondaryIndexes exceeds per-table limit of 5",
        ),
        (
            (0..6).fold(table(&[]), |input, i| {
                let names = (0..20).map(|n| format!("n{n}"));
                input.global_index(
                    GlobalSecondaryIndex::new(format!("index{i}"), &["sk"], &[])
                        .projection(Projection::include(names)),
                )
            }),
            "Number of projected attributes across all indexes exceeds the per-table limit of 100",
        ),
    ] {
        assert_eq!(refused(input), format!("{INVALID}{expected}"));
    }
    for (input, expected) in [
        (
            table(&[]).global_index(global(&[], &["pk"])),
            "Invalid KeySchema: The first KeySchemaElement is not a HASH key type",
        ),
        (
            table(&[]).local_index(local("pk", "sk").key_schema(elements(&["pk", "sk"], &[]))),
            "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type",
        ),
        (
            table(&[]).global_index(global(&["pk"], &["pk"])),
            "Both the Hash Key and the Range Key element in the KeySchema have the same name",
        ),
        (
            table(&[]).global_index(
                global(&["pk"], &[]).projection(Projection::include(["x", "y", "x"])),
            ),
            "Cannot have two attributes with the same name",
        ),
        (
            table(&[]).global_index(GlobalSecondaryIndex::new("no", &["pk"], &[])),
            "1 validation error detected: Value 'no' at 'globalSecondaryIndexes.1.member.indexName' failed to satisfy \
             constraint: Member must have length greater than or equal to 3",
        ),
    ] {
        assert_eq!(refused(input), expected);
    }
    let five = ["a", "b", "c", "d", "e"];
    assert!(refused(table(&five).global_index(global(&five, &[]))).contains("at most 4 HASH"));
    assert!(refused(table(&five).global_index(global(&["pk"], &five))).contains("at most 4"));
    assert!(
        table(&five[..4])
            .global_index(global(&five[..4], &["pk"]))
            .validate()
            .is_ok()
    );
}
