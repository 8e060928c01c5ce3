//! `sealdb key rewrap`, `rekey`, `status`, `pause`, `resume`, `proof`, `verify-proof` and `impact`.

use std::path::Path;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use sealdb::SignedProof;
use sealdb_client::Client;
use sealdb_crypto::audit::Verifier;
use sealdb_proto::v1;
use sealdb_proto::v1::key_scope::Scope;
use serde_json::{Value, json};

use crate::args::{Global, ScopeArgs, TableKeyCommand};
use crate::connect;
use crate::error::CliError;
use crate::output::{Output, bytes, counted, print};

/// How often a bar moves.
const LOOK: Duration = Duration::from_millis(250);
/// Steps of a bar.
const STEPS: u64 = 1000;

pub(crate) async fn run(
    command: TableKeyCommand,
    global: &Global,
    output: Output,
) -> Result<(), CliError> {
    if let TableKeyCommand::VerifyProof { file, public_key } = command {
        return verify(&file, public_key.as_deref(), output);
    }
    let client = connect::client(global).await?;
    match command {
        TableKeyCommand::Rewrap { scope, to } => rewrap(&client, scope, to, output).await,
        TableKeyCommand::Rekey {
            scope,
            to,
            pace,
            wait,
        } => {
            let request = v1::RekeyTablesRequest {
                scope: Some(scope.into()),
                kms_key: to,
                pace: pace.map(bytes_of),
            };
            let begun = client.rekey_tables(request).await?;
            match wait {
                true => follow(&client, begun.rekeys, output).await?,
                false => statuses(&begun.rekeys, output)?,
            }
            none_refused(&begun.refused)
        }
        TableKeyCommand::Status { wait } => {
            let rekeys = all(&client).await?;
            match wait {
                true => follow(&client, rekeys, output).await,
                false => statuses(&rekeys, output),
            }
        }
        TableKeyCommand::Pause { table } => {
            let request = v1::PauseRekeyRequest { table_name: table };
            statuses(client.pause_rekey(request).await?.rekey.as_slice(), output)
        }
        TableKeyCommand::Resume { table, pace } => {
            let request = v1::ResumeRekeyRequest {
                table_name: table,
                pace: pace.map(bytes_of),
            };
            statuses(client.resume_rekey(request).await?.rekey.as_slice(), output)
        }
        TableKeyCommand::Proof { table } => {
            let request = v1::GetRekeyProofRequest {
                table_name: table.clone(),
            };
            match client.get_rekey_proof(request).await?.proof {
                Some(proof) => print(&proof),
                None => Err(CliError::usage(format!(
                    "no rekey of table {table} has ended yet"
                ))),
            }
        }
        TableKeyCommand::Impact { key } => impact(&client, key, output).await,
        TableKeyCommand::VerifyProof { .. } => Ok(()),
    }
}

/// What is typed in MB.
fn bytes_of(pace: u64) -> u64 {
    pace * 1_000_000
}

impl From<ScopeArgs> for v1::KeyScope {
    fn from(args: ScopeArgs) -> Self {
        let scope = match (args.table, args.key) {
            (Some(table), _) => Scope::TableName(table),
            (None, Some(key)) => Scope::KmsKey(key),
            (None, None) => Scope::All(args.all),
        };
        v1::KeyScope { scope: Some(scope) }
    }
}

async fn rewrap(
    client: &Client,
    scope: ScopeArgs,
    to: Option<String>,
    output: Output,
) -> Result<(), CliError> {
    let request = v1::RewrapKeysRequest {
        scope: Some(scope.into()),
        kms_key: to,
    };
    let all = client.rewrap_keys(request).await?;
    let done = all.rewrapped;
    let gone = |one: &v1::Rewrapped| match one.old_is_gone {
        true => "overwritten".to_owned(),
        false => "to be overwritten".to_owned(),
    };
    let rows: Vec<Vec<String>> = done
        .iter()
        .map(|one| {
            vec![
                name(one.table_name.as_deref()).to_owned(),
                one.from_kms_key.clone(),
                one.to_kms_key.clone(),
                gone(one),
            ]
        })
        .collect();
    let value: Vec<Value> = done
        .iter()
        .map(|one| {
            json!({
                "TableName": one.table_name,
                "FromKmsKey": one.from_kms_key,
                "ToKmsKey": one.to_kms_key,
                "OldIsGone": one.old_is_gone,
            })
        })
        .collect();
    let headings = ["table", "from", "to", "old wrapping"];
    output.rows(&headings, &rows, &json!({ "Rewrapped": value }))?;
    none_refused(&all.refused)
}

