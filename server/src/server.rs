//! A running server: started from a [`Config`], stopped in order.
//!
//! Start: keyring, database, credentials, certificate, sockets, endpoint file. Nothing is written where clients look before
//! all of it works. Stop: no new connections, calls end (or the deadline comes), connections are cut, the database is closed
//! with a checkpoint, the endpoint file goes.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use sealdb::Database;
use sealdb::crypto::{AuditSink, AuditTrail, SystemClock};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tonic::service::Routes;

use crate::auth::Authenticator;
use crate::budget::{self, Budget};
use crate::config::{Config, ConfigError};
use crate::credentials::{CredentialError, Store, TakenOver};
use crate::database;
use crate::dynamodb::{self, DynamoDb};
use crate::endpoint::Published;
use crate::gate::Gate;
use crate::grpc::{self, Grpc};
use crate::health::Health;
use crate::keys::{self, KeysError, Unlocked};
use crate::listener::{self, Phase};
use crate::metrics::Metrics;
use crate::providers::{self, ProvidersError};
use crate::refusals::Refusals;
use crate::scrape::Scrape;
use crate::service::{KeyService, Service};
use crate::tls::{Identity, TlsError};

/// How often the credentials' file is looked at.
const CREDENTIALS_PERIOD: Duration = Duration::from_millis(500);
/// Connections that have shaken hands and wait for the HTTP/2 server; it takes them as fast as it can.
const READY_QUEUE: usize = 64;
/// At a stop, so long without a call in flight the last pieces of answers have left.
const QUIET: Duration = Duration::from_millis(500);

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The keyring or its root key.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// A provider of keys beside the keyring.
    #[error(transparent)]
    Providers(#[from] ProvidersError),
    /// The database.
    #[error("cannot open the database {data_dir}: {source}")]
    Database {
        /// Its directory.
        data_dir: PathBuf,
        /// Why.
        source: Box<sealdb::Error>,
    },
    /// The run directory.
    #[error("the run directory: {0}")]
    RunDir(#[source] std::io::Error),
    /// The credentials.
    #[error(transparent)]
    Credentials(#[from] CredentialError),
    /// The certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The address.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which one.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The endpoint file.
    #[error(transparent)]
    Endpoint(#[from] sealdb_proto::endpoint::EndpointError),
    /// The descriptions of the service, compiled in, do not decode.
    #[error("the reflection service: {0}")]
    Reflection(String),
    /// A task of the start ended unasked.
    #[error("the start was interrupted: {0}")]
    Interrupted(#[from] tokio::task::JoinError),
}

/// Why a server did not stop cleanly.
#[derive(Debug, thiserror::Error)]
pub enum StopError {
    /// The database did not close: the log will be replayed at the next start.
    #[error(
        "the database did not close cleanly; nothing acknowledged is lost, the next start replays the log: {0}"
    )]
    Database(#[source] Box<sealdb::Error>),
}

/// A server that runs. Dropping it cuts its connections, but only [`Running::shutdown`] closes the database in order.
pub struct Running {
    /// Where gRPC is served, with the port that was taken.
    pub address: SocketAddr,
    /// Where the DynamoDB protocol is served.
    pub dynamodb_address: Option<SocketAddr>,
    /// In plain HTTP.
    pub dynamodb_plain_http: bool,
    /// Where the metrics are served.
    pub metrics_address: Option<SocketAddr>,
    /// SHA-256 of the certificate.
    pub pin: [u8; 32],
    /// The certificate's file.
    pub certificate: PathBuf,
    /// The certificate is self-signed, so clients pin it.
    pub self_signed: bool,
    /// The endpoint file.
    pub endpoint_file: PathBuf,
    /// The access key id in the endpoint file.
    pub access_key_id: String,
    /// A root key file that this start made.
    pub root_key_made: Option<PathBuf>,
    /// The database was made by this start.
    pub created: bool,
    database: Database,
    published: Arc<RwLock<Option<Published>>>,
    phase: watch::Sender<Phase>,
    serving: JoinHandle<()>,
    serving_dynamodb: Option<JoinHandle<()>>,
    health: Health,
    gate: Gate,
    helpers: JoinSet<()>,
    deadline: Duration,
}

/// Starts a server, waits until `shutdown` completes, stops it.
pub async fn run(
    config: Config,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut running = start(config).await?;
    tokio::select! {
        () = shutdown => {}
        () = running.failed() => {}
    }
    Ok(running.shutdown().await?)
}

/// Starts a server. When it returns, clients can find it and call it.
pub async fn start(config: Config) -> Result<Running, StartError> {
    config.validate()?;
    let config = Arc::new(config);
    let (unlocked, kms) = {
        let config = Arc::clone(&config);
        tokio::task::spawn_blocking(move || {
            let unlocked = keys::unlock(&config)?;
            let kms = providers::registered(unlocked.keyring.clone(), &config.providers)?;
            Ok::<_, StartError>((unlocked, kms))
        })
        .await??
    };
    let Unlocked {
        created,
        root_key_made,
        ..
    } = unlocked;
    let database = database::open(&config, kms)
        .await
        .map_err(|source| StartError::Database {
            data_dir: config.data_dir.clone(),
            source: Box::new(source),
        })?;
    match assemble(&config, &database, created, root_key_made).await {
        Ok(running) => Ok(running),
        Err(error) => {
            // The start's error is the one to report; a database that is not closed in order is merely replayed.
            if let Err(close) = database.close().await {
                tracing::warn!(error = %close, "the database did not close cleanly");
            }
            Err(error)
        }
    }
}

/// Starts a server over a database that the caller opened, for comparisons with another block transform: nothing that users run
/// calls this. The keys of the configuration are not looked at.
#[doc(hidden)]
pub async fn start_over(config: Config, database: &Database) -> Result<Running, StartError> {
    config.validate()?;
    assemble(&Arc::new(config), database, false, None).await
}

/// Everything around the open database.
async fn assemble(
    config: &Arc<Config>,
    database: &Database,
    created: bool,
    root_key_made: Option<PathBuf>,
) -> Result<Running, StartError> {
    let metrics =
        Metrics::new(|registry| database::register(registry, database.clone(), &config.database));
    let trail = database.audit_trail();
    let (store, taken, identity) = {
        let (config, kms, trail) = (Arc::clone(config), database.kms(), trail.clone());
        tokio::task::spawn_blocking(move || {
            crate::files::private_dir(&config.run_dir).map_err(StartError::RunDir)?;
            let store = Store::of_server(&config.run_dir, kms);
            if let Some(first) = &config.first_credential {
                store.adopt(&first.access_key_id, &first.secret)?;
            }
            let taken = take_over(&store, trail.as_deref())?;
            let identity = Identity::load(config.tls.as_ref(), &config.run_dir)?;
            Ok::<_, StartError>((store, taken, identity))
        })
        .await??
    };
    let local = taken.local.clone();
    let authenticator = Authenticator::default();
    authenticator.replace(&taken.accepted);
    metrics.credentials(taken.accepted.len());

    let tls = TlsAcceptor::from(Arc::clone(&identity.config));
    let (listener, address) = bind(config.listen).await?;
    let dynamodb = match config.dynamodb {
        Some(wanted) => Some(bind(wanted).await?),
        None => None,
    };
    let scrape = match config.metrics {
        Some(wanted) => Some(bind(wanted).await?),
        None => None,
    };
    let (phase, phases) = watch::channel(Phase::Serving);
    let mut helpers = JoinSet::new();
    let (health, health_service) = Health::serving().await;
    helpers.spawn(health.clone().watch(database.clone(), phases.clone()));
    let reflection =
        |error: tonic_reflection::server::Error| StartError::Reflection(error.to_string());
    let described = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(sealdb_proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let (ready, connections) = mpsc::channel(READY_QUEUE);
    let limits = &config.limits;
    let budget = Budget::new(
        limits.max_request_memory,
        limits.max_message_size,
        budget::PATIENCE,
    );
    let refusals = Refusals::new(trail.clone(), Arc::new(SystemClock));
    let gate = Gate::new(
        (authenticator.clone(), refusals.clone()),
        metrics.clone(),
        limits.max_in_flight,
        budget,
    );
    let service = Service::new(
        database.clone(),
        metrics.clone(),
        limits,
        phases.clone(),
        (authenticator.clone(), refusals),
    );
    let others = Routes::new(KeyService::new(service.clone()))
        .add_service(health_service)
        .add_service(described().build_v1().map_err(reflection)?)
        // What grpcurl and older tools ask for.
        .add_service(described().build_v1alpha().map_err(reflection)?);
    let grpc = Grpc::new(&gate, service.into_server(), others, limits);

    let published = {
        let (config, pin, local) = (Arc::clone(config), identity.pin, local.clone());
        tokio::task::spawn_blocking(move || {
            Published::write(
                &config.run_dir,
                address,
                pin,
                &local,
                config.publish_endpoint,
            )
        })
        .await??
    };
    let endpoint_file = published.path().to_owned();
    let published = Arc::new(RwLock::new(Some(published)));

    let metrics_address = scrape.as_ref().map(|(_, address)| *address);
    if let Some((listener, address)) = scrape {
        let guarded = !address.ip().is_loopback();
        let scrape = Scrape {
            metrics: metrics.clone(),
            guarded: guarded.then(|| (identity.for_http(), gate.clone())),
        };
        helpers.spawn(scrape.serve(listener, phases.clone()));
    }

    let dynamodb_address = dynamodb.as_ref().map(|(_, address)| *address);
    let serving_dynamodb = dynamodb.map(|(listener, _)| {
        let service = Arc::new(DynamoDb {
            database: database.clone(),
            authenticator: authenticator.clone(),
            gate: gate.clone(),
            metrics: metrics.clone(),
            clock: Arc::new(SystemClock),
        });
        let tls = (!config.dynamodb_plain_http).then(|| identity.for_http());
        let (ready, connections) = mpsc::channel(READY_QUEUE);
        helpers.spawn(listener::accept(
            listener,
            tls,
            limits.clone(),
            metrics.clone(),
            phases.clone(),
            ready,
        ));
        tokio::spawn(dynamodb::serve(service, connections, phases.clone()))
    });

    let accepting = listener::accept(
        listener,
        Some(tls),
        limits.clone(),
        metrics.clone(),
        phases.clone(),
        ready,
    );
    helpers.spawn(accepting);
    let watched = Watched {
        store,
        trail,
        authenticator,
        metrics,
        published: Arc::clone(&published),
    };
    helpers.spawn(watched.watch(taken, phases.clone()));
    let serving = tokio::spawn(grpc::serve(grpc, connections, phases));
    Ok(Running {
        address,
        dynamodb_address,
        dynamodb_plain_http: config.dynamodb_plain_http,
        metrics_address,
        pin: identity.pin,
        certificate: std::path::absolute(&identity.certificate).unwrap_or(identity.certificate),
        self_signed: identity.self_signed,
        endpoint_file,
        access_key_id: local.access_key_id.clone(),
        root_key_made,
        created,
        database: database.clone(),
        published,
        phase,
        serving,
        serving_dynamodb,
        health,
        gate,
        helpers,
        deadline: config.shutdown_deadline,
    })
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let taken = listener.local_addr().map_err(failed)?;
    Ok((listener, taken))
}

fn take_over(store: &Store, trail: Option<&AuditTrail>) -> Result<TakenOver, CredentialError> {
    let taken = store.take_over(trail.map(|trail| trail as &dyn AuditSink))?;
    if let Some(error) = &taken.waiting {
        tracing::error!(%error, "new credentials wait for the audit trail");
    }
    Ok(taken)
}

/// What is needed to follow changes of the credentials.
struct Watched {
    store: Store,
    trail: Option<Arc<AuditTrail>>,
    authenticator: Authenticator,
    metrics: Metrics,
    published: Arc<RwLock<Option<Published>>>,
}

impl Watched {
    /// Takes over what `sealdb credential` changes, within a second.
    async fn watch(self, first: TakenOver, mut phase: watch::Receiver<Phase>) {
        let watched = Arc::new(self);
        let (mut seen, mut waiting) = (first.stamp, first.waiting.is_some());
        let mut troubled = false;
        loop {
            tokio::select! {
                _ = phase.wait_for(|phase| *phase > Phase::Serving) => return,
                () = tokio::time::sleep(CREDENTIALS_PERIOD) => {}
            }
            let changed = watched.store.stamp() != seen;
            if !changed && !waiting {
                continue;
            }
            let looking = Arc::clone(&watched);
            let read = tokio::task::spawn_blocking(move || looking.look(changed)).await;
            match read {
                Ok(Ok(Some(taken))) => {
                    let count = taken.accepted.len();
                    tracing::info!(count, "credentials changed");
                    watched.authenticator.replace(&taken.accepted);
                    watched.metrics.credentials(count);
                    (seen, waiting) = (taken.stamp, taken.waiting.is_some());
                    troubled = false;
                }
                // Tried again each time: those known stay in force until the file can be read.
                Ok(Err(error)) if !troubled => {
                    tracing::error!(%error, "the credentials changed, but cannot be read; those known stay in force");
                    troubled = true;
                }
                _ => {}
            }
        }
    }

    /// Reads them. What waits for a trail that still takes nothing is left alone: each reading uses a key, whose event takes of the reserve.
    fn look(&self, changed: bool) -> Result<Option<TakenOver>, CredentialError> {
        let trail = self.trail.as_deref();
        if !changed && trail.is_none_or(|trail| trail.ready().is_err()) {
            return Ok(None);
        }
        let taken = take_over(&self.store, trail)?;
        // If another local credential was made, clients on this machine get it.
        let published = self.published.read();
        let published = published.unwrap_or_else(PoisonError::into_inner);
        if let Some(published) = published.as_ref()
            && let Err(error) = published.renew(&taken.local)
        {
            tracing::warn!(%error, "the endpoint file holds an old credential");
        }
        drop(published);
        Ok(Some(taken))
    }
}

/// Completes when no call has been in flight for a while, long enough for what connections hold of the last answers to be sent.
async fn quiet(gate: Gate) {
    let mut since = tokio::time::Instant::now();
    while since.elapsed() < QUIET {
        tokio::time::sleep(QUIET / 10).await;
        if !gate.is_idle() {
            since = tokio::time::Instant::now();
        }
    }
}

impl Running {
    /// Completes if the server ends by itself, which only a fault of it can bring about.
    pub async fn failed(&mut self) {
        let _ = (&mut self.serving).await;
    }

    /// The scheme of the DynamoDB protocol's address.
    pub fn dynamodb_scheme(&self) -> &'static str {
        match self.dynamodb_plain_http {
            true => "http",
            false => "https",
        }
    }

    /// The database under the server, for embedding programs.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Stops in order; see the module's documentation.
    pub async fn shutdown(mut self) -> Result<(), StopError> {
        tracing::info!("stopping: no new connections");
        self.health.not_serving().await;
        self.phase.send_replace(Phase::Draining);
        if !self.serving.is_finished() {
            let quiet = quiet(self.gate.clone());
            let (serving, serving_dynamodb) = (&mut self.serving, &mut self.serving_dynamodb);
            let both = async {
                let _ = serving.await;
                if let Some(serving) = serving_dynamodb {
                    let _ = serving.await;
                }
            };
            tokio::select! {
                // All clients have gone. A panic in there was reported when it happened.
                () = both => {}
                // Only streams without an end are left, of health and reflection.
                () = quiet => {}
                () = tokio::time::sleep(self.deadline) => {
                    tracing::warn!(deadline = ?self.deadline, "calls did not end in time; their connections are cut");
                }
            }
        }
        self.phase.send_replace(Phase::Cut);
        self.helpers.shutdown().await;
        let closed = self
            .database
            .close()
            .await
            .map_err(|error| StopError::Database(Box::new(error)));
        let published = self
            .published
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(published) = published {
            published.remove();
        }
        closed?;
        tracing::info!("stopped");
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.phase.send_replace(Phase::Cut);
        self.serving.abort();
        if let Some(serving) = &self.serving_dynamodb {
            serving.abort();
        }
    }
}

/// The lines that a start shows to people.
pub fn greeting(running: &Running, config: &Config) -> String {
    let mut lines = vec![format!(
        "SealDB {} serves gRPC over TLS 1.3 on {}",
        env!("CARGO_PKG_VERSION"),
        running.address
    )];
    let mut line = |name: &str, value: String| lines.push(format!("  {name:<12}{value}"));
    let new = if running.created { " (new)" } else { "" };
    line("data", format!("{}{new}", config.data_dir.display()));
    line(
        "keyring",
        config
            .keyring
            .join(keys::KEYRING_FILE)
            .display()
            .to_string(),
    );
    if let Some(path) = &running.root_key_made {
        line(
            "root key",
            format!(
                "{} (new: keep a copy of it and of the keyring apart from the data)",
                path.display()
            ),
        );
    }
    line(
        "access key",
        format!(
            "{} (its secret is in the endpoint file)",
            running.access_key_id
        ),
    );
    line("endpoint", running.endpoint_file.display().to_string());
    line("pin", sealdb_proto::endpoint::format_pin(&running.pin));
    if let Some(address) = running.dynamodb_address {
        line(
            "dynamodb",
            format!("{}://{address}", running.dynamodb_scheme()),
        );
    }
    if let Some(address) = running.metrics_address {
        let scheme = if address.ip().is_loopback() {
            "http"
        } else {
            "https"
        };
        line("metrics", format!("{scheme}://{address}/metrics"));
    }
    line("connect", connect_line(config, &running.endpoint_file));
    lines.join("\n")
}

/// What to type; the file is named where it is not found without.
fn connect_line(config: &Config, endpoint_file: &Path) -> String {
    match config.publish_endpoint {
        true => "sealdb table list    (grpcurl: sealdb endpoint)".to_owned(),
        false => format!(
            "sealdb --endpoint-file '{}' table list",
            endpoint_file.display()
        ),
    }
}
