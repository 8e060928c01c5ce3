//! What is written through the server and the command line is found in none of the files that they leave: data,
//! keyring, run directory, logs at their chattiest, in either shape. Searched while the server runs, after it was killed,
//! and after it was started again and stopped.
//!
//! Logs name tables on purpose. That is also how this test knows that its search finds what is there.

use sealdb_client::Client;
use sealdb_client::model::ops::{
    BatchWriteItemInput, CreateTableInput, DeleteItemInput, GetItemInput, PutItemInput, QueryInput,
    ReturnValue, ScanInput,
};
use sealdb_client::model::{AttributeValue, Item, Map, Number, ScalarType};
use sealdb_tests::canary::{Canary, search, search_bytes};
use sealdb_tests::raw::Raw;
use sealdb_tests::server::Home;

const TABLE: &str = "tableOstrichQ4";
const PARTITION: &str = "partitionHeronQ4";
const SORT: &str = "sortPelicanQ4";
const ATTRIBUTE: &str = "attributeEgretQ4";
const INNER: &str = "innerBitternQ4";
const DIGITS: &str = "731590264887153302741";

/// Texts that were only ever values; the number says which write.
fn value(number: usize) -> String {
    format!("value{number:03}StorkQ4{number:03}")
}

fn item(number: usize) -> Item {
    let mut item = key(number);
    item.insert(ATTRIBUTE, value(number));
    item.insert("digits", DIGITS.parse::<Number>().unwrap());
    item.insert("bytes", value(number).into_bytes());
    item.insert(
        "map",
        AttributeValue::M(Map::from([(INNER, value(number))])),
    );
    item.insert("list", AttributeValue::L(vec![value(number).into()]));
    item.insert(
        "set",
        AttributeValue::Ss(vec![value(number), "other".to_owned()]),
    );
    // Out of line, across blocks.
    item.insert(
        "long",
        value(number).repeat(if number.is_multiple_of(10) { 500 } else { 1 }),
    );
    item
}

fn key(number: usize) -> Map {
    Map::from([
        (PARTITION, AttributeValue::from(value(number % 3))),
        (SORT, AttributeValue::from(value(number).into_bytes())),
    ])
}

async fn write(client: &Client) {
    let input = CreateTableInput::new(TABLE)
        .partition_key(PARTITION, ScalarType::S)
        .sort_key(SORT, ScalarType::B);
    client.create_table(input).await.unwrap();
    for number in 0..40 {
        client
            .put_item(PutItemInput::new(TABLE, item(number)))
            .await
            .unwrap();
    }
    let batch = (40..60).fold(BatchWriteItemInput::new(), |batch, number| {
        batch.put(TABLE, item(number))
    });
    client.batch_write_all(batch).await.unwrap();
    let delete = DeleteItemInput::new(TABLE, key(5)).return_values(ReturnValue::AllOld);
    client.delete_item(delete).await.unwrap();
    client
        .get_item(GetItemInput::new(TABLE, key(7)))
        .await
        .unwrap();
    client.scan(ScanInput::new(TABLE).limit(5)).await.unwrap();
    let query = QueryInput::new(TABLE, "#p = :p AND begins_with(#s, :s)")
        .name("#p", PARTITION)
        .name("#s", SORT)
        .value(":p", value(1))
        .value(":s", b"value".to_vec());
    client.query(query).await.unwrap();

    // Mistakes quote what was sent: back to the sender, not into a log.
    let mut mistyped = item(8);
    mistyped.insert(SORT, value(8));
    client
        .put_item(PutItemInput::new(TABLE, mistyped))
        .await
        .unwrap_err();
    let missing = Item::from([(ATTRIBUTE, value(9))]);
    client
        .put_item(PutItemInput::new(TABLE, missing))
        .await
        .unwrap_err();
    let duplicates = AttributeValue::Ss(vec![value(10), value(10)]);
    let mut twice = item(10);
    twice.insert("set", duplicates);
    client
        .put_item(PutItemInput::new(TABLE, twice))
        .await
        .unwrap_err();
    let bad = QueryInput::new(TABLE, format!("{ATTRIBUTE} = {}", value(11))).value(":x", value(11));
    client.query(bad).await.unwrap_err();
    let bad = QueryInput::new(TABLE, "#p = :p")
        .name("#p", ATTRIBUTE)
        .value(":p", value(1));
    client.query(bad).await.unwrap_err();
    let start = QueryInput::new(TABLE, "#p = :p")
        .name("#p", PARTITION)
        .value(":p", value(1))
        .exclusive_start_key(Map::from([(ATTRIBUTE, value(2))]));
    client.query(start).await.unwrap_err();
    let wrong = CreateTableInput::new(&value(1)[..5])
        .partition_key(ATTRIBUTE, ScalarType::S)
        .sort_key(ATTRIBUTE, ScalarType::S);
    client.create_table(wrong).await.unwrap_err();
}

