//! What a configuration amounts to, for `--check-config`.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;

use crate::config::{ClientAuth, Config, HostConfig, Origin};
use crate::sockets::Purpose;
use crate::text::escaped;

/// A few lines for people: what would listen where, and which host would ask whom. Without secrets and without
/// the values of settings.
pub fn summary(config: &Config) -> String {
    let mut text = String::new();
    let token = |has| if has { "with a token" } else { "without a token" };
    let plain = config.http.listen.map(|address| url("http", address));
    let tls = config.http.tls.as_ref().map(|tls| url("https", tls.listen));
    for listener in plain.into_iter().chain(tls) {
        let _ =
            writeln!(text, "refresh route: {listener}/roster_admin/refresh, {}", token(config.http.token.is_some()));
    }
    if let Some(address) = config.admin.listen {
        let _ = writeln!(text, "admin: {}, {}", url("http", address), token(config.admin.token.is_some()));
    }
    if let Some(lines) = &config.sinks.json_lines {
        let standard_output = lines.path == Path::new("-");
        let path = if standard_output { "standard output".into() } else { shown(&lines.path) };
        let _ = writeln!(text, "roster events: JSON lines to {path}");
    }
    if let Some(xmpp) = &config.xmpp {
        let sockets = Purpose::wanted(config).filter(|(what, _)| matches!(what, Purpose::Xmpp | Purpose::XmppTls));
        let mut addresses: Vec<String> = sockets.map(|(_, address)| address.to_string()).collect();
        if xmpp.websocket {
            let plain = config.http.listen.map(|address| url("ws", address));
            let tls = config.http.tls.as_ref().map(|tls| url("wss", tls.listen));
            addresses.extend(plain.into_iter().chain(tls).map(|url| url + roster_xmpp::WEBSOCKET_PATH));
        }
        let _ = writeln!(text, "XMPP clients: {}", addresses.join(", "));
    }
    if let Some(attach) = &config.attach
        && let Some(address) = attach.listen
    {
        let scheme = if attach.tls.is_some() { "https" } else { "http" };
        let nodes: Vec<_> = attach.nodes.iter().map(|node| format!("{} ({})", node.name, node.domain)).collect();
        let _ = writeln!(text, "attached servers: {}/attach/v1, nodes {}", url(scheme, address), nodes.join(", "));
    }
    for host in &config.hosts {
        let _ = writeln!(text, "{}", host_line(host));
    }
    text
}

/// A path may have a line break in its name.
fn shown(path: &Path) -> String {
    escaped(&path.display().to_string()).into_owned()
}

fn url(scheme: &str, address: SocketAddr) -> String {
    format!("{scheme}://{address}")
}

fn host_line(host: &HostConfig) -> String {
    let plugin =
        host.plugin.as_ref().map_or_else(|| "built in".into(), |place| escaped(&place.to_string()).into_owned());
    let auth = match &host.client.auth {
        None => "",
        Some(ClientAuth::Basic { .. }) => ", Basic authentication",
        Some(ClientAuth::Bearer(_)) => ", a bearer token",
    };
    let origins = &host.client.allow_origins;
    let never_sent = !auth.is_empty() && !origins.iter().any(|origin| host.client.auth_origins.contains(origin));
    let to_nobody = if never_sent { " that is sent to nobody" } else { "" };
    let origins: Vec<String> = origins.iter().map(Origin::to_string).collect();
    let asks = if origins.is_empty() { "nobody".into() } else { origins.join(", ") };
    format!("host {}: plugin {plugin}; may ask {asks}{auth}{to_nobody}", host.domain)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used)]
    use super::*;

    const SECRET: &str = "hunter2";

    #[test]
    fn it_says_what_would_listen_and_who_would_be_asked_and_no_secret() {
        let text = format!(
            "admin.token = '{SECRET}'\nsinks.json_lines.path = '-'\n[[host]]\ndomain = 'example.com'\n\
             settings.http_roster_url = 'http://app.example.org/contacts/%s?key={SECRET}'\nclient.bearer_token = '{SECRET}'"
        );
        assert_eq!(
            summary(&Config::parse(&text, Path::new("t.toml")).expect("right")),
            "refresh route: http://127.0.0.1:5280/roster_admin/refresh, without a token\n\
             admin: http://127.0.0.1:5282, with a token\n\
             roster events: JSON lines to standard output\n\
             host example.com: plugin built in; may ask http://app.example.org, a bearer token\n"
        );
    }
}
