//! `sealdb audit`: what the trail says, also while a server writes it.

mod export;
mod filter;
mod prove;
mod verify;

use std::collections::VecDeque;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sealdb::tools::{self, TrailReader};
use sealdb_crypto::audit::{UserIdentity, rfc3339};
use sealdb_crypto::{AuditEvent, AuditRecord, Clock, SystemClock};
use serde_json::json;

use self::filter::Meant;
use crate::args::{AuditCommand, DatabaseArgs, FilterArgs};
use crate::error::CliError;
use crate::output::{Output, counted, print};

/// How often `--follow` looks for new events.
const POLL: Duration = Duration::from_millis(500);

pub(crate) fn run(command: &AuditCommand, output: Output) -> Result<(), CliError> {
    match command {
        AuditCommand::Tail {
            database,
            lines,
            follow,
        } => tail(database, *lines, *follow, output),
        AuditCommand::Search { database, filter } => search(database, filter, output),
        AuditCommand::Export { file, database } => export::run(file, open(database)?, output),
        AuditCommand::Checkpoint { database } => {
            let mut trail = open(database)?;
            to_the_end(&mut trail)?;
            let checkpoint = trail.checkpoint(now()).to_string();
            print(checkpoint.trim_end())
        }
        AuditCommand::PublicKey { database } => print(&open(database)?.verifier().to_string()),
        AuditCommand::Verify(args) => verify::run(args, output),
        AuditCommand::Prove {
            since,
            event,
            under,
            database,
        } => prove::run((since.as_deref(), *event), under.as_deref(), database),
        AuditCommand::VerifyProof {
            file,
            public_key,
            checkpoint,
            event,
        } => prove::verify(file, (public_key, checkpoint), event.as_deref(), output),
    }
}

/// Reads a checkpoint or a public key.
pub(super) fn read<T: FromStr>(path: &Path) -> Result<T, CliError>
where
    T::Err: std::fmt::Display,
{
    let text = std::fs::read_to_string(path).map_err(|error| CliError::file(path, error))?;
    text.parse()
        .map_err(|error| CliError::usage(format!("{}: {error}", path.display())))
}

fn open(database: &DatabaseArgs) -> Result<TrailReader, CliError> {
    let place = database.place()?;
    Ok(tools::read_trail(
        &database.data_dir,
        &place.directory,
        place.root,
    )?)
}

fn now() -> String {
    rfc3339(SystemClock.wall_ms())
}

fn to_the_end(trail: &mut TrailReader) -> Result<(), CliError> {
    for record in trail.by_ref() {
        record?;
    }
    Ok(())
}

fn tail(
    database: &DatabaseArgs,
    lines: usize,
    follow: bool,
    output: Output,
) -> Result<(), CliError> {
    let mut trail = open(database)?;
    // The trail is chained: its end is trusted only after everything before it was opened.
    let mut newest = VecDeque::new();
    for record in trail.by_ref() {
        if newest.len() == lines {
            newest.pop_front();
        }
        newest.push_back(record?);
    }
    for record in newest.iter().skip(newest.len().saturating_sub(lines)) {
        print(&line(record, output))?;
    }
    if !follow {
        return Ok(());
    }
    loop {
        std::thread::sleep(POLL);
        for record in trail.by_ref() {
            print(&line(&record?, output))?;
        }
    }
}

fn search(database: &DatabaseArgs, filter: &FilterArgs, output: Output) -> Result<(), CliError> {
    let keyring = Arc::new(database.place()?.open()?);
    let mut trail = tools::read_trail_with(&database.data_dir, keyring.clone())?;
    let meant = Meant {
        item: filter.item_hash(&trail)?,
        keys: filter.names_of_key(&keyring, output)?,
    };
    let mut found = 0;
    for record in trail.by_ref() {
        let record = record?;
        if filter.takes(&record.event, &meant) {
            found += 1;
            print(&line(&record, output))?;
        }
    }
    output.remark(&counted(found, "event"))
}

/// One event for people, or as it was recorded.
fn line(record: &AuditRecord, output: Output) -> String {
    let (sequence, event) = (record.sequence, &record.event);
    if output.json {
        return json!({ "sequence": sequence, "event": event }).to_string();
    }
    let outcome = event.error_code.as_deref().unwrap_or("ok");
    let what = filter::table_of(event)
        .or_else(|| purpose_of(event))
        .or_else(|| access_key_of(event))
        .unwrap_or("-");
    let who = principal_of(&event.user_identity);
    let mut line = format!(
        "{sequence:>6}  {}  {:<18} {what:<24} {outcome:<8} by {who}",
        event.event_time, event.event_name
    );
    if let Some(address) = &event.source_ip_address {
        line.push_str(&format!(" from {address}"));
    }
    if let Some(key) = filter::key_of(event) {
        line.push_str(&format!(", key {key}"));
    }
    crate::output::escaped(&line)
}

/// Who it was: an access key with the user that policies know it as, if that has a name of its own.
fn principal_of(who: &UserIdentity) -> String {
    match (&*who.principal, &who.access_key_id, &who.user_name) {
        ("", Some(claimed), _) => format!("unproven {claimed}"),
        ("", None, _) => "unknown".to_owned(),
        (principal, _, Some(user)) if user != principal => format!("{principal} ({user})"),
        (principal, ..) => principal.to_owned(),
    }
}

/// What a key that is no table's is for.
fn purpose_of(event: &AuditEvent) -> Option<&str> {
    let context = event.request_parameters.encryption_context.as_ref()?;
    context.get("sealdb:purpose")
}

/// The access key that was made or revoked.
fn access_key_of(event: &AuditEvent) -> Option<&str> {
    let made = event.response_elements.as_ref();
    let made = made.and_then(|answer| answer.other.get("accessKey")?.get("accessKeyId"));
    let revoked = || event.request_parameters.other.get("accessKeyId");
    made.or_else(revoked)?.as_str()
}