/// Garbage that holds canaries, in messages that do not decode and numbers that are none.
async fn garble(raw: &Raw) {
    for method in ["PutItem", "Query", "CreateTable"] {
        let mut bytes = vec![0x0a, 14];
        bytes.extend(TABLE.as_bytes());
        bytes.extend([0x12, 0x7f]);
        bytes.extend(value(3).as_bytes());
        raw.call(method, bytes).await.unwrap_err();
    }
    let number = sealdb_proto::v1::AttributeValue {
        value: Some(sealdb_proto::v1::attribute_value::Value::N(value(4))),
    };
    let request = sealdb_proto::v1::PutItemRequest {
        table_name: TABLE.to_owned(),
        item: Some(sealdb_proto::v1::MapValue {
            names: vec![ATTRIBUTE.to_owned()],
            values: vec![number],
        }),
        ..Default::default()
    };
    raw.call("PutItem", sealdb_proto::Message::encode_to_vec(&request))
        .await
        .unwrap_err();
}

fn command_line(home: &Home) {
    let json = format!(
        "{{\"{PARTITION}\": \"{}\", \"{SORT}\": {{\"x\": 1}}, \"{ATTRIBUTE}\": \"{}\"}}",
        value(70),
        value(71)
    );
    home.sealdb(&["item", "put", TABLE, &json]).refused(1);
    let typed = format!(
        "{{\"{PARTITION}\": {{\"S\": \"{}\"}}, \"{SORT}\": {{\"B\": \"AAEC\"}}, \"{ATTRIBUTE}\": {{\"S\": \"{}\"}}, \"n\": {{\"N\": \"{DIGITS}\"}}}}",
        value(72),
        value(73)
    );
    home.sealdb(&["item", "put", TABLE, "--typed", &typed]).ok();
    home.sealdb(&["item", "get", TABLE, "--pk", &value(72), "--sk", "AAEC"])
        .ok();
    home.sealdb(&[
        "query",
        TABLE,
        "--pk",
        &value(72),
        "--sk-begins-with",
        "AAE=",
    ])
    .ok();
    let line = format!(
        "{{\"{PARTITION}\": {{\"S\": \"{}\"}}, \"{SORT}\": {{\"B\": \"AAED\"}}, \"{ATTRIBUTE}\": {{\"S\": \"{}\"}}}}\n",
        value(74),
        value(75)
    );
    home.sealdb_with_input(
        &["import", TABLE, "-", "--format", "jsonl", "--typed"],
        &line.repeat(3),
    )
    .ok();
    home.sealdb_with_input(
        &["import", TABLE, "-", "--format", "jsonl", "--typed"],
        &line.replace("{\"S\"", "{\"Q\""),
    )
    .refused(1);
    home.sealdb(&["scan", TABLE, "--json"]).ok();
    home.sealdb(&[
        "item",
        "delete",
        TABLE,
        "--pk",
        &value(72),
        "--sk",
        "AAEC",
        "--return-old",
    ])
    .ok();
}

async fn nothing_is_readable(format: &str) {
    let home = Home::new();
    let flags = [
        "--log-format",
        format,
        "--log-level",
        "trace",
        "--log-limit",
        "1MiB",
    ];
    let secret: Vec<Canary> = [PARTITION, SORT, ATTRIBUTE, INNER, DIGITS]
        .into_iter()
        .map(str::to_owned)
        .chain((0..80).map(value))
        .map(Canary::new)
        .collect();
    let name = [Canary::new(TABLE)];
    let places = [home.path().to_owned()];
    let directories = [
        home.data_dir(),
        home.run_dir(),
        home.keyring_dir(),
        home.runtime_dir(),
    ];
    let look = |when: &str| {
        assert_eq!(
            search(&places, &secret),
            Vec::<String>::new(),
            "{when}, {format}"
        );
        assert_eq!(
            search(&directories, &name),
            Vec::<String>::new(),
            "{when}, {format}"
        );
    };

    let server = home.start_with(&flags);
    write(&server.client().await).await;
    garble(&Raw::connect(&home, &server).await).await;
    command_line(&home);
    look("while it runs");
    server.kill();
    look("after a kill");
    assert!(home.start_with(&flags).terminate().success());
    look("after a recovery and a stop");

    let log = home.log();
    assert!(
        log.lines().count() > 60,
        "the log at trace is chatty: {} lines",
        log.lines().count()
    );
    assert!(
        search_bytes(log.as_bytes(), &name).next().is_some(),
        "logs name tables:\n{log}"
    );
    if format == "json" {
        let ours = log.lines().filter(|line| line.starts_with('{'));
        let parsed = ours
            .filter(|line| serde_json::from_str::<serde_json::Value>(line).is_ok())
            .count();
        assert!(parsed > 60, "{parsed} lines are JSON");
    }
    // The canaries are really in there: they come back.
    let server = home.start();
    let got = server
        .client()
        .await
        .get_item(GetItemInput::new(TABLE, key(7)))
        .await
        .unwrap();
    assert_eq!(got.item, Some(item(7)));
}

#[tokio::test]
async fn nothing_is_readable_with_logs_as_text() {
    nothing_is_readable("text").await;
}

#[tokio::test]
async fn nothing_is_readable_with_logs_as_json() {
    nothing_is_readable("json").await;
}
