//! `sealdb export`: all items of a table as JSON lines or CSV.
//!
//! The file is written under a temporary name beside its place and renamed at the end: a file with the right name is a whole export.
//! It is plain text: the export leaves the seal, and is made owner-only for that reason.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use sealdb_client::Client;
use sealdb_model::Item;
use sealdb_model::ops::ScanInput;
use sealdb_proto::json;
use serde_json::json;

use super::import::{field, format_of};
use crate::args::{ExportArgs, Format, Global};
use crate::connect;
use crate::error::CliError;
use crate::output::Output;
use crate::schema::Keys;

pub(crate) async fn run(args: ExportArgs, global: &Global, output: Output) -> Result<(), CliError> {
    let client = connect::client(global).await?;
    let keys = Keys::of(&client, &args.table).await?;
    let to_stdout = args.file == Path::new("-");
    let format = if to_stdout {
        args.format.unwrap_or(Format::Jsonl)
    } else {
        format_of(args.format, &args.file)?
    };
    let target = if to_stdout {
        None
    } else {
        Some(Target::create(&args.file)?)
    };
    let failed = |source| write_error(&args.file, source);

    let mut out: Box<dyn Write> = match &target {
        None => Box::new(BufWriter::new(io::stdout())),
        Some(target) => Box::new(BufWriter::new(target.file.try_clone().map_err(failed)?)),
    };
    let count = match format {
        Format::Jsonl => {
            each_page(&client, &args.table, |items| {
                for item in items {
                    let value = if args.plain {
                        json::item_to_plain(item)
                    } else {
                        json::item_to_json(item)
                    };
                    writeln!(out, "{value}").map_err(failed)?;
                }
                Ok(())
            })
            .await?
        }
        Format::Csv => csv(&client, &args, &keys, &mut out).await?,
    };
    out.flush().map_err(failed)?;
    drop(out);
    if let Some(target) = target {
        target.finish()?;
    }
    if to_stdout {
        return output.remark(&format!("exported {count} items"));
    }
    if output.json {
        return output.value(&json!({ "Count": count }));
    }
    output.done(&format!(
        "exported {count} items to {} (readable text: it is no longer sealed)",
        args.file.display()
    ))
}

/// CSV needs all column names before the first row: the table is read twice.
async fn csv(
    client: &Client,
    args: &ExportArgs,
    keys: &Keys,
    out: &mut dyn Write,
) -> Result<u64, CliError> {
    let first = keys.names();
    let mut others = BTreeSet::new();
    each_page(client, &args.table, |items| {
        others.extend(
            items
                .iter()
                .flat_map(|item| item.iter().map(|(name, _)| name.to_owned())),
        );
        Ok(())
    })
    .await?;
    let columns: Vec<String> = first
        .iter()
        .cloned()
        .chain(others.into_iter().filter(|name| !first.contains(name)))
        .collect();

    let failed = |error: csv::Error| write_error(&args.file, error.into());
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(&columns).map_err(failed)?;
    let count = each_page(client, &args.table, |items| {
        for item in items {
            let row = columns
                .iter()
                .map(|name| item.get(name).map(field).unwrap_or_default());
            writer.write_record(row).map_err(failed)?;
        }
        Ok(())
    })
    .await?;
    writer
        .flush()
        .map_err(|source| write_error(&args.file, source))?;
    Ok(count)
}

/// stdout may have a reader that goes early; a file has none.
fn write_error(path: &Path, source: io::Error) -> CliError {
    if path == Path::new("-") {
        CliError::Output(source)
    } else {
        CliError::file(path, source)
    }
}

async fn each_page(
    client: &Client,
    table: &str,
    mut take: impl FnMut(Vec<Item>) -> Result<(), CliError>,
) -> Result<u64, CliError> {
    let mut count = 0;
    let mut pages = client.scan_pages(ScanInput::new(table));
    while let Some(page) = pages.next().await {
        let page = page?;
        count += u64::from(page.count);
        take(page.items)?;
    }
    Ok(count)
}

/// A file that gets its name only when it is whole.
struct Target {
    file: File,
    temporary: PathBuf,
    path: PathBuf,
}

impl Target {
    fn create(path: &Path) -> Result<Self, CliError> {
        if path.exists() {
            return Err(CliError::usage(format!(
                "{} exists; an export does not overwrite",
                path.display()
            )));
        }
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".partial");
        let temporary = PathBuf::from(temporary);
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)
            .map_err(|source| CliError::file(&temporary, source))?;
        Ok(Target {
            file,
            temporary,
            path: path.to_owned(),
        })
    }

    fn finish(self) -> Result<(), CliError> {
        self.file
            .sync_all()
            .and_then(|()| std::fs::rename(&self.temporary, &self.path))
            .map_err(|source| CliError::file(&self.path, source))
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // After a rename there is nothing under this name; after a failure it is only part of an export.
        let _ = std::fs::remove_file(&self.temporary);
    }
}
