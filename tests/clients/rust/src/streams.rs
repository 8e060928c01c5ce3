//! A stream through AWS's Rust client for streams: enabled, described, read, refused, disabled.

use aws_sdk_dynamodb::types::{StreamSpecification, StreamViewType};
use aws_sdk_dynamodb::{Client, error::ProvideErrorMetadata};
use aws_sdk_dynamodbstreams::types::{
    AttributeValue, OperationType, Record, ShardIteratorType, StreamStatus,
};

use crate::{Done, Item, TABLE, key, n, s, with};

/// Sets whether the table has a stream; gives the ARN of its latest one.
async fn switch(client: &Client, on: bool) -> Result<String, Box<dyn std::error::Error>> {
    let view = on.then_some(StreamViewType::NewAndOldImages);
    let specification = StreamSpecification::builder()
        .stream_enabled(on)
        .set_stream_view_type(view)
        .build()?;
    let update = client.update_table().table_name(TABLE);
    let updated = update.stream_specification(specification).send().await?;
    let table = updated.table_description().ok_or("no description")?;
    Ok(table.latest_stream_arn().ok_or("no stream")?.to_owned())
}

/// An insert, a change and a removal.
async fn change(client: &Client) -> Done {
    for elevation in [1, 2] {
        let item: Item = with(
            with(key("BISI"), "elevation", n(elevation)),
            "city",
            s("Siglufjörður"),
        );
        let put = client.put_item().table_name(TABLE).set_item(Some(item));
        put.send().await?;
    }
    let delete = client.delete_item().table_name(TABLE);
    delete.set_key(Some(key("BISI"))).send().await?;
    Ok(())
}

fn elevation(record: &Record) -> Option<&AttributeValue> {
    record.dynamodb()?.new_image()?.get("elevation")
}

pub async fn streams(client: &Client, streams: &aws_sdk_dynamodbstreams::Client) -> Done {
    let arn = switch(client, true).await?;
    change(client).await?;
    let listed = streams.list_streams().table_name(TABLE).send().await?;
    assert_eq!(listed.streams()[0].stream_arn(), Some(&*arn));
    let described = streams.describe_stream().stream_arn(&arn).send().await?;
    let stream = described.stream_description().ok_or("no description")?;
    assert_eq!(stream.stream_status(), Some(&StreamStatus::Enabled));
    let shard = stream.shards()[0].shard_id().ok_or("no shard")?;
    let iterator = |kind| {
        let iterator = streams.get_shard_iterator().stream_arn(&arn);
        iterator.shard_id(shard).shard_iterator_type(kind)
    };
    let oldest = iterator(ShardIteratorType::TrimHorizon).send().await?;
    let read = |iterator: Option<&str>| {
        let iterator = iterator.map(ToOwned::to_owned);
        streams.get_records().set_shard_iterator(iterator)
    };
    let first = read(oldest.shard_iterator()).limit(2).send().await?;
    let rest = read(first.next_shard_iterator()).send().await?;
    let records: Vec<&Record> = first.records().iter().chain(rest.records()).collect();
    let events: Vec<_> = records
        .iter()
        .filter_map(|record| record.event_name())
        .collect();
    let (insert, modify) = (OperationType::Insert, OperationType::Modify);
    assert_eq!(events, [&insert, &modify, &OperationType::Remove]);
    let seen: Vec<_> = records.iter().map(|record| elevation(record)).collect();
    let number = |text: &str| AttributeValue::N(text.to_owned());
    assert_eq!(seen, [Some(&number("1")), Some(&number("2")), None]);

    let latest = iterator(ShardIteratorType::Latest).send().await?;
    let none = read(latest.shard_iterator()).send().await?;
    assert!(none.records().is_empty());
    let unknown = iterator(ShardIteratorType::AfterSequenceNumber).sequence_number("1");
    let refused = unknown.send().await.err().ok_or("no such record")?;
    assert_eq!(refused.code(), Some("ValidationException"));
    let nowhere = arn.replace(TABLE, "nowhere");
    let refused = streams.describe_stream().stream_arn(nowhere).send().await;
    let refused = refused.err().ok_or("found")?.into_service_error();
    assert!(refused.is_resource_not_found_exception(), "{refused:?}");

    switch(client, false).await?;
    let over = read(none.next_shard_iterator()).send().await?;
    assert_eq!(over.next_shard_iterator(), None);
    Ok(())
}
