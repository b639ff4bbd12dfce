//! What an author writes: [`Plugin`], and one line that makes a component of it: [`export!`](crate::export).

#[cfg(target_arch = "wasm32")]
mod component;

#[cfg(target_arch = "wasm32")]
pub(crate) use component::loaded;
#[cfg(target_arch = "wasm32")]
pub use component::{Component, Loaded};

use crate::bindings::xmpp::roster::types::{
    BadRequest, ConfigError, FetchError, Outcome, Reply, Request, Response, Step,
};
use crate::{Call, Settings, etag, refresh};

/// A roster plugin. The hooks are those of `wit/hooks.wit`, which documents them.
///
/// A value is what was read of the settings, once for each instance. Nothing else can be kept between calls: the host serves
/// any call with any instance.
pub trait Plugin: Sized + Send + Sync + 'static {
    /// The response headers that are read, in lower case. Others are not passed.
    const RESPONSE_HEADERS: &'static [&'static str] = &[etag::ETAG];

    /// Reads the settings and checks them.
    ///
    /// # Errors
    /// The first setting that is missing or cannot work: the operator is told when the plugin is loaded.
    fn new(settings: &Settings) -> Result<Self, ConfigError>;

    /// What to ask for this user's roster. `tag`: that of the roster which the host holds, if it holds one.
    ///
    /// # Errors
    /// There is nothing to ask for this user.
    fn make_request(&self, user: &str, tag: Option<&[u8]>) -> Result<Request, FetchError>;

    /// What the response means. Must depend on nothing but its arguments and the settings: no clock, no random numbers.
    ///
    /// # Errors
    /// It is no roster. The host keeps the one it has.
    fn read_response(&self, call: &Call<'_>, response: &Response) -> Result<Step, FetchError>;

    /// Which users does the body of a refresh request name? A JSON array of usernames, unless the author says otherwise.
    ///
    /// # Errors
    /// The body makes no sense; says what was expected.
    fn changed_users(body: &[u8]) -> Result<Vec<String>, BadRequest> {
        refresh::usernames(body)
    }

    /// What the application is told about its refresh request. As the protocol of `mod_http_roster_admin` has it, unless the
    /// author says otherwise.
    fn summary(outcome: &Outcome) -> Reply {
        refresh::summary(outcome)
    }
}

/// Makes a component of a [`Plugin`]: `export!(Friends);`. Once in a crate of the type `cdylib`; it does something only on
/// `wasm32`.
#[macro_export]
macro_rules! export {
    ($plugin:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            impl $crate::plugin::Loaded for $plugin {
                fn place() -> &'static ::std::sync::OnceLock<Self> {
                    static PLACE: ::std::sync::OnceLock<$plugin> = ::std::sync::OnceLock::new();
                    &PLACE
                }
            }
            type Exported = $crate::plugin::Component<$plugin>;
            #[allow(unsafe_code)]
            const _: () = {
        $crate::bindings::export_component!(Exported with_types_in $crate::bindings);
            };
        };
    };
}
