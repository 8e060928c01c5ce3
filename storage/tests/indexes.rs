//! Secondary indexes through the public API: what Query and Scan give by them, and what is refused.

#![allow(clippy::unwrap_used)]

use sealdb::blocking::Database;
use sealdb::model::ops::{
    BatchGetItemInput, BatchWriteItemInput, CreateTableInput, DeleteItemInput, DescribeTableInput,
    GetItemInput, GlobalSecondaryIndex, KeysAndAttributes, LocalSecondaryIndex, Projection,
    ProjectionType, PutItemInput, QueryInput, QueryOutput, ReturnItemCollectionMetrics, ScanInput,
    Select, UpdateItemInput,
};
use sealdb::model::{AttributeValue, Item, Map, ScalarType, item_size};
use sealdb::{Database as Async, Error, RootKeySource};

/// A database in a directory that goes with it.
struct World {
    db: Database,
    _dir: tempfile::TempDir,
}

/// Airports by country and code; by height within their country (whole items on demand), and by district and city.
fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let root_key = RootKeySource::create_file(dir.path().join("root.key")).unwrap();
    let db = Async::builder(dir.path().join("data"))
        .keyring(dir.path().join("keyring"), root_key)
        .open_sync()
        .unwrap();
    db.create_table(
        CreateTableInput::new("airports")
            .partition_key("country", ScalarType::S)
            .sort_key("code", ScalarType::S)
            .attribute("height", ScalarType::N)
            .attribute("district", ScalarType::S)
            .attribute("city", ScalarType::S)
            .local_index(
                LocalSecondaryIndex::new("by-height", "country", "height")
                    .projection(Projection::new(ProjectionType::KeysOnly)),
            )
            .global_index(
                GlobalSecondaryIndex::new("by-place", &["district"], &["city", "height"])
                    .projection(Projection::include(["name"])),
            ),
    )
    .unwrap();
    World { db, _dir: dir }
}

fn airport(country: &str, code: &str, height: i64) -> Item {
    Item::from([
        ("country", AttributeValue::from(country)),
        ("code", code.into()),
        ("height", height.into()),
        ("name", format!("{code} International").into()),
        ("note", "x".repeat(40).into()),
    ])
}

fn put(db: &Database, item: Item) {
    db.put_item(PutItemInput::new("airports", item)).unwrap();
}

fn by_height(condition: &str) -> QueryInput {
    QueryInput::new("airports", format!("country = :c {condition}"))
        .value(":c", "IS")
        .index_name("by-height")
}

fn codes(page: &QueryOutput) -> Vec<String> {
    let code = |item: &Item| match item.get("code") {
        Some(AttributeValue::S(code)) => code.clone(),
        other => panic!("{other:?}"),
    };
    page.items.iter().map(code).collect()
}

fn iceland(db: &Database) {
    for (code, height) in [
        ("BIKF", 171),
        ("BIRK", 48),
        ("BIAR", 6),
        ("BIEG", 76),
        ("BIIS", 6),
    ] {
        put(db, airport("IS", code, height));
    }
    put(db, airport("NO", "ENGM", 681));
}

/// What is fetched counts for the page, not only the entries that lead there.
#[test]
fn a_page_of_fetched_items_has_at_most_1_mb() {
    let World { db, _dir } = world();
    let codes_of_all: Vec<String> = (0..5).map(|i| format!("BI0{i}")).collect();
    for (height, code) in (0..).zip(&codes_of_all) {
        let mut item = airport("IS", code, height);
        item.insert("photo", vec![0; 300 * 1024]);
        put(&db, item);
    }
    let mut found = Vec::new();
    let mut start = None;
    for expected in [3, 2] {
        let mut query = by_height("").select(Select::AllAttributes);
        query.exclusive_start_key = start.take();
        let page = db.query(query).unwrap();
        assert_eq!(page.items.len(), expected);
        found.extend(codes(&page));
        start = page.last_evaluated_key;
    }
    assert_eq!((found, start), (codes_of_all, None));
}

