//! The gRPC service `sealdb.v1.KeyAdmin`: administration of tables' keys.

use sealdb::crypto::KeyRef;
use sealdb::model::ValidationError;
use sealdb::{Database, Error, KeyScope, RekeyStatus, RekeyStep, Rewrapped, TableImpact};
use sealdb_proto::v1;
use sealdb_proto::v1::key_admin_server::{KeyAdmin, KeyAdminServer};
use tonic::{Request, Response, Status};

use super::{Service, call};

/// The administration of an open database's keys.
#[derive(Clone)]
pub struct KeyService(Service);

impl KeyService {
    /// The service with bounded messages, ready for a tonic router.
    pub fn new(service: Service) -> KeyAdminServer<KeyService> {
        let limit = service.max_message_size;
        KeyAdminServer::new(KeyService(service)).max_decoding_message_size(limit)
    }

    /// The database, in the name of whoever calls.
    fn database<T>(&self, request: &Request<T>) -> Database {
        self.0.named(request.extensions())
    }
}

fn key(name: &str) -> Result<KeyRef, Error> {
    name.parse()
        .map_err(|error| ValidationError::new(format!("kms_key: {error}")).into())
}

fn optional_key(name: Option<&str>) -> Result<Option<KeyRef>, Error> {
    name.map(key).transpose()
}

fn scope(scope: Option<v1::KeyScope>) -> Result<KeyScope, Error> {
    use v1::key_scope::Scope;
    match scope.and_then(|scope| scope.scope) {
        Some(Scope::TableName(table)) => Ok(KeyScope::Table(table)),
        Some(Scope::KmsKey(name)) => key(&name).map(KeyScope::Key),
        Some(Scope::All(true)) => Ok(KeyScope::All),
        Some(Scope::All(false)) | None => {
            Err(ValidationError::new("scope: name a table, a KMS key, or all").into())
        }
    }
}

fn status(status: RekeyStatus) -> v1::RekeyStatus {
    let step = match status.step {
        RekeyStep::Resealing => v1::RekeyStep::Resealing,
        RekeyStep::Verifying => v1::RekeyStep::Verifying,
        RekeyStep::Purging => v1::RekeyStep::Purging,
        _ => v1::RekeyStep::Unspecified,
    };
    let millis = |eta: std::time::Duration| u64::try_from(eta.as_millis()).unwrap_or(u64::MAX);
    v1::RekeyStatus {
        table_name: status.table,
        from_generation: status.from_generation,
        to_generation: status.to_generation,
        kms_key: status.kms_key,
        since_ms: status.since_ms,
        paused: status.paused,
        closed: status.closed,
        pace: status.pace,
        step: step.into(),
        done: status.done,
        blocks: status.blocks,
        resealed: status.resealed,
        eta_ms: status.eta.map(millis),
    }
}

fn rewrapped(done: Rewrapped) -> v1::Rewrapped {
    v1::Rewrapped {
        table_name: done.table,
        from_kms_key: done.from.to_string(),
        to_kms_key: done.to.to_string(),
        old_is_gone: done.old_is_gone,
    }
}

fn refusal((table_name, error): (Option<String>, Error)) -> v1::Refusal {
    v1::Refusal {
        table_name,
        code: error.code().name().to_owned(),
        message: error.to_string(),
    }
}

fn impact(table: TableImpact) -> v1::TableImpact {
    let index = |index: sealdb::IndexImpact| v1::IndexImpact {
        index_name: index.index,
        item_count: index.items,
        size_bytes: index.bytes,
    };
    v1::TableImpact {
        table_name: table.table,
        kms_key: table.kms_key,
        item_count: table.items,
        size_bytes: table.bytes,
        indexes: table.indexes.into_iter().map(index).collect(),
        streams: table.streams,
        closed: table.closed,
    }
}

/// One method per line: its name, the operation's, the messages, and what the database does.
macro_rules! operations {
    ($($method:ident, $operation:literal, $request:ident, $response:ident => |$db:ident, $input:ident| $work:expr;)*) => {
        #[tonic::async_trait]
        impl KeyAdmin for KeyService {
            $(
                async fn $method(
                    &self,
                    request: Request<v1::$request>,
                ) -> Result<Response<v1::$response>, Status> {
                    let $db = self.database(&request);
                    let work = |$input: v1::$request| async move { Ok::<v1::$response, Error>($work) };
                    call::run(&self.0, $operation, request, work).await
                }
            )*
        }
    };
}

operations! {
    rewrap_keys, "RewrapKeys", RewrapKeysRequest, RewrapKeysResponse => |db, input| {
        let to = optional_key(input.kms_key.as_deref())?;
        let all = db.rewrap(scope(input.scope)?, to).await?;
        v1::RewrapKeysResponse {
            rewrapped: all.done.into_iter().map(rewrapped).collect(),
            refused: all.refused.into_iter().map(refusal).collect(),
        }
    };
    rekey_tables, "RekeyTables", RekeyTablesRequest, RekeyTablesResponse => |db, input| {
        let to = optional_key(input.kms_key.as_deref())?;
        let all = db.rekey(scope(input.scope)?, to, input.pace).await?;
        v1::RekeyTablesResponse {
            rekeys: all.done.into_iter().map(status).collect(),
            refused: all.refused.into_iter().map(refusal).collect(),
        }
    };
    list_rekeys, "ListRekeys", ListRekeysRequest, ListRekeysResponse => |db, _input| {
        v1::ListRekeysResponse { rekeys: db.rekeys().await?.into_iter().map(status).collect() }
    };
    pause_rekey, "PauseRekey", PauseRekeyRequest, PauseRekeyResponse => |db, input| {
        v1::PauseRekeyResponse { rekey: Some(status(db.pause_rekey(input.table_name).await?)) }
    };
    resume_rekey, "ResumeRekey", ResumeRekeyRequest, ResumeRekeyResponse => |db, input| {
        let resumed = db.resume_rekey(input.table_name, input.pace).await?;
        v1::ResumeRekeyResponse { rekey: Some(status(resumed)) }
    };
    get_rekey_proof, "GetRekeyProof", GetRekeyProofRequest, GetRekeyProofResponse => |db, input| {
        let proof = db.rekey_proof(input.table_name).await?;
        v1::GetRekeyProofResponse { proof: proof.map(|proof| proof.to_json()) }
    };
    describe_key_impact, "DescribeKeyImpact", DescribeKeyImpactRequest, DescribeKeyImpactResponse => |db, input| {
        let tables = db.key_impact(key(&input.kms_key)?).await?;
        v1::DescribeKeyImpactResponse { tables: tables.into_iter().map(impact).collect() }
    };
}
