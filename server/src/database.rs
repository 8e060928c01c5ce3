//! From the server's configuration to an open database, and from its counters to metrics.
//!
//! | metric | kind |
//! |---|---|
//! | `sealdb_database_open`, `_read_only` | gauge, 1 or 0: whether requests are carried out, and whether all but writes |
//! | `sealdb_database_tables`, `_tables_closed`, `_items`, `_size_bytes` | gauge; closed are tables whose KMS key cannot be used, and damaged ones |
//! | `sealdb_database_sequence` | counter: commits published |
//! | `sealdb_database_cache_clean_bytes`, `_cache_dirty_bytes`, `_cache_limit_bytes` | gauge |
//! | `sealdb_database_cache_misses`, `_cache_evictions` | counter |
//! | `sealdb_database_page_bytes_written`, `_log_bytes_written`, `_syncs` | counter |
//! | `sealdb_database_page_file_bytes`, `_page_used_bytes`, `_log_segment_bytes` | gauge |
//! | `sealdb_database_key_hits`, `_key_misses` | counter: blocks whose derived key was at hand, and those for which it was derived |
//! | `sealdb_kms_calls`, by `operation` and `outcome` (`ok`, `refused`, `unavailable`) | counter: what the KMS was asked; per minute it is `rate(…[5m]) * 60` |
//! | `sealdb_database_rekeys`, `_rekeys_done_ratio` | gauge: rekeys that go on, and how much of them is done |
//! | `sealdb_database_rekey_blocks`, `_rekey_blocks_resealed` | counter |
//! | `sealdb_database_log_segments_recycled` | counter: grows as checkpoints let the log go |

use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use sealdb::crypto::{EpochLimits, Kms};
use sealdb::{Database, DatabaseState, Error, Options};

use crate::config::{Config, DatabaseSettings, Durability};

/// Opens the database of a configuration, or makes it.
pub async fn open(config: &Config, kms: Arc<dyn Kms>) -> Result<Database, Error> {
    let settings = &config.database;
    tracing::info!(data_dir = %config.data_dir.display(), %settings, "opening the database");
    let database = Database::builder(&config.data_dir)
        .kms(kms)
        .options(options(settings))
        .epoch_limits(EpochLimits {
            max_age: settings.epoch_max_age,
            max_messages: settings.epoch_max_messages,
            max_bytes: settings.epoch_max_bytes,
            derived_key_cache: settings.derived_key_cache,
        })
        .open()
        .await?;
    let stats = database.stats();
    tracing::info!(
        tables = stats.tables,
        items = stats.items,
        sequence = stats.sequence,
        "the database is open"
    );
    Ok(database)
}

fn options(settings: &DatabaseSettings) -> Options {
    Options {
        // More than the address space holds is as much as there is.
        cache_bytes: usize::try_from(settings.cache_size).unwrap_or(usize::MAX),
        log_limit: settings.log_limit,
        durability: match settings.durability {
            Durability::Commit => sealdb::Durability::Commit,
            Durability::Interval(interval) => sealdb::Durability::Interval(interval),
        },
        key_max_age: settings.key_max_age,
        key_coast: settings.key_coast,
        table_window: settings.table_window,
        audit_data: settings.audit_data.clone(),
        ..Options::default()
    }
}

/// Shows the database's counters beside the server's.
pub fn register(registry: &mut Registry, database: Database, settings: &DatabaseSettings) {
    registry.register_collector(Box::new(Counters {
        database,
        cache_limit: settings.cache_size,
    }));
}

#[derive(Debug)]
struct Counters {
    database: Database,
    cache_limit: u64,
}

impl Collector for Counters {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let stats = self.database.stats();
        let gauges = [
            (
                "open",
                "Whether requests are carried out: 0 once the system key is lost",
                u64::from(stats.state != DatabaseState::Closed),
            ),
            (
                "read_only",
                "Whether all writes are refused, because a write or sync of the files failed",
                u64::from(stats.state == DatabaseState::ReadOnly),
            ),
            ("tables", "Tables", stats.tables),
            (
                "tables_closed",
                "Tables of them whose key cannot be used, or that are damaged",
                stats.tables_closed,
            ),
            ("items", "Items in all tables", stats.items),
            (
                "size_bytes",
                "Size of all items by DynamoDB's rules",
                stats.size_bytes,
            ),
            (
                "cache_clean_bytes",
                "Decrypted pages that can be read again",
                stats.cache_clean_bytes,
            ),
            (
                "cache_dirty_bytes",
                "Decrypted pages that wait for a checkpoint",
                stats.cache_dirty_bytes,
            ),
            ("cache_limit_bytes", "What both may take", self.cache_limit),
            (
                "page_file_bytes",
                "Length of the page file",
                stats.page_file_bytes,
            ),
            (
                "page_used_bytes",
                "Bytes of it that hold pages",
                stats.page_used_bytes,
            ),
            (
                "log_segment_bytes",
                "Capacity of all log segments",
                stats.log_segment_bytes,
            ),
            ("rekeys", "Rekeys that go on", stats.rekeys),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            encode(&mut encoder, name, help, &gauge)?;
        }
        let done = ConstGauge::new(stats.rekeys_done);
        let help = "How much of the rekeys that go on is done";
        encode(&mut encoder, "rekeys_done_ratio", help, &done)?;
        let counters = [
            (
                "sequence",
                "Commits published, since the database was made",
                stats.sequence,
            ),
            ("cache_misses", "Pages read and opened", stats.cache_misses),
            (
                "cache_evictions",
                "Pages dropped to make room",
                stats.cache_evictions,
            ),
            (
                "page_bytes_written",
                "Bytes written to pages",
                stats.page_bytes_written,
            ),
            (
                "log_bytes_written",
                "Bytes written to the log",
                stats.log_bytes_written,
            ),
            ("syncs", "Syncs of any file", stats.syncs),
            (
                "log_segments_recycled",
                "Log segments used again",
                stats.log_segments_recycled,
            ),
            (
                "key_hits",
                "Blocks sealed or opened under a derived key that was at hand",
                stats.key_hits,
            ),
            (
                "key_misses",
                "Derived keys that were not at hand and were derived again",
                stats.key_misses,
            ),
            (
                "rekey_blocks",
                "Blocks that rekeys have looked at",
                stats.rekey_blocks,
            ),
            (
                "rekey_blocks_resealed",
                "Blocks of them that were of an old key",
                stats.rekey_blocks_resealed,
            ),
        ];
        for (name, help, value) in counters {
            encode(&mut encoder, name, help, &ConstCounter::new(value))?;
        }
        let help = "Calls of the KMS, by operation and outcome";
        let mut calls = encoder.encode_descriptor("kms_calls", help, None, MetricType::Counter)?;
        for (operation, outcome, count) in stats.kms_calls.iter() {
            let labels = [("operation", operation), ("outcome", outcome)];
            ConstCounter::new(count).encode(calls.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

fn encode(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    metric: &impl EncodeMetric,
) -> std::fmt::Result {
    let name = format!("database_{name}");
    metric.encode(encoder.encode_descriptor(&name, help, None, metric.metric_type())?)
}
