//! How a table of the file is written down, once: the struct, its defaults, how it is read, and what the reference says.

use toml::de::DeValue;

use super::mistakes::place::At;

/// What the reference says of one key, and what stands there in one configuration.
pub(super) struct Key {
    pub(super) name: String,
    pub(super) kind: &'static str,
    pub(super) unit: &'static str,
    pub(super) range: String,
    /// The value of the configuration that was asked, as it would be written; of a secret, something else.
    pub(super) value: String,
    /// What is said in the place of a default that depends on other keys, or that there is none.
    pub(super) default: Option<&'static str>,
    pub(super) about: &'static str,
    /// The value is not to be shown.
    pub(super) secret: bool,
}

impl Key {
    /// A key that takes any value of its kind.
    pub(super) fn new(
        name: impl Into<String>,
        kind: &'static str,
        value: impl Into<String>,
        about: &'static str,
    ) -> Self {
        let (name, value) = (name.into(), value.into());
        Self { name, kind, unit: "", range: String::new(), value, default: None, about, secret: false }
    }
}

/// A key, or a table within the table.
pub(super) enum Entry {
    Key(Key),
    Table(Listed),
}

/// A table as the reference has it.
pub(super) struct Listed {
    pub(super) name: &'static str,
    /// There may be several.
    pub(super) many: bool,
    /// Without it something is off.
    pub(super) optional: bool,
    /// It is there.
    pub(super) is_there: bool,
    pub(super) about: &'static str,
    pub(super) entries: Vec<Entry>,
}

impl Listed {
    fn new(name: &'static str, about: &'static str, entries: Vec<Entry>) -> Self {
        Self { name, many: false, optional: false, is_there: true, about, entries }
    }
}

impl Entry {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Key(key) => &key.name,
            Self::Table(table) => table.name,
        }
    }
}

/// What [`table!`](crate::config::table::table) makes of a struct.
pub(super) trait Table: Default {
    const ABOUT: &'static str;

    /// Its keys, with the values of `self`.
    fn entries(&self) -> Vec<Entry>;

    /// What stands at `at`, defaults filled in. Each key is looked at, whatever is wrong with others.
    fn read(at: &At<'_>) -> Self;
}

/// What a field of such a struct is in the file: usually one key.
pub(super) trait Kind {
    type Value;

    /// The value of the table at `at`, or the default if it is not given or wrong.
    fn read(&self, at: &At<'_>, key: &'static str, default: Self::Value) -> Self::Value;

