//! `sealdb dev`: a server for a developer in one word, sealed all the same, with lines to paste for AWS's tools.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use sealdb_proto::endpoint::EndpointFile;
use sealdb_server::shutdown::{Signals, forbid_core_dumps};
use sealdb_server::{Config, Running, logging};
use serde_json::json;

use crate::args::DevArgs;
use crate::error::CliError;
use crate::output::Output;

/// AWS's tools want a region; any will do.
const REGION: &str = "us-east-1";

pub(crate) async fn run(args: DevArgs, output: Output) -> Result<(), CliError> {
    let failed = |error: &dyn std::error::Error| CliError::Server(error.to_string());
    let config = config(args)?;
    logging::init(config.log_format, &config.log_level);
    if let Err(error) = forbid_core_dumps() {
        output.remark(&format!("core dumps could not be turned off: {error}"))?;
    }
    let mut signals = Signals::install().map_err(|error| failed(&error))?;
    let mut running = sealdb_server::start(config.clone())
        .await
        .map_err(|error| failed(&error))?;
    let said = match say(&running, &config, output) {
        // Who only wanted the lines (`sealdb dev | head -2`) has them, and its server goes on.
        Err(error) if error.is_broken_pipe() => Ok(()),
        said => said,
    };
    if said.is_ok() {
        tokio::select! {
            _ = signals.next() => {}
            () = running.failed() => {}
        }
    }
    // Also after a failure: the endpoint's file holds the secret.
    let ended = running.shutdown().await.map_err(|error| failed(&error));
    said.and(ended)
}

fn config(args: DevArgs) -> Result<Config, CliError> {
    let data_dir = match args.data_dir {
        Some(given) => given,
        None => default_dir().ok_or_else(|| {
            CliError::usage("neither $XDG_DATA_HOME nor $HOME is set: give --data-dir DIR")
        })?,
    };
    if let Some(parent) = data_dir.parent() {
        std::fs::create_dir_all(parent).map_err(|source| CliError::file(parent, source))?;
    }
    let mut config = Config::new(data_dir);
    config.init = true;
    config.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    config.dynamodb = Some(SocketAddr::from(([127, 0, 0, 1], args.port)));
    config.dynamodb_plain_http = true;
    config.log_level = "error".to_owned();
    Ok(config)
}

fn default_dir() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let data = match set("XDG_DATA_HOME") {
        Some(data) => PathBuf::from(data),
        None => PathBuf::from(set("HOME")?).join(".local").join("share"),
    };
    Some(data.join("sealdb").join("dev"))
}

fn say(running: &Running, config: &Config, output: Output) -> Result<(), CliError> {
    let Some(address) = running.dynamodb_address else {
        return Ok(());
    };
    let endpoint = EndpointFile::read(&running.endpoint_file)?;
    let url = format!("http://{address}");
    let (id, secret) = (&endpoint.access_key_id, endpoint.secret_access_key.expose());
    if output.json {
        output.value(&json!({
            "dynamodb": url,
            "grpc": endpoint.address,
            "region": REGION,
            "access_key_id": id,
            "secret_access_key": secret,
            "endpoint_file": running.endpoint_file,
        }))?;
    } else {
        crate::output::print(&format!(
            "\
SealDB for development, sealed all the same. Ctrl-C stops it; the data stays.
  data       {data} (its keys: {keyring})
  dynamodb   {url}
  grpc       {grpc}, which `sealdb table list` finds by itself

# AWS CLI and all SDKs, by the environment
unset AWS_SESSION_TOKEN AWS_PROFILE
export AWS_ENDPOINT_URL_DYNAMODB={url} AWS_ENDPOINT_URL_DYNAMODB_STREAMS={url} AWS_REGION={REGION}
export AWS_DEFAULT_REGION={REGION} AWS_ACCESS_KEY_ID={id} AWS_SECRET_ACCESS_KEY={secret}
aws dynamodb list-tables

# boto3
boto3.resource(\"dynamodb\", endpoint_url=\"{url}\", region_name=\"{REGION}\", aws_access_key_id=\"{id}\", aws_secret_access_key=\"{secret}\")

# JavaScript
new DynamoDBClient({{ endpoint: \"{url}\", region: \"{REGION}\", credentials: {{ accessKeyId: \"{id}\", secretAccessKey: \"{secret}\" }} }})

# Rust, with the environment above
aws_sdk_dynamodb::Client::new(&aws_config::load_from_env().await)",
            data = config.data_dir.display(),
            keyring = config.keyring.display(),
            grpc = endpoint.address,
        ))?;
    }
    // Who reads it through a pipe waits for these lines.
    std::io::stdout().flush().map_err(CliError::Output)
}
