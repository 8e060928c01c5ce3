//! What health checks are told.
//!
//! | the database | gRPC health, of `""` and of `sealdb.v1.SealDb` | `GET /` of the DynamoDB protocol | metrics `sealdb_database_…` |
//! |---|---|---|---|
//! | open | SERVING | 200 | `open 1`, `read_only 0` |
//! | read-only: a write or sync of its files failed | SERVING | 200 | `open 1`, `read_only 1` |
//! | closed: its system key is lost | NOT_SERVING | 503 | `open 0` |
//! | being closed, because the server stops | NOT_SERVING | | |
//!
//! Who asks is a load balancer or a supervisor, and what it does about a "no" is to send no more calls, or to start the server again. A
//! read-only database answers all reads rightly and no other server has its data, so to take it away would only take the reads away too;
//! and whether it may be started again is for a human who has looked at the disk. That it refuses writes is for an alert to tell.
//! Single closed tables are told by `tables_closed` and change nothing here. A database that has closed never opens again by itself.

use std::time::Duration;

use sealdb::{Database, DatabaseState};
use tokio::sync::watch;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health as Protocol, HealthServer};
use tonic_health::server::HealthReporter;

use crate::listener::Phase;

/// How often the database is looked at.
const PERIOD: Duration = Duration::from_millis(500);

/// What gRPC's health service says.
#[derive(Clone)]
pub(crate) struct Health(HealthReporter);

impl Health {
    /// The service, which says SERVING, and what changes that.
    pub(crate) async fn serving() -> (Health, HealthServer<impl Protocol>) {
        let (reporter, service) = tonic_health::server::health_reporter();
        let health = Health(reporter);
        health.set(ServingStatus::Serving).await;
        (health, service)
    }

    /// Says NOT_SERVING from now on.
    pub(crate) async fn not_serving(&self) {
        self.set(ServingStatus::NotServing).await;
    }

    async fn set(&self, status: ServingStatus) {
        for name in ["", sealdb_proto::SERVICE_NAME] {
            self.0.set_service_status(name, status).await;
        }
    }

    /// Says so once the database has closed by itself; runs until then, or until the server stops.
    pub(crate) async fn watch(self, database: Database, mut phase: watch::Receiver<Phase>) {
        while is_serving(&database) {
            tokio::select! {
                _ = phase.wait_for(|phase| *phase > Phase::Serving) => return,
                () = tokio::time::sleep(PERIOD) => {}
            }
        }
        self.not_serving().await;
    }
}

/// Whether the database carries out anything that clients ask of it.
pub(crate) fn is_serving(database: &Database) -> bool {
    database.state() != DatabaseState::Closed
}
