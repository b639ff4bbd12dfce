//! What `roster-host` does without a configuration: shows itself at work.
//!
//! A small web application ([`web_app`]) keeps the contacts of four people and tells the host when one changes; the host
//! is pointed at it over real HTTP; two of the four are connected; [`Narrator`] prints each change as it happens. The
//! application speaks two protocols ([`pages`] is the other), so that there is something to swap to ([`bundled`]).
//!
//! In a browser it is a [`page`]: who is whose friend ([`people`]), what happens ([`stage`]), two clients, and the plugin.
//! Whatever is clicked there goes over HTTP ([`host_link`]), and can be done with curl just as well.

mod app_state;
mod bundled;
mod certificate;
mod host_link;
mod narrator;
mod page;
mod pages;
mod people;
mod stage;
mod web_app;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::config::{AccountsConfig, Config, HostConfig, OriginError, Secret, XmppConfig};
use crate::http::Listening;
use crate::xmpp::XmppServer;

pub use certificate::CertificateError;
pub use host_link::HostAddresses;
pub use narrator::Narrator;
pub use stage::Stage;
pub use web_app::{DemoError, WebApp};

/// The domain of the demo's users.
pub const DOMAIN: &str = "localhost";
/// Who is connected from the start.
pub const CONNECTED: [&str; 2] = ["john", "marie"];

/// The password of both, for XMPP clients on this machine.
pub const PASSWORD: &str = "demo";

/// Calls that a new plugin is watched for.
const CANARY_CALLS: u32 = 40;

/// The endpoint for XMPP clients, on this machine only: with a certificate that nobody vouches for, and therefore for
/// clients without TLS too.
pub fn xmpp() -> Result<XmppConfig, CertificateError> {
    Ok(XmppConfig { certificate: certificate::self_signed()?, require_encryption: false, ..XmppConfig::default() })
}

/// What `roster-host plugin swap` has to know in this run of the demo. Everything else at the admin listener is open, to who
/// is on this machine.
pub fn upload_token() -> Result<Secret, CertificateError> {
    certificate::token()
}

/// The host's configuration for the web application at `web_app`, with a plugin of one's own or the built-in one; the rest
/// is as `config` has it.
pub fn configure(config: &mut Config, web_app: SocketAddr, plugin: Option<PathBuf>) -> Result<(), OriginError> {
    let mut host = HostConfig::for_application(DOMAIN, &format!("http://{web_app}/contacts/%s"))?;
    // For the plugin of the other protocol, guest/examples/paged-roster.
    host.settings.insert("api_url".to_owned(), format!("http://{web_app}/v1"));
    host.plugin = plugin.map(Into::into);
    let passwords = CONNECTED.iter().map(|name| ((*name).to_owned(), Secret::new(PASSWORD)));
    host.accounts = Some(AccountsConfig::Fixed(passwords.collect()));
    // So few that one can watch a new plugin pass.
    host.swap.canary_calls = CANARY_CALLS;
    config.hosts = vec![host];
    Ok(())
}

/// The first lines a newcomer sees: what listens where, and what to type.
///
/// `None` if the host does not listen where the demo needs it to.
pub fn greeting(
    web_app: SocketAddr,
    listening: &Listening,
    upload_token: Option<&Secret>,
    xmpp: Option<(&XmppConfig, &XmppServer)>,
) -> Option<String> {
    let (refresh, admin) = (listening.refresh_http?, listening.admin?);
    let swap = swap(admin, upload_token);
    let clients = xmpp.map(|(config, server)| clients(config, server, refresh)).unwrap_or_default();
    Some(format!(
        "\
Open http://{web_app}/ in a browser, or go on reading.

roster-host demo: a sample web application, the host, and john and marie connected.

  web application  http://{web_app}           owns the contacts: GET /contacts/john
  refresh route    http://{refresh}/roster_admin/refresh
  admin            http://{admin}           /ui is a page  /rosters/john  /metrics  /events
{swap}{clients}
Try, in another terminal:

  curl -X PUT    http://{web_app}/friends/john/aaron     # john's roster gets aaron; watch it happen here
  curl -X DELETE http://{web_app}/friends/john/aaron     # and loses him again
  curl -d '[\"john\",\"marie\"]' http://{refresh}/roster_admin/refresh

Ctrl-C stops it. For production: roster-host --config my.toml (see roster-host.example.toml).
"
    ))
}

/// How another plugin takes over.
fn swap(admin: SocketAddr, token: Option<&Secret>) -> String {
    let Some(token) = token else { return String::new() };
    let default = if admin.port() == 5282 { String::new() } else { format!(" --admin http://{admin}") };
    format!("  swap the plugin  ROSTER_HOST_ADMIN_TOKEN={} roster-host plugin swap FILE{default}\n", token.reveal())
}

/// Where XMPP clients connect, and as whom.
fn clients(config: &XmppConfig, server: &XmppServer, web: SocketAddr) -> String {
    let mut text = String::new();
    let titles = ["XMPP clients", "", ""].into_iter();
    let plain = server.address(false).map(|address| format!("{address}                  STARTTLS, or without TLS"));
    let tls = server.address(true).map(|address| format!("{address}                  TLS from the start"));
    let websocket = config.websocket.then(|| format!("ws://{web}{}", roster_xmpp::WEBSOCKET_PATH));
    for (title, line) in titles.zip([plain, tls, websocket].into_iter().flatten()) {
        let _ = writeln!(text, "  {title:<17}{line}");
    }
    let _ = writeln!(text, "  log in as        john@{DOMAIN} or marie@{DOMAIN}, password {PASSWORD}");
    if let Some(fingerprint) = certificate::fingerprint(&config.certificate) {
        let _ =
            writeln!(text, "  certificate      self-signed and new with every start; its SHA-256 is\n  {fingerprint}");
    }
    text
}
