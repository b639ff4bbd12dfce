//! The paths served, as axum writes them.

use axum::extract::MatchedPath;

/// Refresh of the users named in the body.
pub(super) const REFRESH: &str = "/roster_admin/refresh";
/// Refresh of one user.
pub(super) const REFRESH_USER: &str = "/roster_admin/refresh/{user}";

/// XMPP clients of browsers, and how they find the path.
const WEBSOCKET: [&str; 3] =
    [roster_xmpp::WEBSOCKET_PATH, roster_xmpp::HOST_META_PATH, roster_xmpp::HOST_META_JSON_PATH];

/// What the admin listener serves.
pub(super) const INDEX: &str = "/";
/// The process lives.
pub(super) const HEALTHZ: &str = "/healthz";
/// Every virtual host has its plugin.
pub(super) const READYZ: &str = "/readyz";
/// Counters and gauges.
pub(super) const METRICS: &str = "/metrics";
/// What is cached, in numbers.
pub(super) const ROSTERS: &str = "/rosters";
/// The application is asked for all of them, or some.
pub(super) const ROSTERS_REFRESH: &str = "/rosters/refresh";
/// What is cached of one user.
pub(super) const ROSTERS_USER: &str = "/rosters/{user}";
/// Who is connected.
pub(super) const SESSIONS: &str = "/sessions";
/// What is known of one user.
pub(super) const USERS_USER: &str = "/users/{user}";
/// The latest warnings and errors of the log.
pub(super) const ERRORS: &str = "/errors";
/// The operator's page.
pub(super) const UI: &str = "/ui";
/// Its files.
pub(super) const UI_FILE: &str = "/ui/{file}";
/// A user connected or left.
pub(super) const SESSIONS_USER: &str = "/sessions/{user}";
/// Roster events as they happen.
pub(super) const EVENTS: &str = "/events";

/// The other nodes.
pub(super) const CLUSTER: &str = "/cluster";
/// The servers of other make that are attached.
pub(super) const ATTACH: &str = "/attach";

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
pub(super) const PLUGIN: &str = "/plugin";
/// The configured plugin is read again.
pub(super) const PLUGIN_RELOAD: &str = "/plugin/reload";
/// The plugin before is put back.
pub(super) const PLUGIN_ROLLBACK: &str = "/plugin/rollback";

/// The configuration is read again.
pub(super) const RELOAD: &str = "/reload";

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
pub(super) fn label(matched: Option<&MatchedPath>) -> &'static str {
    let matched = matched.map_or("", MatchedPath::as_str);
    ALL.into_iter().chain(WEBSOCKET).find(|path| *path == matched).unwrap_or("none")
}
