//! A value that a request gives, as expressions keep it.

use std::ops::Deref;
use std::sync::Arc;

use crate::value::AttributeValue;

/// A value to compare with, or to write.
///
/// All that name one placeholder share it: four kilobytes of text name one value of a megabyte a thousand times. Its sets are in order,
/// as those of stored items are, so that comparing the two sorts nothing.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Constant(Arc<AttributeValue>);

impl From<AttributeValue> for Constant {
    /// Recurses as deep as the value is nested, which was checked.
    fn from(mut value: AttributeValue) -> Self {
        value.put_sets_in_order();
        Self(Arc::new(value))
    }
}

impl Deref for Constant {
    type Target = AttributeValue;

    fn deref(&self) -> &AttributeValue {
        &self.0
    }
}