fn name(table: Option<&str>) -> &str {
    table.unwrap_or("(system)")
}

fn none_refused(refused: &[v1::Refusal]) -> Result<(), CliError> {
    let line = |one: &v1::Refusal| {
        let table = name(one.table_name.as_deref());
        format!("\n  {table}: {}: {}", one.code, one.message)
    };
    match refused {
        [] => Ok(()),
        _ => Err(CliError::Refused(refused.iter().map(line).collect())),
    }
}

async fn all(client: &Client) -> Result<Vec<v1::RekeyStatus>, CliError> {
    Ok(client.list_rekeys(v1::ListRekeysRequest {}).await?.rekeys)
}

fn step(rekey: &v1::RekeyStatus) -> &'static str {
    match (rekey.paused, rekey.closed.is_some(), rekey.step()) {
        (true, _, _) => "paused",
        (_, true, _) => "closed",
        (_, _, v1::RekeyStep::Verifying) => "verifying",
        (_, _, v1::RekeyStep::Purging) => "purging",
        (_, _, v1::RekeyStep::Resealing | v1::RekeyStep::Unspecified) => "resealing",
    }
}

fn statuses(rekeys: &[v1::RekeyStatus], output: Output) -> Result<(), CliError> {
    let rows: Vec<Vec<String>> = rekeys
        .iter()
        .map(|rekey| {
            let eta = rekey.eta_ms.map(|ms| format!("{} s", ms.div_ceil(1000)));
            vec![
                rekey.table_name.clone(),
                format!("{} to {}", rekey.from_generation, rekey.to_generation),
                step(rekey).to_owned(),
                format!("{:.1} %", rekey.done * 100.0),
                eta.unwrap_or_default(),
                format!("{}/s", bytes(rekey.pace)),
            ]
        })
        .collect();
    let value: Vec<Value> = rekeys.iter().map(as_json).collect();
    let headings = ["table", "generation", "step", "done", "left", "pace"];
    output.rows(&headings, &rows, &json!({ "Rekeys": value }))
}

fn as_json(rekey: &v1::RekeyStatus) -> Value {
    json!({
        "TableName": rekey.table_name,
        "FromGeneration": rekey.from_generation,
        "ToGeneration": rekey.to_generation,
        "KmsKey": rekey.kms_key,
        "SinceMs": rekey.since_ms,
        "Step": step(rekey),
        "Closed": rekey.closed,
        "Pace": rekey.pace,
        "Done": rekey.done,
        "Blocks": rekey.blocks,
        "Resealed": rekey.resealed,
        "EtaMs": rekey.eta_ms,
    })
}

