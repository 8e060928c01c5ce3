//! `sealdb export`: all items of a table as JSON lines or CSV.
//!
//! The file is written under a temporary name beside its place and gets its own at the end: a file with the right name is a whole export.
//! It is plain text: the export leaves the seal. So the file is a new one, owner-only, and neither of its names is followed or overwritten.

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

/// CSV needs all column names before the first row: the table is read twice. What got another attribute in between has no place.
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
            let row = row(&columns, &item).map_err(|name| {
                CliError::Changed(format!(
                    "table {} changes while it is exported: attribute {name} has come, and CSV has its columns by now; export it \
                     again, or with --format jsonl",
                    args.table
                ))
            })?;
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

/// The fields of an item, or the name of an attribute that has no column.
fn row<'a>(columns: &[String], item: &'a Item) -> Result<Vec<String>, &'a str> {
    let fields: Vec<Option<String>> = columns
        .iter()
        .map(|name| item.get(name).map(field))
        .collect();
    if fields.iter().flatten().count() < item.iter().count() {
        let mut names = item.iter().map(|(name, _)| name);
        if let Some(name) = names.find(|name| !columns.iter().any(|column| column == name)) {
            return Err(name);
        }
    }
    Ok(fields.into_iter().map(Option::unwrap_or_default).collect())
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
        // Said before anything is read; `finish` decides. A link that leads nowhere is something, too.
        if path.symlink_metadata().is_ok() {
            return Err(exists(path));
        }
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(format!(".{}.partial", std::process::id()));
        let temporary = PathBuf::from(temporary);
        let file = new_file(&temporary).map_err(|source| CliError::file(&temporary, source))?;
        Ok(Target {
            file,
            temporary,
            path: path.to_owned(),
        })
    }

    /// Takes the name, then puts the file there. Unlike a hard link, that works on every file system.
    fn finish(self) -> Result<(), CliError> {
        let failed = |source| CliError::file(&self.path, source);
        self.file.sync_all().map_err(failed)?;
        new_file(&self.path).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => exists(&self.path),
            _ => failed(source),
        })?;
        // Crash here: an empty file has the name, and the export lies beside it.
        std::fs::rename(&self.temporary, &self.path).map_err(|source| {
            let _ = std::fs::remove_file(&self.path);
            failed(source)
        })
    }
}

/// A file that was not there, for nobody but its owner.
fn new_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

fn exists(path: &Path) -> CliError {
    CliError::usage(format!(
        "{} exists; an export does not overwrite",
        path.display()
    ))
}

impl Drop for Target {
    fn drop(&mut self) {
        // After a rename there is nothing under this name; after a failure it is only part of an export.
        let _ = std::fs::remove_file(&self.temporary);
    }
}

#[cfg(test)]
mod tests {
    use sealdb_model::AttributeValue;

    use super::*;

    #[test]
    fn an_attribute_that_came_between_the_passes_is_named() {
        let columns = ["id".to_owned(), "note".to_owned()];
        let mut item = Item::new();
        item.insert("id", AttributeValue::S("a".into()));
        assert_eq!(row(&columns, &item), Ok(vec!["a".into(), String::new()]));
        item.insert("late", AttributeValue::S("b".into()));
        assert_eq!(row(&columns, &item), Err("late"));
    }

    #[test]
    fn what_took_the_name_meanwhile_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.jsonl");
        let target = Target::create(&path).unwrap();
        std::fs::write(&path, "theirs").unwrap();
        let error = target.finish().unwrap_err();
        assert!(error.to_string().contains("exists"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "theirs");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_in_the_place_of_the_temporary_file_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (path, victim) = (dir.path().join("out.csv"), dir.path().join("victim"));
        std::fs::write(&victim, "theirs").unwrap();
        let temporary = format!("out.csv.{}.partial", std::process::id());
        std::os::unix::fs::symlink(&victim, dir.path().join(temporary)).unwrap();
        assert!(Target::create(&path).is_err());
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "theirs");
        // And one that leads nowhere has the name all the same.
        std::os::unix::fs::symlink(dir.path().join("nowhere"), &path).unwrap();
        assert!(Target::create(&path).is_err());
    }
}
