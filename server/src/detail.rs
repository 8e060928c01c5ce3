//! What an error of the database tells its caller beside its name and message, by whichever protocol it goes.

use sealdb::Error;
use sealdb::model::Item;
use sealdb_proto::Detail;

/// The item that a failed condition met, or the reasons of a cancelled transaction.
pub(crate) fn detail_of(error: &Error) -> Detail {
    match error {
        Error::ConditionFailed { item: Some(item) } => Detail::Item(Item::clone(item)),
        Error::TransactionCanceled(reasons) => Detail::Reasons(reasons.to_vec()),
        _ => Detail::None,
    }
}
