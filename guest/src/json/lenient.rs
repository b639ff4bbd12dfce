//! Reading a JSON value whose kind is not known beforehand, without building it.
//!
//! serde turns a value of the wrong kind into an error that ends the whole document. Here one bad contact must not
//! spoil the rest, so a [`Handler`] gets whatever is there and says what it makes of it. Values that it does not
//! want are skipped, to any depth and without recursion.

use std::borrow::Cow;

use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// What to do with a value, by its kind. The methods that are not written take the kind as the wrong one.
pub(crate) trait Handler<'de>: Sized {
    /// What comes of it.
    type Output;

    /// It is of a kind that is not wanted: `a number`, `an array`, ….
    fn wrong(self, kind: &'static str) -> Self::Output;

    /// `null`
    fn null(self) -> Self::Output {
        self.wrong("null")
    }

    /// A string, borrowed unless it has escapes.
    fn string(self, text: Cow<'de, str>) -> Self::Output {
        drop(text);
        self.wrong("a string")
    }

    /// An array.
    fn array<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Output, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(self.wrong("an array"))
    }

    /// An object.
    fn object<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Output, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(self.wrong("an object"))
    }
}

/// Makes serde types of a [`Handler`].
pub(crate) struct Lenient<H>(pub(crate) H);

impl<'de, H: Handler<'de>> serde::de::DeserializeSeed<'de> for Lenient<H> {
    type Value = H::Output;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<H::Output, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, H: Handler<'de>> Visitor<'de> for Lenient<H> {
    type Value = H::Output;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<H::Output, E> {
        Ok(self.0.wrong(if value { "true" } else { "false" }))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<H::Output, E> {
        Ok(self.0.wrong("a number"))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<H::Output, E> {
        Ok(self.0.wrong("a number"))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<H::Output, E> {
        Ok(self.0.wrong("a number"))
    }

    fn visit_unit<E: Error>(self) -> Result<H::Output, E> {
        Ok(self.0.null())
    }

    #[inline]
    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<H::Output, E> {
        Ok(self.0.string(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<H::Output, E> {
        Ok(self.0.string(Cow::Owned(text.to_owned())))
    }

    #[inline]
    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<H::Output, A::Error> {
        self.0.array(items)
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<H::Output, A::Error> {
        self.0.object(entries)
    }
}

/// A string as it is: the key of an object. Borrowed unless it has escapes.
pub(crate) struct Text;

impl<'de> serde::de::DeserializeSeed<'de> for Text {
    type Value = Cow<'de, str>;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Text {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a string")
    }

    #[inline]
    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}
