//! `sealdb stream`: enable, disable, list, tail.

use sealdb_client::{Client, Tail, TailFrom};
use sealdb_model::ops::{
    GetRecordsOutput, ListStreamsInput, ListStreamsOutput, Record, SequenceNumber,
    StreamSpecification, UpdateTableInput,
};
use sealdb_proto::json_api;
use serde_json::Value;

use crate::args::{Global, StreamCommand, TailArgs};
use crate::connect;
use crate::error::CliError;
use crate::output::{Output, counted, print};

pub(crate) async fn run(
    command: StreamCommand,
    global: &Global,
    output: Output,
) -> Result<(), CliError> {
    let client = connect::client(global).await?;
    match command {
        StreamCommand::Enable { table, view } => {
            let specification = StreamSpecification::enabled(view.into());
            let arn = switch(&client, &table, specification).await?;
            output.done(&format!("enabled the stream {}", arn.unwrap_or_default()))
        }
        StreamCommand::Disable { table } => {
            let arn = switch(&client, &table, StreamSpecification::disabled()).await?;
            output.done(&format!(
                "disabled the stream {}; it can be read for 24 hours",
                arn.unwrap_or_default()
            ))
        }
        StreamCommand::List { table } => list(&client, table, output).await,
        StreamCommand::Tail(args) => tail(&client, &args, output).await,
    }
}

/// Gives the ARN of the table's latest stream.
async fn switch(
    client: &Client,
    table: &str,
    stream: StreamSpecification,
) -> Result<Option<String>, CliError> {
    let update = UpdateTableInput::new(table).stream_specification(stream);
    let updated = client.update_table(update).await?.table_description;
    Ok(updated.latest_stream_arn)
}

async fn list(client: &Client, table: Option<String>, output: Output) -> Result<(), CliError> {
    let mut input = ListStreamsInput::new();
    input.table_name = table;
    let mut streams = Vec::new();
    loop {
        let page = client.list_streams(input.clone()).await?;
        streams.extend(page.streams);
        match page.last_evaluated_stream_arn {
            Some(last) => input.exclusive_start_stream_arn = Some(last),
            None => break,
        }
    }
    if output.json {
        return output.value(&parsed(&json_api::render(&ListStreamsOutput::new(
            streams, None,
        ))));
    }
    if streams.is_empty() {
        return output.remark("no streams");
    }
    streams.iter().try_for_each(|arn| print(&arn.to_string()))
}

async fn tail(client: &Client, args: &TailArgs, output: Output) -> Result<(), CliError> {
    let from = match &args.after {
        Some(number) => TailFrom::After(
            SequenceNumber::parse(number).map_err(|error| CliError::usage(error.to_string()))?,
        ),
        None if args.from_start => TailFrom::Oldest,
        None => TailFrom::Now,
    };
    let mut tail = client.tail_table(&args.table, from).await?;
    output.remark(&format!("following {}", tail.stream_arn()))?;
    let mut printed = 0;
    while args.limit.is_none_or(|limit| printed < limit) {
        let Some(record) = next(&mut tail, !args.no_follow).await else {
            break;
        };
        print(&as_json(record?).to_string())?;
        printed += 1;
    }
    let printed = usize::try_from(printed).unwrap_or(usize::MAX);
    output.remark(&counted(printed, "record"))
}

/// The next record. `None` at the end, which one who follows waits for until the stream is disabled.
async fn next(tail: &mut Tail, follow: bool) -> Option<Result<Record, sealdb_client::Error>> {
    match follow {
        true => tail.next().await,
        false => tail.try_next().await?.transpose(),
    }
}

/// DynamoDB's JSON of a record.
fn as_json(record: Record) -> Value {
    let page = json_api::render(&GetRecordsOutput::new(vec![record], None));
    parsed(&page)["Records"][0].take()
}

fn parsed(body: &[u8]) -> Value {
    serde_json::from_slice(body).expect("what is rendered as JSON is JSON")
}
