//! How a key is read so that one bad value does not hide the next.
//!
//! serde stops at the first value that does not fit. Here every key of the file is a [`Given`], which takes any TOML
//! value and keeps, instead of failing, the reason why it does not fit. The checks then see all keys, and the
//! operator sees all faults at once.

use std::marker::PhantomData;

use serde::de::{self, Deserialize, DeserializeOwned, Deserializer, Visitor};
use toml::Value;

/// A value of the file as the type it should have. The error says what was expected; for secrets it does not repeat
/// the value.
pub(super) trait FromValue: Sized {
    fn from_value(value: Value) -> Result<Self, String>;
}

/// One key of the file.
#[derive(Default)]
pub(super) enum Given<T> {
    /// Not in the file.
    #[default]
    Absent,
    /// In the file and of the right type.
    Good(T),
    /// In the file and wrong; the reason.
    Bad(String),
}

impl<T> Given<T> {
    pub(super) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

impl<T: FromValue> From<Value> for Given<T> {
    fn from(value: Value) -> Self {
        T::from_value(value).map_or_else(Self::Bad, Self::Good)
    }
}

impl<'de, T: FromValue> Deserialize<'de> for Given<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self::from)
    }
}

/// A table with known keys, and the keys in it that are not among them.
pub(super) struct Section<T> {
    pub(super) raw: T,
    pub(super) unknown: Vec<String>,
}

impl<T: DeserializeOwned> FromValue for Section<T> {
    fn from_value(value: Value) -> Result<Self, String> {
        let Value::Table(table) = value else { return Err("expected a table".into()) };
        let known = keys_of::<T>();
        let unknown = table.keys().filter(|key| !known.contains(&key.as_str())).cloned().collect();
        let raw = T::deserialize(table).map_err(|error| error.message().to_owned())?;
        Ok(Self { raw, unknown })
    }
}

impl<T: FromValue> FromValue for Vec<Given<T>> {
    fn from_value(value: Value) -> Result<Self, String> {
        let Value::Array(items) = value else { return Err("expected an array, such as [\"...\"]".into()) };
        Ok(items.into_iter().map(Given::from).collect())
    }
}

/// The names of the fields of a struct that derives `Deserialize`: what serde itself would accept.
pub(super) fn keys_of<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut keys: &'static [&'static str] = &[];
    // Always an error: the deserialiser below has no values, it only listens to what is asked for.
    let _ = T::deserialize(Listener { keys: &mut keys, lifetime: PhantomData });
    keys
}

struct Listener<'k, 'de> {
    keys: &'k mut &'static [&'static str],
    lifetime: PhantomData<&'de ()>,
}

impl<'de> Deserializer<'de> for Listener<'_, 'de> {
    type Error = de::value::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Self::Error> {
        *self.keys = fields;
        Err(de::Error::custom("listening only"))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(de::Error::custom("not a struct"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
