//! Airports in a sealed database, with nothing but what the crate `sealdb` offers. Prints what it found.

use sealdb::model::ops::{
    BatchWriteItemInput, CreateTableInput, DeleteItemInput, DeleteTableInput, DescribeTableInput,
    GetItemInput, ListTablesInput, PutItemInput, QueryInput, ReturnValue, ScanInput,
};
use sealdb::model::{AttributeValue, Item, ScalarType};
use sealdb::{ErrorCode, RootKeySource};

fn airport(country: &str, icao: &str, elevation: i32) -> Item {
    Item::from([
        ("country", AttributeValue::from(country)),
        ("icao", icao.into()),
        ("elevation", elevation.into()),
    ])
}

fn key(country: &str, icao: &str) -> Item {
    Item::from([("country", country), ("icao", icao)])
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::args_os()
        .nth(1)
        .ok_or("usage: sealdb-outside DIRECTORY")?;
    let directory = std::path::PathBuf::from(directory);
    std::fs::create_dir_all(&directory)?;
    let key_file = directory.join("root.key");
    let root_key = RootKeySource::create_file(&key_file)?;
    let open = |root_key| {
        sealdb::Database::builder(directory.join("data"))
            .keyring(directory.join("keyring"), root_key)
            .open_sync()
    };

    let db = open(root_key)?;
    db.create_table(
        CreateTableInput::new("airports")
            .partition_key("country", ScalarType::S)
            .sort_key("icao", ScalarType::S),
    )?;
    let old = db.put_item(
        PutItemInput::new("airports", airport("AT", "LOWW", 600))
            .return_values(ReturnValue::AllOld),
    )?;
    assert_eq!(old.attributes, None);
    let batch = BatchWriteItemInput::new()
        .put("airports", airport("AT", "LOWG", 1119))
        .put("airports", airport("IS", "BIRK", 48))
        .put("airports", airport("IS", "BIKF", 171));
    assert!(db.batch_write_item(batch)?.unprocessed_items.is_empty());
    db.delete_item(DeleteItemInput::new("airports", key("IS", "BIKF")))?;
    db.close()?;

    // Another start, and the same through the async face.
    let db = open(RootKeySource::File(key_file))?;
    let page = db.query(QueryInput::new("airports", "country = :c").value(":c", "AT"))?;
    for item in &page.items {
        if let Some(AttributeValue::S(icao)) = item.get("icao") {
            println!("{icao}");
        }
    }
    println!("{} airports in AT", page.count);
    assert_eq!(db.scan(ScanInput::new("airports"))?.count, 3);
    assert_eq!(
        db.list_tables(ListTablesInput::new())?.table_names,
        ["airports"]
    );
    let described = db
        .describe_table(DescribeTableInput::new("airports"))?
        .table;
    assert_eq!(described.item_count, 3);
    let got = db.get_item(GetItemInput::new("airports", key("IS", "BIRK")))?;
    assert_eq!(got.item, Some(airport("IS", "BIRK", 48)));
    let error = db
        .get_item(GetItemInput::new("nowhere", key("IS", "BIRK")))
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::ResourceNotFoundException);
    let second = open(RootKeySource::File(directory.join("root.key")));
    println!(
        "a second open: {}",
        second.err().ok_or("a second open must be refused")?
    );
    db.delete_table(DeleteTableInput::new("airports"))?;
    db.close()?;
    Ok(())
}