    fn entries(&self, key: &'static str, about: &'static str, value: &Self::Value) -> Vec<Entry>;
}

/// A struct whose fields are the keys of a table.
///
/// `field: Type = default, kind;` is one key, documented by what stands before it, in rustdoc and in the reference alike; `field
/// as "key"` where it has another name in the file. Fields behind `beside` have no key. `check = function` looks at keys together,
/// once all are read.
macro_rules! table {
    (
        $(#[doc = $about:expr])*
        #[derive($($derive:ident),*)]
        pub struct $name:ident $((check = $check:path))? {
            $($(#[doc = $doc:expr])* $field:ident $(as $key:literal)?: $type:ty = $default:expr, $kind:expr;)*
        }
        $(beside {
            $($(#[doc = $own_doc:expr])* $own:ident: $own_type:ty = $own_default:expr;)*
        })?
    ) => {
        $(#[doc = $about])*
        #[derive($($derive),*)]
        pub struct $name {
            $($(#[doc = $doc])* pub $field: $type,)*
            $($($(#[doc = $own_doc])* pub $own: $own_type,)*)?
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* $($($own: $own_default,)*)? }
            }
        }

        impl $crate::config::table::Table for $name {
            const ABOUT: &'static str = concat!($($about, "\n"),*);

            fn entries(&self) -> Vec<$crate::config::table::Entry> {
                use $crate::config::table::{Kind, key_of};
                let mut entries = Vec::new();
                $(
                    let key = key_of(stringify!($field), &[$($key)?]);
                    entries.extend(Kind::entries(&$kind, key, concat!($($doc),*), &self.$field));
                )*
                entries
            }

            fn read(at: &$crate::config::mistakes::place::At<'_>) -> Self {
                use $crate::config::table::{Kind, key_of};
                let default = Self::default();
                let read = Self {
                    $($field: Kind::read(&$kind, at, key_of(stringify!($field), &[$($key)?]), default.$field),)*
                    $($($own: default.$own,)*)?
                };
                $(let read = { let mut read = read; $check(&mut read, at); read };)?
                read
            }
        }
    };
}
pub(super) use table;

/// The name of a field's key: its own, if there is no other.
pub(super) fn key_of(field: &'static str, other: &[&'static str]) -> &'static str {
    other.first().copied().unwrap_or(field)
}

/// The table at `at`, after a look for keys that it does not have.
pub(super) fn read<T: Table>(at: &At<'_>) -> T {
    let entries = T::default().entries();
    let known: Vec<&str> = entries.iter().map(Entry::name).collect();
    for key in at.table().into_iter().flat_map(|table| table.keys()) {
        let key: &str = key.get_ref();
        if !known.contains(&key) {
            at.key(key).problem(unknown(key, &known));
        }
    }
    T::read(at)
}

/// For [`At::read`].
pub(super) fn is_table(value: &DeValue<'_>) -> Result<(), String> {
    value.as_table().map(|_| ()).ok_or_else(|| "expected a table".to_owned())
}

/// A table that may be left out, which is the same as an empty one.
pub(super) struct Inner<T>(std::marker::PhantomData<T>);

pub(super) fn inner<T>() -> Inner<T> {
    Inner(std::marker::PhantomData)
}

impl<T: Table> Kind for Inner<T> {
    type Value = T;

    fn read(&self, at: &At<'_>, key: &'static str, default: T) -> T {
        let at = at.key(key);
        if at.is_given() && at.read(is_table).is_none() { default } else { read(&at) }
    }

    fn entries(&self, key: &'static str, _: &'static str, value: &T) -> Vec<Entry> {
        vec![Entry::Table(Listed::new(key, T::ABOUT, value.entries()))]
    }
}

/// A table without which something is off.
pub(super) struct Optional<T>(std::marker::PhantomData<T>);

pub(super) fn optional<T>() -> Optional<T> {
    Optional(std::marker::PhantomData)
}

impl<T: Table> Kind for Optional<T> {
    type Value = Option<T>;

    fn read(&self, at: &At<'_>, key: &'static str, _: Option<T>) -> Option<T> {
        let at = at.key(key);
        at.read(is_table).map(|()| read(&at))
    }

    fn entries(&self, key: &'static str, _: &'static str, value: &Option<T>) -> Vec<Entry> {
        let entries = value.as_ref().map_or_else(|| T::default().entries(), Table::entries);
        let is_there = value.is_some();
        vec![Entry::Table(Listed { optional: true, is_there, ..Listed::new(key, T::ABOUT, entries) })]
    }
}

/// Tables of which there has to be at least one, such as all `[[host]]`; the text is how they are written.
pub(super) struct Several<T>(&'static str, std::marker::PhantomData<T>);

pub(super) fn several<T>(written: &'static str) -> Several<T> {
    Several(written, std::marker::PhantomData)
}

impl<T: Table> Kind for Several<T> {
    type Value = Vec<T>;

    /// Of each in the file there is one, also if it is wrong: their places are counted.
    fn read(&self, at: &At<'_>, key: &'static str, _: Vec<T>) -> Vec<T> {
        let at = at.key(key);
        let found = at.read(|value| match value {
            DeValue::Array(items) => Ok(items.len()),
            DeValue::Table(_) => Err(format!("write {}, with two pairs of brackets: there may be several", self.0)),
            _ => Err(format!("expected tables that begin with {}", self.0)),
        });
        if !at.is_given() || found == Some(0) {
            let is = if at.is_given() { "empty" } else { "missing" };
            at.problem(format!("is {is}; there has to be at least one {}", self.0));
        }
        let one = |index| {
            let at = at.index(index);
            at.read(is_table).map_or_else(T::default, |()| read(&at))
        };
        (0..found.unwrap_or(0)).map(one).collect()
    }

    fn entries(&self, key: &'static str, _: &'static str, value: &Vec<T>) -> Vec<Entry> {
        let entries = value.first().map_or_else(|| T::default().entries(), Table::entries);
        vec![Entry::Table(Listed { many: true, ..Listed::new(key, T::ABOUT, entries) })]
    }
}

/// Another kind whose default cannot be told by its value.
pub(super) struct Otherwise<K>(K, &'static str);

/// `default`: what the reference says it is.
pub(super) fn otherwise<K>(kind: K, default: &'static str) -> Otherwise<K> {
    Otherwise(kind, default)
}

impl<K: Kind> Kind for Otherwise<K> {
    type Value = K::Value;

    fn read(&self, at: &At<'_>, key: &'static str, default: K::Value) -> K::Value {
        self.0.read(at, key, default)
    }

    fn entries(&self, key: &'static str, about: &'static str, value: &K::Value) -> Vec<Entry> {
        let mut entries = self.0.entries(key, about, value);
        for entry in &mut entries {
            if let Entry::Key(key) = entry {
                key.default = Some(self.1);
            }
        }
        entries
    }
}

fn unknown(key: &str, known: &[&str]) -> String {
    // Far-fetched guesses confuse more than they help; and the distance of very long texts takes long to compute.
    const CLOSE_ENOUGH: f64 = 0.6;
    const LONGEST: usize = 64;
    let near = known
        .iter()
        .filter(|_| key.len() <= LONGEST)
        .map(|known| (strsim::normalized_damerau_levenshtein(key, known), known))
        .max_by(|(a, _), (b, _)| a.total_cmp(b));
    match near {
        Some((likeness, near)) if likeness >= CLOSE_ENOUGH => format!("unknown key; did you mean {near}?"),
        _ => format!("unknown key; known here: {}", known.join(", ")),
    }
}
