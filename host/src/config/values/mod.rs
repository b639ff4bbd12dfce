//! The kinds of values a key can have: [`kind`], and [`kind_secret`] for those that are in files of their own. And the types of
//! values that other rooms use as well: [`origin`], [`plugin_place`], [`secret`].

pub(in crate::config) mod kind;
pub(in crate::config) mod kind_secret;
pub(in crate::config) mod origin;
pub(in crate::config) mod plugin_place;
pub(in crate::config) mod secret;
