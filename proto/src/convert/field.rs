//! How one field of a message becomes one of the model's, told by the two types; and [`same_fields`], which makes both
//! directions of a whole message from the names of its fields.
//!
//! | model | message | |
//! |---|---|---|
//! | text, truth, number, or an option of one | the same | |
//! | `Option<enum>` | enum | `None` is the unset value |
//! | enum | enum | the unset value is the default if there is one, else refused |
//! | `M`, `Option<M>`, `Vec<M>`, map of `M` | `optional`, `repeated`, `map` of its [`Message`] | an `M` that is missing is refused |
//! | `Option` of a map or of a list | `map`, `repeated` | `None` is the empty one: protobuf knows no other |

#![deny(clippy::indexing_slicing)]

use std::collections::BTreeMap;

use crate::convert::WireError;

/// A type of the model that stands in a field of type `W` on the wire.
pub(super) trait Field<W>: Sized {
    /// The field of a message.
    fn to_wire(self) -> W;
    /// The model's field. `name` is how an error calls it.
    fn from_wire(wire: W, name: &str) -> Result<Self, WireError>;
}

/// A type of the model that has a message of its own.
pub(super) trait Message: Sized + TryFrom<Self::Wire, Error = WireError> {
    /// The message.
    type Wire: From<Self>;
}

macro_rules! as_it_is {
    ($($type:ty),*) => {$(
        impl Field<$type> for $type {
            fn to_wire(self) -> $type {
                self
            }

            fn from_wire(wire: $type, _: &str) -> Result<Self, WireError> {
                Ok(wire)
            }
        }
    )*};
}
as_it_is!(String, bool, u32, u64, i64, Vec<String>);
as_it_is!(
    Option<String>,
    Option<bool>,
    Option<i32>,
    Option<i64>,
    Option<u64>
);

/// True unless said otherwise.
impl Field<Option<bool>> for bool {
    fn to_wire(self) -> Option<bool> {
        Some(self)
    }

    fn from_wire(wire: Option<bool>, _: &str) -> Result<Self, WireError> {
        Ok(wire.unwrap_or(true))
    }
}

impl Field<Vec<String>> for Option<Vec<String>> {
    fn to_wire(self) -> Vec<String> {
        self.unwrap_or_default()
    }

    fn from_wire(wire: Vec<String>, _: &str) -> Result<Self, WireError> {
        Ok((!wire.is_empty()).then_some(wire))
    }
}

impl Field<BTreeMap<String, String>> for Option<BTreeMap<String, String>> {
    fn to_wire(self) -> BTreeMap<String, String> {
        self.unwrap_or_default()
    }

    fn from_wire(wire: BTreeMap<String, String>, _: &str) -> Result<Self, WireError> {
        Ok((!wire.is_empty()).then_some(wire))
    }
}

impl<M: Message> Field<Option<M::Wire>> for M {
    fn to_wire(self) -> Option<M::Wire> {
        Some(self.into())
    }

    fn from_wire(wire: Option<M::Wire>, name: &str) -> Result<Self, WireError> {
        Option::<M>::from_wire(wire, name)?.ok_or_else(|| WireError::missing(name))
    }
}

impl<M: Message> Field<Option<M::Wire>> for Option<M> {
    fn to_wire(self) -> Option<M::Wire> {
        self.map(Into::into)
    }

    fn from_wire(wire: Option<M::Wire>, name: &str) -> Result<Self, WireError> {
        wire.map(M::try_from).transpose().map_err(|e| e.under(name))
    }
}

impl<M: Message> Field<Vec<M::Wire>> for Vec<M> {
    fn to_wire(self) -> Vec<M::Wire> {
        self.into_iter().map(Into::into).collect()
    }

    fn from_wire(wire: Vec<M::Wire>, name: &str) -> Result<Self, WireError> {
        let each = |(index, message)| {
            M::try_from(message).map_err(|e: WireError| e.at_index(index).under(name))
        };
        wire.into_iter().enumerate().map(each).collect()
    }
}

impl<M: Message> Field<Vec<M::Wire>> for Option<Vec<M>> {
    fn to_wire(self) -> Vec<M::Wire> {
        self.unwrap_or_default().to_wire()
    }

    fn from_wire(wire: Vec<M::Wire>, name: &str) -> Result<Self, WireError> {
        match wire.is_empty() {
            true => Ok(None),
            false => Vec::<M>::from_wire(wire, name).map(Some),
        }
    }
}

impl<M: Message> Field<BTreeMap<String, M::Wire>> for BTreeMap<String, M> {
    fn to_wire(self) -> BTreeMap<String, M::Wire> {
        let each = |(key, model): (String, M)| (key, model.into());
        self.into_iter().map(each).collect()
    }

