//! `sealdb import`: items from JSON lines or CSV, in batches of 25, several under way at once.
//!
//! Lines with the same key go to the same worker, so the last one wins, as it would line by line. A line that is no item stops
//! the import and is named; what was written before it stays.

use std::collections::HashSet;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use sealdb_client::{BatchWriteError, Client};
use sealdb_model::ops::BatchWriteItemInput;
use sealdb_model::{AttributeValue, Item, KeyBytes, ScalarType, item_size};
use sealdb_proto::json;
use serde_json::json;
use tokio::sync::mpsc;

use crate::args::{Format, Global, ImportArgs};
use crate::connect;
use crate::error::CliError;
use crate::output::Output;
use crate::schema::{Keys, typed};

/// DynamoDB's limit of one batch, in requests.
const BATCH_ITEMS: usize = 25;
/// Below DynamoDB's 16 MB of one batch, with room for what wraps the items.
const BATCH_BYTES: usize = 8 * 1024 * 1024;

pub(crate) async fn run(args: ImportArgs, global: &Global, output: Output) -> Result<(), CliError> {
    let client = connect::client(global).await?;
    let keys = Keys::of(&client, &args.table).await?;
    let format = format_of(args.format, &args.file)?;
    let (input, length) = open(&args.file)?;
    let progress = progress_bar(length, output);
    let input = progress.wrap_read(input);

    // One worker a partition of keys: batches of one worker follow each other.
    let workers = usize::from(args.parallel);
    let mut senders = Vec::with_capacity(workers);
    let mut tasks = tokio::task::JoinSet::new();
    // Of all workers, also of one that fails.
    let written = Arc::new(AtomicU64::new(0));
    for _ in 0..workers {
        let (sender, receiver) = mpsc::channel(BATCH_ITEMS * 2);
        senders.push(sender);
        let (client, table) = (client.clone(), args.table.clone());
        tasks.spawn(write(client, table, receiver, written.clone()));
    }

    let counter = progress.clone();
    let reader = tokio::task::spawn_blocking(move || -> Result<u64, CliError> {
        let mut items = 0;
        let schema = keys.schema()?;
        each_item(input, format, &args, &keys, |line, item| {
            let key = schema.key_of_item(&item).map_err(|error| CliError::Line {
                path: args.file.clone(),
                line,
                message: error.to_string(),
            })?;
            let mut hasher = DefaultHasher::new();
            key.hash(&mut hasher);
            let key = key.into_owned();
            let at = usize::try_from(hasher.finish() % senders.len() as u64).unwrap_or_default();
            items += 1;
            counter.set_message(format!("{items} items"));
            // A worker that has stopped has failed: its error is told below.
            Ok(senders
                .get(at)
                .is_some_and(|sender| sender.blocking_send((key, item)).is_ok()))
        })?;
        Ok(items)
    });

    let read = reader
        .await
        .map_err(|error| CliError::usage(format!("the reader stopped: {error}")))?;
    let mut failed = None;
    while let Some(task) = tasks.join_next().await {
        if let Err(error) =
            task.map_err(|error| CliError::usage(format!("a worker stopped: {error}")))?
        {
            failed = Some(error);
        }
    }
    let written = written.load(Ordering::Relaxed);
    let elapsed = progress.elapsed();
    progress.finish_and_clear();
    if let Some(error) = failed.or(read.err()) {
        output.remark(&format!("{written} items were written before this"))?;
        return Err(error);
    }
    let rate = rate(written, elapsed);
    if output.json {
        return output.value(&json!({ "Count": written, "Seconds": elapsed.as_secs_f64() }));
    }
    output.done(&format!(
        "imported {written} items in {:.1} s ({rate}/s)",
        elapsed.as_secs_f64()
    ))
}

