//! A PartiQL statement as one of several. AWS has a type of it for batches and another one for transactions.

/// Defines such a type, with the fields that only it has.
macro_rules! statement {
    (
        $(#[$about:meta])*
        $type:ident { $($(#[$field_about:meta])* $field:ident: $kind:ty,)* }
    ) => {
        $(#[$about])*
        #[non_exhaustive]
        #[derive(Clone, PartialEq, Eq)]
        pub struct $type {
            /// The statement.
            pub statement: String,
            /// The values of its `?`, in their order.
            pub parameters: Option<Vec<crate::value::AttributeValue>>,
            $($(#[$field_about])* pub $field: $kind,)*
            /// Whether a failed condition gives back the item that it met. Default: no.
            pub return_values_on_condition_check_failure: crate::ops::ReturnValuesOnConditionCheckFailure,
        }

        /// Statements quote data: lengths.
        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($type))
                    .field("statement", &self.statement.len())
                    .field("parameters", &self.parameters)
                    .finish_non_exhaustive()
            }
        }

        impl $type {
            /// A statement without parameters.
            pub fn new(statement: impl Into<String>) -> Self {
                Self {
                    statement: statement.into(),
                    parameters: None,
                    $($field: Default::default(),)*
                    return_values_on_condition_check_failure: Default::default(),
                }
            }

            /// Adds the value of the next `?`.
            #[must_use]
            pub fn parameter(mut self, value: impl Into<crate::value::AttributeValue>) -> Self {
                self.parameters.get_or_insert_default().push(value.into());
                self
            }
        }

        crate::ops::setters! { $type {
            /// Sets the values of all `?`.
            parameters: Vec<crate::value::AttributeValue> => Some,
            $($(#[$field_about])* $field: $kind,)*
            /// Asks for the item that made the condition fail.
            return_values_on_condition_check_failure: crate::ops::ReturnValuesOnConditionCheckFailure,
        }}
    };
}

pub(crate) use statement;
