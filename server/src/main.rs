//! `sealdb-server`: see `sealdb-server --help`.

use std::io::Write;
use std::process::ExitCode;

use sealdb::crypto::keyring::gather_shares;
use sealdb::crypto::{Keyring, SecretString};
use sealdb_server::cli::Settings;
use sealdb_server::config::{Config, ConfigError, RootKey};
use sealdb_server::shutdown::{Signals, forbid_core_dumps};
use sealdb_server::{logging, server};
use zeroize::Zeroizing;

/// A request makes and drops some twenty small vectors and strings, and pages go from thread to thread: the system's allocator is slower at the
/// former, and keeps half as much again as it was asked for after the latter.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let settings = match Settings::collect(std::env::args(), &|name| std::env::var(name).ok()) {
        Ok(settings) => settings,
        Err(ConfigError::CommandLine(report)) => report.exit(),
        Err(error) => return refuse(&error),
    };
    if settings.print_config {
        say(&mut std::io::stdout(), Config::print(&settings).trim_end());
        return ExitCode::SUCCESS;
    }
    let mut config = match Config::from_settings(&settings) {
        Ok(config) => config,
        Err(error) => return refuse(&error),
    };
    logging::init(config.log_format, &config.log_level);
    seed_tls();
    if let Err(error) = forbid_core_dumps() {
        tracing::warn!(%error, "core dumps could not be turned off; they would hold keys");
    }
    if matches!(config.root_key, Some(RootKey::Passphrase(_))) {
        tracing::warn!(
            "the passphrase comes from SEALDB_PASSPHRASE, which is for tests only: environments leak. \
             Use --passphrase, or a systemd credential"
        );
    }
    if config.first_credential.is_some() {
        tracing::warn!(
            "an access key comes from SEALDB_SECRET_ACCESS_KEY: environments leak to child processes. It is kept sealed from now \
             on, so later starts do not need it"
        );
    }
    let asked = ask_passphrase(&mut config).and_then(|()| ask_shares(&mut config));
    if let Err(error) = asked {
        return refuse(&error);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&error),
    };
    match runtime.block_on(serve(config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(&*error),
    }
}

async fn serve(config: Config) -> Result<(), Box<dyn std::error::Error>> {
    let mut signals = Signals::install()?;
    let mut start = std::pin::pin!(server::start(config.clone()));
    let mut running = tokio::select! {
        started = &mut start => started?,
        // The start is not torn apart midway: it comes to its end, and the stop follows at once.
        name = signals.next() => {
            tracing::info!(signal = name, "asked to stop during the start");
            tokio::select! {
                started = &mut start => return Ok(started?.shutdown().await?),
                name = signals.next() => return Err(format!("{name} during the start").into()),
            }
        }
    };
    say(&mut std::io::stdout(), &server::greeting(&running, &config));
    tokio::select! {
        name = signals.next() => tracing::info!(signal = name, "asked to stop"),
        () = running.failed() => tracing::error!("the gRPC server ended unasked"),
    }
    tokio::select! {
        stopped = running.shutdown() => Ok(stopped?),
        // A second one means that somebody is in a hurry: the log holds all that was acknowledged.
        name = signals.next() => Err(format!("{name} while stopping: the next start replays the log").into()),
    }
}

/// TLS draws from AWS-LC's own generator, which measures the processor's jitter before its first byte, for tens of milliseconds: the first
/// client would wait for that. It passes while the server starts.
fn seed_tls() {
    let thread = std::thread::Builder::new().name("sealdb-seed".into());
    // If there is no thread, the first client waits.
    let _ = thread.spawn(|| aws_lc_rs::rand::fill(&mut [0]));
}

/// Puts the passphrase in the place of the wish to be asked for it. A new one is asked for twice.
fn ask_passphrase(config: &mut Config) -> std::io::Result<()> {
    if !matches!(config.root_key, Some(RootKey::AskPassphrase)) {
        return Ok(());
    }
    let ask = |prompt: &str| rpassword::prompt_password(prompt).map(Zeroizing::new);
    let new = !config
        .keyring
        .join(sealdb_server::keys::KEYRING_FILE)
        .exists();
    let passphrase = ask(if new {
        "New passphrase of the keyring: "
    } else {
        "Passphrase of the keyring: "
    })?;
    if passphrase.is_empty() {
        return Err(std::io::Error::other("the passphrase is empty"));
    }
    if new && *ask("The same again: ")? != *passphrase {
        return Err(std::io::Error::other("the two are not the same"));
    }
    config.root_key = Some(RootKey::Passphrase(passphrase));
    Ok(())
}

/// Puts shares in the place of the wish to be asked for them.
fn ask_shares(config: &mut Config) -> std::io::Result<()> {
    if !matches!(config.root_key, Some(RootKey::AskShares)) {
        return Ok(());
    }
    let file = config.keyring.join(sealdb_server::keys::KEYRING_FILE);
    let keyring = Keyring::head_of(&file).map_err(std::io::Error::other)?.id;
    let shares = gather_shares(keyring, |prompt| {
        rpassword::prompt_password(prompt).map(SecretString::new)
    })?;
    let lines = shares
        .iter()
        .map(|share| Zeroizing::new(share.line().expose().to_owned()));
    config.root_key = Some(RootKey::Shares(lines.collect()));
    Ok(())
}

/// One line per cause, on standard error.
fn refuse(error: &dyn std::error::Error) -> ExitCode {
    say(&mut std::io::stderr(), &format!("sealdb-server: {error}"));
    let mut said = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        // Many messages already quote what lies behind them.
        if !said.contains(&text) {
            say(&mut std::io::stderr(), &format!("  because: {text}"));
        }
        said = text;
        source = cause.source();
    }
    ExitCode::FAILURE
}

/// Unlike `println!`, does not end the server when nobody listens any more.
fn say(to: &mut impl Write, text: &str) {
    let _ = writeln!(to, "{text}").and_then(|()| to.flush());
}