#[test]
fn a_local_index_orders_the_partition_anew_and_fetches_what_it_lacks() {
    let World { db, _dir } = world();
    iceland(&db);
    let page = db.query(by_height("")).unwrap();
    let order = codes(&page);
    assert_eq!(order[2..], ["BIRK", "BIEG", "BIKF"]);
    assert!(order[..2].contains(&"BIAR".into()) && order[..2].contains(&"BIIS".into()));
    assert_eq!(page.items[2].len(), 3, "keys only: {:?}", page.items[2]);

    let page = db
        .query(
            by_height("AND height BETWEEN :l AND :h")
                .value(":l", 40)
                .value(":h", 76)
                .scan_index_forward(false)
                .consistent_read(true)
                .select(Select::AllAttributes),
        )
        .unwrap();
    assert_eq!(codes(&page), ["BIEG", "BIRK"]);
    assert_eq!(page.items[1], airport("IS", "BIRK", 48));

    let page = db.query(by_height("").select(Select::Count)).unwrap();
    assert_eq!((page.count, page.items.len()), (5, 0));
}

#[test]
fn pages_of_an_index_go_on_after_index_and_table_key() {
    let World { db, _dir } = world();
    iceland(&db);
    for forward in [true, false] {
        let whole = codes(&db.query(by_height("").scan_index_forward(forward)).unwrap());
        let mut found = Vec::new();
        let mut after: Option<Map> = None;
        loop {
            let mut query = by_height("").limit(2).scan_index_forward(forward);
            query.exclusive_start_key = after;
            let page = db.query(query).unwrap();
            found.extend(codes(&page));
            after = page.last_evaluated_key;
            let Some(key) = &after else { break };
            assert_eq!(key.len(), 3, "{key:?}");
        }
        assert_eq!(found, whole);
    }
}

#[test]
fn a_global_index_is_sparse_and_has_a_key_of_several_attributes() {
    let World { db, _dir } = world();
    iceland(&db);
    for (code, city, height) in [("AAAA", "Oslo", 3), ("BBBB", "Oslo", 1), ("CCCC", "Os", 9)] {
        let mut item = airport("NO", code, height);
        item.insert("district", "north");
        item.insert("city", city);
        put(&db, item);
    }
    let by_place = |condition: &str| {
        QueryInput::new("airports", format!("district = :r {condition}"))
            .value(":r", "north")
            .index_name("by-place")
    };
    let page = db.query(by_place("")).unwrap();
    assert_eq!(codes(&page), ["CCCC", "BBBB", "AAAA"]);
    assert!(page.items[0].contains_key("name") && !page.items[0].contains_key("note"));
    let oslo = by_place("AND city = :c AND height > :h")
        .value(":c", "Oslo")
        .value(":h", 1);
    assert_eq!(codes(&db.query(oslo).unwrap()), ["AAAA"]);
    let begins = by_place("AND begins_with(city, :c)").value(":c", "Osl");
    assert_eq!(codes(&db.query(begins).unwrap()), ["BBBB", "AAAA"]);

    let scan = db
        .scan(ScanInput::new("airports").index_name("by-place"))
        .unwrap();
    assert_eq!(scan.count, 3);
    let mut segments = 0;
    for segment in 0..3 {
        let scan = ScanInput::new("airports")
            .index_name("by-place")
            .segment(segment)
            .total_segments(3);
        segments += db.scan(scan).unwrap().count;
    }
    assert_eq!(segments, 3);
    let table = db
        .describe_table(DescribeTableInput::new("airports"))
        .unwrap()
        .table;
    assert_eq!(table.global_secondary_indexes[0].item_count, 3);
    assert_eq!(table.local_secondary_indexes[0].item_count, 9);
}