/// Sends what arrives in batches, one after another, and adds to `written` what the server took.
async fn write(
    client: Client,
    table: String,
    mut items: mpsc::Receiver<(KeyBytes<'static>, Item)>,
    written: Arc<AtomicU64>,
) -> Result<(), CliError> {
    let mut batch: Vec<(KeyBytes<'static>, Item)> = Vec::with_capacity(BATCH_ITEMS);
    let mut bytes = 0;
    loop {
        let next = items.recv().await;
        let full = match &next {
            None => true,
            Some((key, item)) => {
                batch.len() == BATCH_ITEMS
                    || bytes + item_size(item) > BATCH_BYTES
                    || batch.iter().any(|(other, _)| other == key)
            }
        };
        if full && !batch.is_empty() {
            let count = batch.len();
            let input = batch
                .drain(..)
                .fold(BatchWriteItemInput::new(), |input, (_, item)| {
                    input.put(&table, item)
                });
            let sent = client.batch_write_all(input).await;
            let left = sent.as_ref().err().map_or(0, BatchWriteError::left);
            written.fetch_add(count.saturating_sub(left) as u64, Ordering::Relaxed);
            sent?;
            bytes = 0;
        }
        let Some((key, item)) = next else {
            return Ok(());
        };
        bytes += item_size(&item);
        batch.push((key, item));
    }
}

/// Calls `take` for each item with its line; stops early when it answers false.
fn each_item(
    input: impl Read,
    format: Format,
    args: &ImportArgs,
    keys: &Keys,
    mut take: impl FnMut(u64, Item) -> Result<bool, CliError>,
) -> Result<(), CliError> {
    let wrong = |line: u64, message: String| CliError::Line {
        path: args.file.clone(),
        line,
        message,
    };
    match format {
        Format::Jsonl => {
            for (line, text) in (1..).zip(BufReader::new(input).lines()) {
                let text = text.map_err(|source| CliError::file(&args.file, source))?;
                if text.trim().is_empty() {
                    continue;
                }
                let item = json::parse(&text)
                    .and_then(|value| {
                        if args.typed {
                            json::item_from_json(value)
                        } else {
                            json::item_from_plain(value)
                        }
                    })
                    .map_err(|error| wrong(line, error.to_string()))?;
                if !take(line, item)? {
                    break;
                }
            }
        }
        Format::Csv => {
            let mut reader = csv::Reader::from_reader(input);
            let columns = columns(&mut reader, args, keys)?;
            for record in reader.records() {
                let record = record.map_err(|error| {
                    let line = error.position().map_or(0, csv::Position::line);
                    wrong(line, error.to_string())
                })?;
                let line = record.position().map_or(0, csv::Position::line);
                let mut item = Item::with_capacity(columns.len());
                for ((name, kind), field) in columns.iter().zip(&record) {
                    if field.is_empty() && (args.skip_empty || *kind != ScalarType::S) {
                        continue;
                    }
                    let value = typed(field, *kind)
                        .map_err(|error| wrong(line, format!("column {name}: {error}")))?;
                    item.insert(name.as_str(), value);
                }
                if !take(line, item)? {
                    break;
                }
            }
        }
    }
    Ok(())
}

/// Names and types of the columns: key columns as the schema has them, numbers as asked, text otherwise.
fn columns(
    reader: &mut csv::Reader<impl Read>,
    args: &ImportArgs,
    keys: &Keys,
) -> Result<Vec<(String, ScalarType)>, CliError> {
    let header = reader
        .headers()
        .map_err(|error| CliError::usage(format!("{}: {error}", args.file.display())))?;
    let names: Vec<String> = header.iter().map(str::to_owned).collect();
    let mut seen = HashSet::new();
    if let Some(twice) = names.iter().find(|name| !seen.insert(*name)) {
        return Err(CliError::usage(format!(
            "{} has two columns {twice}: an item has each attribute once",
            args.file.display()
        )));
    }
    for wanted in args.number.iter().chain(&keys.names()) {
        if !names.contains(wanted) {
            return Err(CliError::usage(format!(
                "{} has no column {wanted}; it has {}",
                args.file.display(),
                names.join(", ")
            )));
        }
    }
    Ok(names
        .into_iter()
        .map(|name| {
            let kind = keys.kind(&name).unwrap_or(if args.number.contains(&name) {
                ScalarType::N
            } else {
                ScalarType::S
            });
            (name, kind)
        })
        .collect())
}

/// The format that was named, or that of the file's ending.
pub(super) fn format_of(format: Option<Format>, file: &Path) -> Result<Format, CliError> {
    let ending = file
        .extension()
        .and_then(|ending| ending.to_str())
        .map(str::to_ascii_lowercase);
    match (format, ending.as_deref()) {
        (Some(format), _) => Ok(format),
        (None, Some("csv")) => Ok(Format::Csv),
        (None, Some("jsonl" | "ndjson" | "json")) => Ok(Format::Jsonl),
        (None, _) => Err(CliError::usage(format!(
            "{}: which format? give --format csv or --format jsonl",
            file.display()
        ))),
    }
}

/// The file and its length, or stdin and 0.
fn open(path: &Path) -> Result<(Box<dyn Read + Send>, u64), CliError> {
    if path == Path::new("-") {
        return Ok((Box::new(io::stdin()), 0));
    }
    let file = File::open(path).map_err(|source| CliError::file(path, source))?;
    let length = file
        .metadata()
        .map_err(|source| CliError::file(path, source))?
        .len();
    Ok((Box::new(file), length))
}

fn progress_bar(length: u64, output: Output) -> ProgressBar {
    if output.quiet || output.json {
        return ProgressBar::hidden();
    }
    let (bar, template) = if length == 0 {
        (
            ProgressBar::new_spinner(),
            "{spinner} {msg}, {bytes} ({bytes_per_sec})",
        )
    } else {
        (
            ProgressBar::new(length),
            "{bar:30} {percent:>3} %  {msg}, {bytes_per_sec}, {eta} left",
        )
    };
    bar.with_style(
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
    )
}

fn rate(items: u64, elapsed: Duration) -> u64 {
    let millis = elapsed.as_millis().max(1);
    u64::try_from(u128::from(items) * 1000 / millis).unwrap_or(u64::MAX)
}

/// Text of a CSV field.
pub(super) fn field(value: &AttributeValue) -> String {
    match value {
        AttributeValue::S(text) => text.clone(),
        AttributeValue::N(number) => number.to_string(),
        other => json::value_to_plain(other.clone()).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command};

    fn read(text: &str, line: &[&str]) -> Result<Vec<(u64, Item)>, CliError> {
        let cli = Cli::try_parse_from([&["sealdb", "import", "t"], line].concat()).unwrap();
        let Command::Import(args) = cli.command else {
            panic!("not an import")
        };
        let keys = Keys {
            partition: ("id".into(), ScalarType::S),
            sort: None,
        };
        let format = format_of(args.format, &args.file)?;
        let mut items = Vec::new();
        each_item(text.as_bytes(), format, &args, &keys, |line, item| {
            items.push((line, item));
            Ok(true)
        })?;
        Ok(items)
    }

    #[test]
    fn csv_columns_have_types_and_empty_fields_may_be_left_out() {
        let text = "id,n,note\na,1.50,\"x,\ny\"\nb,,\n";
        let items = read(text, &["x.csv", "--number", "n", "--skip-empty"]).unwrap();
        assert_eq!(
            items[0].1.get("n"),
            Some(&AttributeValue::N("1.5".parse().unwrap()))
        );
        assert_eq!(
            items[0].1.get("note"),
            Some(&AttributeValue::S("x,\ny".into()))
        );
        assert_eq!(items[1].1.iter().count(), 1);
        let kept = read(text, &["x.csv", "--number", "n"]).unwrap();
        assert_eq!(
            kept[1].1.get("note"),
            Some(&AttributeValue::S(String::new()))
        );
    }

    #[test]
    fn a_bad_line_is_named() {
        let error = read("id,n\na,1\nb,two\n", &["x.csv", "--number", "n"])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("line 3") && error.contains("column n") && error.contains("two"),
            "{error}"
        );
        let error = read("{\"id\": \"a\"}\n\n{\"id\": \n", &["x.jsonl"])
            .unwrap_err()
            .to_string();
        assert!(error.contains("x.jsonl, line 3"), "{error}");
    }

    #[test]
    fn missing_columns_are_named_with_those_there_are() {
        let error = read("name,n\n", &["x.csv"]).unwrap_err().to_string();
        assert!(
            error.contains("no column id") && error.contains("name, n"),
            "{error}"
        );
        assert!(read("", &["x.txt"]).is_err(), "no format");
    }

    #[test]
    fn two_columns_of_one_name_are_refused() {
        let error = read("id,n,m,n\na,1,2,3\n", &["x.csv"]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("two columns n"), "{error}");
    }
}
