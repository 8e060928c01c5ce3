//! `sealdb check`, `compact` and `copy`: work on a closed database. A running one is refused by its lock.

use sealdb::tools::{self, TableState};
use serde_json::json;

use crate::args::{ClosedArgs, CopyArgs};
use crate::error::CliError;
use crate::output::{Output, bytes, print};

pub(crate) fn check(args: &ClosedArgs, output: Output) -> Result<(), CliError> {
    let place = args.place()?;
    let report = tools::check(&args.data_dir, &place.directory, place.root)?;
    for remark in &report.remarks {
        output.remark(&format!("note: {remark}"))?;
    }
    // Not a remark: it is what was asked for, also with --quiet. In JSON it stands below.
    if !output.json {
        for damage in &report.damages {
            print(&format!("damaged: {damage}"))?;
        }
    }
    let rows: Vec<Vec<String>> = report
        .tables
        .iter()
        .map(|table| {
            vec![
                table.name.clone(),
                table.state.to_string(),
                table.items.to_string(),
                table.pages.to_string(),
                bytes(table.page_bytes),
            ]
        })
        .collect();
    let value = json!({
        "tables": report.tables.iter().map(|table| json!({
            "name": table.name, "state": table.state.to_string(), "items": table.items, "pages": table.pages, "page_bytes": table.page_bytes,
        })).collect::<Vec<_>>(),
        "log_records": report.log_records,
        "audit_records": report.audit_records,
        "damages": report.damages,
        "remarks": report.remarks,
    });
    if output.json || !rows.is_empty() {
        output.rows(
            &["table", "state", "items", "pages", "bytes of pages"],
            &rows,
            &value,
        )?;
    }
    let pages = |shut: bool| -> u64 {
        let tables = report.tables.iter();
        let tables = tables.filter(|table| (table.state == TableState::Inaccessible) == shut);
        tables.map(|table| table.pages).sum()
    };
    let not_opened = match pages(true) {
        0 => String::new(),
        pages => format!("; {pages} pages of tables whose keys are out of reach were not opened"),
    };
    match report.damages.len() {
        0 => output.done(&format!(
            "pages of tables: {}, log records: {}, audit records: {}; each opened with its key, no damage{not_opened}",
            pages(false), report.log_records, report.audit_records,
        )),
        damaged => Err(CliError::Damaged(damaged)),
    }
}

pub(crate) fn compact(args: &ClosedArgs, output: Output) -> Result<(), CliError> {
    let place = args.place()?;
    let report = tools::compact(&args.data_dir, &place.directory, place.root)?;
    if output.json {
        return output.value(
            &json!({ "bytes_before": report.bytes_before, "bytes_after": report.bytes_after }),
        );
    }
    let (before, after) = (bytes(report.bytes_before), bytes(report.bytes_after));
    output.done(&match before == after {
        true => format!("nothing to give back: {after}"),
        false => format!("compacted from {before} to {after}"),
    })
}

pub(crate) fn copy(args: &CopyArgs, output: Output) -> Result<(), CliError> {
    let report = tools::copy(&args.data_dir, &args.to)?;
    if output.json {
        return output.value(&json!({ "bytes": report.bytes }));
    }
    output.done(&format!(
        "copied {} to {}, sealed as it was; it opens with the same keyring",
        bytes(report.bytes),
        args.to.display()
    ))
}