#[test]
fn reads_by_an_index_are_refused_as_aws_does() {
    let World { db, _dir } = world();
    let by_place = || {
        QueryInput::new("airports", "district = :r")
            .value(":r", "north")
            .index_name("by-place")
    };
    let start = |names: &[&str]| -> Map {
        names
            .iter()
            .map(|name| (*name, AttributeValue::from("x")))
            .collect()
    };
    for (query, expected) in [
        (
            by_place().index_name("by-nothing"),
            "The table does not have the specified index: by-nothing",
        ),
        (
            by_place().consistent_read(true),
            "Consistent reads are not supported on global secondary indexes",
        ),
        (
            by_place().select(Select::AllAttributes),
            "One or more parameter values were invalid: Select type ALL_ATTRIBUTES is not supported for global secondary \
             index by-place because its projection type is not ALL",
        ),
        (
            by_place().exclusive_start_key(start(&["district", "city"])),
            "The provided starting key is invalid",
        ),
        (
            by_height("").exclusive_start_key(start(&["country", "code", "height"])),
            "The provided starting key is invalid",
        ),
    ] {
        assert_eq!(db.query(query).unwrap_err().to_string(), expected);
    }
    let scan = ScanInput::new("airports")
        .index_name("by-place")
        .consistent_read(true);
    assert_eq!(
        db.scan(scan).unwrap_err().to_string(),
        "Consistent reads are not supported on global secondary indexes"
    );
}

#[test]
fn an_update_of_an_index_key_that_could_never_be_one_is_refused() {
    let World { db, _dir } = world();
    iceland(&db);
    let update = |expression: &str, value: AttributeValue| {
        let key = Map::from([("country", "IS"), ("code", "BIRK")]);
        let input = UpdateItemInput::new("airports", key)
            .update_expression(expression)
            .value(":v", value);
        db.update_item(input)
            .map(drop)
            .map_err(|error| error.to_string())
    };
    let unsupported =
        "The update expression attempted to update the secondary index key to unsupported type";
    for (expression, value, expected) in [
        (
            "SET height = :v",
            AttributeValue::from("x"),
            "One or more parameter values were invalid: Type mismatch for Index Key height Expected: N Actual: S \
             IndexName: by-height",
        ),
        // As the item shows only.
        (
            "SET height = if_not_exists(note, :v)",
            1.into(),
            unsupported,
        ),
        (
            "SET city = :v",
            "".into(),
            "One or more parameter values are not valid. The update expression attempted to update a secondary index key \
             to a value that is not supported. The AttributeValue for a key attribute cannot contain an empty string value.",
        ),
        (
            "SET city = :v",
            "x".repeat(1025).into(),
            "The update expression attempted to update the secondary index key beyond allowed size limits",
        ),
    ] {
        assert_eq!(update(expression, value), Err(expected.to_owned()));
    }
    assert_eq!(update("SET height = :v", 49.into()), Ok(()));
}

/// AWS: "The size of an item's data in the table", and "of corresponding entries in all local secondary indexes", 400 KB in all.
#[test]
fn an_item_and_what_local_indexes_hold_of_it_fit_together() {
    let World { db, _dir } = world();
    let table = CreateTableInput::new("films")
        .partition_key("studio", ScalarType::S)
        .sort_key("id", ScalarType::N)
        .attribute("year", ScalarType::N)
        .local_index(LocalSecondaryIndex::new("by-year", "studio", "year"))
        .global_index(GlobalSecondaryIndex::new("by-id", &["year"], &[]));
    db.create_table(table).unwrap();
    let film = |year: Option<i64>, plot: usize| {
        let year = year.map(|year| ("year", year.into()));
        let rest = [
            ("studio", AttributeValue::from("a")),
            ("id", 1.into()),
            ("plot", "x".repeat(plot).into()),
        ];
        rest.into_iter().chain(year).collect::<Item>()
    };
    let put = |item| db.put_item(PutItemInput::new("films", item)).map(drop);
    let too_large = |result: Result<(), Error>| result.unwrap_err().to_string();
    // The index holds all of it once more: two times 200 KB, to the byte.
    let most = 200 * 1024 - item_size(&film(Some(1984), 0));
    assert!(put(film(Some(1984), most)).is_ok());
    assert_eq!(
        too_large(put(film(Some(1984), most + 1))),
        "Item size has exceeded the maximum allowed size"
    );
    assert!(put(film(None, most + 1)).is_ok(), "it is in no index");
    let key = Map::from([("studio", AttributeValue::from("a")), ("id", 1.into())]);
    let update = UpdateItemInput::new("films", key)
        .update_expression("SET #y = :y")
        .name("#y", "year")
        .value(":y", 1984);
    assert_eq!(
        too_large(db.update_item(update).map(drop)),
        "Item size to update has exceeded the maximum allowed size"
    );
}