/// Shows a bar for each rekey until none of them goes on.
async fn follow(
    client: &Client,
    begun: Vec<v1::RekeyStatus>,
    output: Output,
) -> Result<(), CliError> {
    let target = match output.quiet || output.json {
        true => ProgressDrawTarget::hidden(),
        false => ProgressDrawTarget::stderr(),
    };
    let bars = MultiProgress::with_draw_target(target);
    let style = ProgressStyle::with_template("{prefix:20} {bar:30} {percent:>3} % {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let of: Vec<(String, ProgressBar)> = begun
        .into_iter()
        .map(|rekey| {
            let bar = bars.add(ProgressBar::new(STEPS).with_style(style.clone()));
            bar.set_prefix(rekey.table_name.clone());
            (rekey.table_name, bar)
        })
        .collect();
    loop {
        let now = all(client).await?;
        let mut left = 0;
        for (table, bar) in &of {
            match now.iter().find(|rekey| rekey.table_name == *table) {
                Some(rekey) => {
                    left += 1;
                    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                    // a share of a thousand
                    bar.set_position((rekey.done * 1000.0) as u64);
                    let eta = rekey
                        .eta_ms
                        .map(|ms| format!(", {} s left", ms.div_ceil(1000)));
                    bar.set_message(format!("{}{}", step(rekey), eta.unwrap_or_default()));
                }
                None => bar.finish_with_message("done"),
            }
        }
        if left == 0 {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    let tables: Vec<&str> = of.iter().map(|(table, _)| table.as_str()).collect();
    if output.json {
        return output.value(&json!({ "Rekeyed": tables }));
    }
    output.done(&format!(
        "rekeyed {}; nothing in the database opens with the old keys (sealdb key proof TABLE)",
        counted(tables.len(), "table")
    ))
}

/// The digits of a public key that was kept as such, or as the trail's line.
fn kept_key(text: &str) -> Result<String, CliError> {
    match sealdb_crypto::unhex::<32>(text) {
        Some(_) => Ok(text.to_owned()),
        None => {
            let verifier: Verifier = super::audit::read(Path::new(text))?;
            Ok(sealdb_crypto::hex(verifier.key().as_bytes()))
        }
    }
}

fn verify(file: &Path, public_key: Option<&str>, output: Output) -> Result<(), CliError> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| CliError::usage(format!("{}: {error}", file.display())))?;
    let refused =
        |error: sealdb::ProofError| CliError::usage(format!("{}: {error}", file.display()));
    let signed = SignedProof::from_json(&text).map_err(refused)?;
    let kept = public_key.map(kept_key).transpose()?;
    if kept.is_none() {
        output.remark(
            "note: the key is the one that the proof names itself; name the one that you kept with --public-key",
        )?;
    }
    let proof = signed.verify(kept.as_deref()).map_err(refused)?;
    let blocks: u64 = proof
        .walked
        .iter()
        .flat_map(|tree| tree.blocks.values())
        .sum();
    let mut fields = vec![
        ("Database", proof.database.clone()),
        ("Table", format!("{} ({})", proof.table, proof.table_id)),
        (
            "Key",
            format!(
                "generation {} is gone, {} is in use",
                proof.old_generation, proof.generation
            ),
        ),
        (
            "Walked",
            counted(usize::try_from(blocks).unwrap_or(usize::MAX), "block"),
        ),
        ("Of the old key", proof.old_blocks.to_string()),
        ("Signed by", signed.public_key.clone()),
    ];
    let listed = [("Covers", &proof.covers), ("Cannot see", &proof.cannot_see)];
    for (name, lines) in listed {
        let names = std::iter::once(name).chain(std::iter::repeat(""));
        fields.extend(names.zip(lines.iter().cloned()));
    }
    output.fields(&fields, &serde_json::to_value(&proof).unwrap_or_default())
}

async fn impact(client: &Client, key: String, output: Output) -> Result<(), CliError> {
    let request = v1::DescribeKeyImpactRequest { kms_key: key };
    let tables = client.describe_key_impact(request).await?.tables;
    let rows: Vec<Vec<String>> = tables
        .iter()
        .map(|table| {
            let indexes: u64 = table.indexes.iter().map(|index| index.size_bytes).sum();
            vec![
                table.table_name.clone(),
                table.item_count.to_string(),
                bytes(table.size_bytes),
                format!("{} ({})", table.indexes.len(), bytes(indexes)),
                table.streams.len().to_string(),
                if table.closed { "closed" } else { "open" }.to_owned(),
            ]
        })
        .collect();
    let value: Vec<Value> = tables
        .iter()
        .map(|table| {
            let index = |index: &v1::IndexImpact| {
                json!({
                    "IndexName": index.index_name,
                    "ItemCount": index.item_count,
                    "SizeBytes": index.size_bytes,
                })
            };
            json!({
                "TableName": table.table_name,
                "KmsKey": table.kms_key,
                "ItemCount": table.item_count,
                "SizeBytes": table.size_bytes,
                "Indexes": table.indexes.iter().map(index).collect::<Vec<_>>(),
                "Streams": table.streams,
                "Closed": table.closed,
            })
        })
        .collect();
    let headings = ["table", "items", "bytes", "indexes", "streams", "state"];
    output.rows(&headings, &rows, &json!({ "Tables": value }))
}