    fn from_wire(wire: BTreeMap<String, M::Wire>, name: &str) -> Result<Self, WireError> {
        let each = |(key, message): (String, M::Wire)| match M::try_from(message) {
            Ok(model) => Ok((key, model)),
            Err(e) => Err(e.under(&key).under(name)),
        };
        wire.into_iter().map(each).collect()
    }
}

impl<M: Message> Field<BTreeMap<String, M::Wire>> for Option<BTreeMap<String, M>> {
    fn to_wire(self) -> BTreeMap<String, M::Wire> {
        self.unwrap_or_default().to_wire()
    }

    fn from_wire(wire: BTreeMap<String, M::Wire>, name: &str) -> Result<Self, WireError> {
        match wire.is_empty() {
            true => Ok(None),
            false => BTreeMap::<String, M>::from_wire(wire, name).map(Some),
        }
    }
}

/// The known value of a protobuf enum, `None` for the unset one. A newer version may send others.
pub(super) fn known<E: TryFrom<i32> + Default + PartialEq>(
    wire: i32,
    name: &str,
) -> Result<Option<E>, WireError> {
    match E::try_from(wire) {
        Ok(known) if known == E::default() => Ok(None),
        Ok(known) => Ok(Some(known)),
        Err(_) => Err(WireError::new(
            name,
            format!("{wire} is not a value that this version knows"),
        )),
    }
}

/// An enum of the model and its counterpart on the wire, exhaustive on both sides. With `= default`, the unset value is
/// the model's default, where the field is no option.
macro_rules! enums {
    (@both $model:path, $wire:path { $($variant:ident),* }) => {
        impl From<$model> for $wire {
            fn from(value: $model) -> Self {
                match value {
                    $(<$model>::$variant => <$wire>::$variant,)*
                }
            }
        }

        impl $crate::convert::field::Field<i32> for Option<$model> {
            fn to_wire(self) -> i32 {
                self.map(<$wire>::from).unwrap_or_default().into()
            }

            fn from_wire(wire: i32, name: &str) -> Result<Self, $crate::convert::WireError> {
                let known = $crate::convert::field::known::<$wire>(wire, name)?;
                Ok(known.and_then(|known| match known {
                    <$wire>::Unspecified => None,
                    $(<$wire>::$variant => Some(<$model>::$variant),)*
                }))
            }
        }
    };
    ($model:path, $wire:path { $($variant:ident),* $(,)? }) => {
        $crate::convert::field::enums!(@both $model, $wire { $($variant),* });

        impl $crate::convert::field::Field<i32> for $model {
            fn to_wire(self) -> i32 {
                <$wire>::from(self).into()
            }

            fn from_wire(wire: i32, name: &str) -> Result<Self, $crate::convert::WireError> {
                <Option<$model> as $crate::convert::field::Field<i32>>::from_wire(wire, name)?
                    .ok_or_else(|| $crate::convert::WireError::missing(name))
            }
        }
    };
    ($model:path, $wire:path = default { $($variant:ident),* $(,)? }) => {
        $crate::convert::field::enums!(@both $model, $wire { $($variant),* });

        impl $crate::convert::field::Field<i32> for $model {
            fn to_wire(self) -> i32 {
                <$wire>::from(self).into()
            }

            fn from_wire(wire: i32, name: &str) -> Result<Self, $crate::convert::WireError> {
                <Option<$model> as $crate::convert::field::Field<i32>>::from_wire(wire, name)
                    .map(Option::unwrap_or_default)
            }
        }
    };
}
pub(super) use enums;

/// A message whose fields have the names of the model's, in both directions. First comes the model's constructor:
/// fields of these types, and maybe last arguments that fields then replace.
macro_rules! same_fields {
    ($model:path, $wire:path, $new:ident($($arg:ident: $kind:ty),* $(; $($last:expr),+)?) $(, $field:ident)* $(,)?) => {
        impl $crate::convert::field::Message for $model {
            type Wire = $wire;
        }

        impl From<$model> for $wire {
            fn from(model: $model) -> Self {
                Self {
                    $($arg: $crate::convert::field::Field::to_wire(model.$arg),)*
                    $($field: $crate::convert::field::Field::to_wire(model.$field),)*
                }
            }
        }

        impl TryFrom<$wire> for $model {
            type Error = $crate::convert::WireError;

            fn try_from(wire: $wire) -> Result<Self, $crate::convert::WireError> {
                #[allow(unused_mut)] // a message may have no field beside the constructor's
                let mut model = <$model>::$new(
                    $(<$kind as $crate::convert::field::Field<_>>::from_wire(wire.$arg, stringify!($arg))?,)*
                    $($($last),+)?
                );
                $(model.$field = $crate::convert::field::Field::from_wire(
                    wire.$field, stringify!($field))?;)*
                Ok(model)
            }
        }
    };
}
pub(super) use same_fields;
