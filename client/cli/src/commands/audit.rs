//! `sealdb audit tail`: the newest events of the trail, also while a server writes it.

use std::collections::VecDeque;
use std::time::Duration;

use sealdb::tools;
use sealdb_crypto::AuditEvent;
use sealdb_crypto::audit::Outcome;
use serde_json::json;

use crate::args::AuditCommand;
use crate::error::CliError;
use crate::output::{Output, print};

/// How often `--follow` looks for new events.
const POLL: Duration = Duration::from_millis(500);

pub(crate) fn run(command: &AuditCommand, output: Output) -> Result<(), CliError> {
    let AuditCommand::Tail {
        database,
        lines,
        follow,
    } = command;
    let place = database.place()?;
    let mut trail = tools::read_trail(&database.data_dir, &place.directory, place.root)?;
    // The trail is chained: its end is trusted only after everything before it was opened.
    let mut newest = VecDeque::new();
    for record in trail.by_ref() {
        if newest.len() == *lines {
            newest.pop_front();
        }
        newest.push_back(record?);
    }
    for record in newest.iter().skip(newest.len().saturating_sub(*lines)) {
        print(&line(record.sequence, &record.event, output))?;
    }
    if !*follow {
        return Ok(());
    }
    loop {
        std::thread::sleep(POLL);
        for record in trail.by_ref() {
            let record = record?;
            print(&line(record.sequence, &record.event, output))?;
        }
    }
}

fn line(sequence: u64, event: &AuditEvent, output: Output) -> String {
    if output.json {
        return json!({ "sequence": sequence, "event": event }).to_string();
    }
    let key = event.request_parameters.key_id.as_deref().unwrap_or("-");
    let context = event.request_parameters.encryption_context.as_ref();
    let what = context
        .and_then(|context| {
            context
                .get("sealdb:table-name")
                .or_else(|| context.get("sealdb:purpose"))
        })
        .unwrap_or("-");
    let outcome = match event.outcome {
        Outcome::Success => "ok".to_owned(),
        Outcome::Failure => event
            .error_code
            .clone()
            .unwrap_or_else(|| "failed".to_owned()),
    };
    let principal = &event.user_identity.principal;
    format!(
        "{sequence:>6}  {}  {:<16} {what:<24} {outcome:<8} by {principal}, key {key}",
        event.event_time, event.event_name
    )
}
