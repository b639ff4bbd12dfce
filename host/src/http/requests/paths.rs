//! The paths served, as axum writes them.

use axum::extract::MatchedPath;

/// Refresh of the users named in the body.
pub(in crate::http) const REFRESH: &str = "/roster_admin/refresh";
/// Refresh of one user.
pub(in crate::http) const REFRESH_USER: &str = "/roster_admin/refresh/{user}";

/// XMPP clients of browsers, and how they find the path.
const WEBSOCKET: [&str; 3] =
    [roster_xmpp::WEBSOCKET_PATH, roster_xmpp::HOST_META_PATH, roster_xmpp::HOST_META_JSON_PATH];

/// What the admin listener serves.
pub(in crate::http) const INDEX: &str = "/";
/// The process lives.
pub(in crate::http) const HEALTHZ: &str = "/healthz";
/// Every virtual host has its plugin.
pub(in crate::http) const READYZ: &str = "/readyz";
/// Counters and gauges.
pub(in crate::http) const METRICS: &str = "/metrics";
/// What is cached, in numbers.
pub(in crate::http) const ROSTERS: &str = "/rosters";
/// The application is asked for all of them, or some.
pub(in crate::http) const ROSTERS_REFRESH: &str = "/rosters/refresh";
/// What is cached of one user.
pub(in crate::http) const ROSTERS_USER: &str = "/rosters/{user}";
/// Who is connected.
pub(in crate::http) const SESSIONS: &str = "/sessions";
/// What is known of one user.
pub(in crate::http) const USERS_USER: &str = "/users/{user}";
/// The latest warnings and errors of the log.
pub(in crate::http) const ERRORS: &str = "/errors";
/// The operator's page.
pub(in crate::http) const UI: &str = "/ui";
/// Its files.
pub(in crate::http) const UI_FILE: &str = "/ui/{file}";
/// A user connected or left.
pub(in crate::http) const SESSIONS_USER: &str = "/sessions/{user}";
/// Roster events as they happen.
pub(in crate::http) const EVENTS: &str = "/events";

/// The other nodes.
pub(in crate::http) const CLUSTER: &str = "/cluster";
/// The servers of other make that are attached.
pub(in crate::http) const ATTACH: &str = "/attach";

/// What they are served: who is there.
pub(crate) const NODE: &str = "/attach/v1/{node}";
/// All users of a node at once.
pub(crate) const NODE_SYNC: &str = "/attach/v1/{node}/sync";
/// A user has come or left.
pub(crate) const NODE_USER: &str = "/attach/v1/{node}/users/{user}";
/// What changes.
pub(crate) const NODE_EVENTS: &str = "/attach/v1/{node}/events";
/// So much has been passed on.
pub(crate) const NODE_ACK: &str = "/attach/v1/{node}/ack";
/// A roster without a session.
pub(crate) const NODE_ROSTER: &str = "/attach/v1/{node}/rosters/{user}";

/// Which plugin serves.
pub(in crate::http) const PLUGIN: &str = "/plugin";
/// The configured plugin is read again.
pub(in crate::http) const PLUGIN_RELOAD: &str = "/plugin/reload";
/// The plugin before is put back.
pub(in crate::http) const PLUGIN_ROLLBACK: &str = "/plugin/rollback";

/// The configuration is read again.
pub(in crate::http) const RELOAD: &str = "/reload";

const ALL: [&str; 28] = [
    CLUSTER,
    SESSIONS,
    USERS_USER,
    ERRORS,
    UI,
    UI_FILE,
    REFRESH,
    REFRESH_USER,
    INDEX,
    HEALTHZ,
    READYZ,
    METRICS,
    ROSTERS,
    ROSTERS_REFRESH,
    ROSTERS_USER,
    SESSIONS_USER,
    EVENTS,
    ATTACH,
    NODE,
    NODE_SYNC,
    NODE_USER,
    NODE_EVENTS,
    NODE_ACK,
    NODE_ROSTER,
    PLUGIN,
    PLUGIN_RELOAD,
    PLUGIN_ROLLBACK,
    RELOAD,
];

/// The route as a metric's label: one of a few, whatever the client asked for.
pub(in crate::http) fn label(matched: Option<&MatchedPath>) -> &'static str {
    let matched = matched.map_or("", MatchedPath::as_str);
    ALL.into_iter().chain(WEBSOCKET).find(|path| *path == matched).unwrap_or("none")
}
