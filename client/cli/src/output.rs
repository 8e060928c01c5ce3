//! What people and programs read: tables on a terminal, JSON with `--json`, remarks on stderr.

use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};

use comfy_table::{Cell, CellAlignment, ContentArrangement, LineStyle, Table, TableStyle, presets};
use sealdb_model::{AttributeValue, Item};
use sealdb_proto::json;
use serde_json::{Value, json};

use crate::error::CliError;

/// Longest text of one cell; the rest is cut and marked.
const CELL_CHARS: usize = 48;

/// Where output goes and in which form.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    /// For programs.
    pub(crate) json: bool,
    /// No remarks.
    pub(crate) quiet: bool,
}

impl Output {
    /// Prints items: a table for people, or `{"Items": [...], "Count": n}`.
    pub(crate) fn items(self, items: &[Item], first: &[String]) -> Result<(), CliError> {
        if self.json {
            let rows: Vec<Value> = items
                .iter()
                .map(|item| json::item_to_json(item.clone()))
                .collect();
            return self.value(&json!({ "Items": rows, "Count": items.len() }));
        }
        if items.is_empty() {
            return self.remark("no items");
        }
        print(&table(items, first))?;
        self.remark(&counted(items.len(), "item"))
    }

    /// Prints one item, an attribute a line, key attributes first.
    pub(crate) fn item(self, item: &Item, first: &[String]) -> Result<(), CliError> {
        if self.json {
            return self.value(&json::item_to_json(item.clone()));
        }
        let mut table = plain_table();
        for name in columns(std::slice::from_ref(item), first) {
            if let Some(value) = item.get(&name) {
                table.add_row([Cell::new(escaped(&name)), Cell::new(text(value))]);
            }
        }
        print(&table.to_string())
    }

    /// Prints name and value pairs.
    pub(crate) fn fields(self, fields: &[(&str, String)], value: &Value) -> Result<(), CliError> {
        if self.json {
            return self.value(value);
        }
        let mut table = plain_table();
        for (name, text) in fields {
            table.add_row([Cell::new(name), Cell::new(escaped(text))]);
        }
        print(&table.to_string())
    }

    /// Prints rows under headings.
    pub(crate) fn rows(
        self,
        headings: &[&str],
        rows: &[Vec<String>],
        value: &Value,
    ) -> Result<(), CliError> {
        if self.json {
            return self.value(value);
        }
        let mut table = headed_table();
        table.set_header(headings.iter().map(Cell::new));
        for row in rows {
            table.add_row(row.iter().map(|text| Cell::new(escaped(text))));
        }
        print(&table.to_string())
    }

    /// Prints JSON, indented on a terminal.
    pub(crate) fn value(self, value: &Value) -> Result<(), CliError> {
        let text = if std::io::stdout().is_terminal() {
            format!("{value:#}")
        } else {
            value.to_string()
        };
        print(&text)
    }

    /// A sentence that says what was done; programs do not get it.
    pub(crate) fn done(self, text: &str) -> Result<(), CliError> {
        if self.json { Ok(()) } else { print(text) }
    }

    /// A remark for people, on stderr.
    #[allow(clippy::print_stderr)]
    pub(crate) fn remark(self, text: &str) -> Result<(), CliError> {
        if !self.quiet && !self.json {
            eprintln!("{}", escaped_lines(text));
        }
        Ok(())
    }
}

/// Writes a line to stdout. A reader that has gone (`| head`) ends the program quietly.
pub(crate) fn print(text: &str) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")
        .and_then(|()| out.flush())
        .map_err(CliError::Output)
}

fn plain_table() -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic);
    table
}

/// Headings, one line, rows.
const HEADED: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

fn headed_table() -> Table {
    let mut table = Table::new();
    table
        .load_style(HEADED)
        .set_content_arrangement(ContentArrangement::Dynamic);
    table
}

fn table(items: &[Item], first: &[String]) -> String {
    let columns = columns(items, first);
    let mut table = headed_table();
    table.set_header(columns.iter().map(|name| Cell::new(escaped(name))));
    for item in items {
        table.add_row(columns.iter().map(|name| match item.get(name) {
            None => Cell::new(""),
            Some(value) => {
                let cell = Cell::new(shortened(text(value)));
                if matches!(value, AttributeValue::N(_)) {
                    cell.set_alignment(CellAlignment::Right)
                } else {
                    cell
                }
            }
        }));
    }
    table.to_string()
}

/// All attribute names: those of the key first, the others in order.
fn columns(items: &[Item], first: &[String]) -> Vec<String> {
    let others: BTreeSet<&str> = items
        .iter()
        .flat_map(|item| item.iter().map(|(name, _)| name))
        .collect();
    let mut columns = first.to_vec();
    columns.extend(
        others
            .into_iter()
            .filter(|name| !first.iter().any(|f| f == name))
            .map(str::to_owned),
    );
    columns
}

/// A value as people read it: text without quotes, everything else as JSON.
pub(crate) fn text(value: &AttributeValue) -> String {
    match value {
        AttributeValue::S(text) => escaped(text),
        AttributeValue::N(number) => number.to_string(),
        other => json::value_to_plain(other.clone()).to_string(),
    }
}

/// Data must not steer the terminal: control characters are shown, not sent, and so is what ends a line or turns the text around it.
pub(crate) fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            // Line and paragraph separator; embeddings, overrides and isolates of direction.
            '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => shown.extend(c.escape_unicode()),
            c if c.is_control() => shown.extend(c.escape_default()),
            c => shown.push(c),
        }
    }
    shown
}

/// The same for a text of several lines, which stay lines.
pub(crate) fn escaped_lines(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(escaped).collect();
    lines.join("\n")
}

fn shortened(text: String) -> String {
    match text.char_indices().nth(CELL_CHARS) {
        None => text,
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
    }
}

/// "1 page", "2 pages".
pub(crate) fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// Bytes in the largest fitting binary unit.
pub(crate) fn bytes(n: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if n < 1024 {
        return format!("{n} B");
    }
    // Two digits are shown: precision does not matter.
    #[allow(clippy::cast_precision_loss)]
    let mut value = n as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!(
        "{value:.1} {}",
        UNITS.get(unit).copied().unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(
            text(&AttributeValue::S("a\u{1b}[2Jb".into())),
            "a\\u{1b}[2Jb"
        );
        // What makes a line of the trail read as another one.
        assert_eq!(
            escaped("ok\u{202e}yb\u{2028}\u{2066}\u{85}é"),
            "ok\\u{202e}yb\\u{2028}\\u{2066}\\u{85}é"
        );
    }

    #[test]
    fn what_has_lines_keeps_them() {
        assert_eq!(
            escaped_lines("a\n  b\u{1b}[2J\r\nc\rd"),
            "a\n  b\\u{1b}[2J\nc\\rd"
        );
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(5 << 30), "5.0 GiB");
    }

    #[test]
    fn long_text_is_cut_at_a_character() {
        assert_eq!(shortened("é".repeat(49)), format!("{}…", "é".repeat(48)));
        assert_eq!(shortened("é".repeat(48)), "é".repeat(48));
    }
}
