//! Group commit: how mutations of many callers become one durable log record.
//!
//! [`queue`] hands mutations to whoever holds the writer's seat, [`seat`] applies them to the newest trees in memory, [`txn`] is
//! what a mutation sees, [`lead`] closes a group, makes it durable, publishes it and answers. See each for its guarantees.

pub(crate) mod lead;
pub(crate) mod log_thread;
pub(crate) mod queue;
pub(crate) mod seat;
pub(crate) mod txn;