#[test]
fn writes_tell_the_sizes_of_item_collections_where_there_are_local_indexes() {
    let World { db, _dir } = world();
    let size = ReturnItemCollectionMetrics::Size;
    let put = PutItemInput::new("airports", airport("IS", "BIRK", 48));
    let asked = put.clone().return_item_collection_metrics(size);
    let metrics = db.put_item(asked).unwrap().item_collection_metrics.unwrap();
    assert_eq!(metrics.item_collection_key, Map::from([("country", "IS")]));
    assert_eq!(metrics.size_estimate_range_gb, [0, 1]);
    assert!(db.put_item(put).unwrap().item_collection_metrics.is_none());
    let batch = BatchWriteItemInput::new()
        .put("airports", airport("IS", "BIRK", 48))
        .put("airports", airport("NO", "ENGM", 681))
        .return_item_collection_metrics(size);
    let output = db.batch_write_item(batch).unwrap();
    assert_eq!(output.item_collection_metrics["airports"].len(), 2);
}

/// Whatever is read or written, of the table or of another index.
#[test]
fn no_path_leads_into_the_key_of_an_index() {
    let World { db, _dir } = world();
    let refused = |what: &str, error: Error| {
        assert_eq!(
            error.to_string(),
            "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: IndexKey: height",
            "{what}"
        );
    };
    let key = || Map::from([("country", "IS"), ("code", "BIRK")]);
    let get = GetItemInput::new("airports", key()).projection_expression("note, height.feet");
    refused("get", db.get_item(get).unwrap_err());
    let keys = KeysAndAttributes::new(vec![key()]).projection_expression("height[0]");
    let batch = BatchGetItemInput::new().keys("airports", keys);
    refused("batch", db.batch_get_item(batch).unwrap_err());
    let update = UpdateItemInput::new("airports", key()).update_expression("REMOVE height.feet");
    refused("update", db.update_item(update).unwrap_err());
    let condition = "attribute_exists(height.feet)";
    let put = PutItemInput::new("airports", airport("IS", "BIRK", 48));
    let put = put.condition_expression(condition);
    refused("put", db.put_item(put).unwrap_err());
    let delete = DeleteItemInput::new("airports", key()).condition_expression(condition);
    refused("delete", db.delete_item(delete).unwrap_err());
    let scan = ScanInput::new("airports").filter_expression(condition);
    refused("scan", db.scan(scan).unwrap_err());
    let query = QueryInput::new("airports", "country = :c").value(":c", "IS");
    let query = query.projection_expression("height.feet");
    refused("query", db.query(query.clone()).unwrap_err());
    let query = query.index_name("by-height");
    refused("index", db.query(query).unwrap_err());
}

#[test]
fn an_item_whose_index_key_is_of_another_type_is_refused() {
    let World { db, _dir } = world();
    let mut item = airport("IS", "BIRK", 48);
    item.insert("height", "48");
    assert_eq!(
        db.put_item(PutItemInput::new("airports", item))
            .unwrap_err()
            .to_string(),
        "One or more parameter values were invalid: Type mismatch for Index Key height Expected: N Actual: S IndexName: \
         by-height"
    );
}
