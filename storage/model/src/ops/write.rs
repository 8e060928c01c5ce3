//! What all writes share: an update, a condition, and the rules about the parameters in which they come.

use std::collections::BTreeMap;

use crate::error::ValidationError;
use crate::expr::placeholders::{Parameters, Placeholders};
use crate::expr::{ConditionExpression, UpdateExpression, legacy};
use crate::map::{Item, Map};
use crate::ops::{
    AttributeValueUpdate, ConditionalOperator, ExpectedAttributeValue,
    ReturnValuesOnConditionCheckFailure,
};
use crate::schema::KeySchema;

/// The condition of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// What must hold for the item as it is before.
    pub condition: ConditionExpression,
    /// Whether the item is given back if the condition does not hold.
    pub return_old: bool,
}

impl Guard {
    /// Checks the condition against the table's key.
    ///
    /// # Errors
    /// AWS's message for a path into an attribute of the key.
    pub fn fits(&self, schema: &KeySchema) -> Result<(), ValidationError> {
        self.condition.keys_are_scalars(schema)
    }

    /// Whether the write may happen.
    pub fn allows(&self, old: Option<&Item>) -> bool {
        self.condition.holds(old)
    }
}

/// The parameters of a write that say what to change and when, as they came.
pub(super) struct WriteExpressions<'a> {
    /// UpdateExpression, if the operation knows it.
    pub(super) update: Option<Option<&'a str>>,
    pub(super) condition: Option<&'a str>,
    pub(super) names: Option<&'a BTreeMap<String, String>>,
    pub(super) values: Option<&'a Map>,
    pub(super) attribute_updates: Option<&'a BTreeMap<String, AttributeValueUpdate>>,
    pub(super) expected: Option<&'a BTreeMap<String, ExpectedAttributeValue>>,
    pub(super) conditional_operator: Option<ConditionalOperator>,
    pub(super) return_old: ReturnValuesOnConditionCheckFailure,
}

impl<'a> WriteExpressions<'a> {
    /// Checks what AWS checks before anything else: that older and newer parameters are not mixed, and placeholders.
    pub(super) fn open(&self) -> Result<Placeholders<'a>, ValidationError> {
        let condition = ("ConditionExpression", self.condition);
        let with_update = [("UpdateExpression", self.update.flatten()), condition];
        let expressions = match self.update {
            Some(_) => with_update.as_slice(),
            None => std::slice::from_ref(&condition),
        };
        Parameters {
            expressions,
            legacy: &[
                ("AttributeUpdates", self.attribute_updates.is_some()),
                ("Expected", self.expected.is_some()),
                ("ConditionalOperator", self.conditional_operator.is_some()),
            ],
            names: self.names,
            values: self.values,
        }
        .open()
    }

    /// The condition of a write that is no update.
    pub(super) fn guard(
        &self,
        placeholders: Placeholders<'a>,
    ) -> Result<Option<Guard>, ValidationError> {
        self.update_and_guard(placeholders).map(|(_, guard)| guard)
    }

    /// The update and the condition.
    pub(super) fn update_and_guard(
        &self,
        mut placeholders: Placeholders<'a>,
    ) -> Result<(UpdateExpression, Option<Guard>), ValidationError> {
        let update = match (self.update.flatten(), self.attribute_updates) {
            (Some(source), _) => UpdateExpression::parse(source, &mut placeholders)?,
            (None, Some(updates)) => legacy::attribute_updates(updates)?,
            (None, None) => UpdateExpression::none(),
        };
        let condition = match self.condition {
            Some(source) => Some(ConditionExpression::parse(
                "ConditionExpression",
                source,
                &mut placeholders,
            )?),
            None => legacy::expected(self.expected, self.conditional_operator)?,
        };
        placeholders.all_used()?;
        let guard = condition.map(|condition| Guard {
            condition,
            return_old: self.return_old == ReturnValuesOnConditionCheckFailure::AllOld,
        });
        Ok((update, guard))
    }
}
