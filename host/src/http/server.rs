//! Starts and stops everything that speaks HTTP.

use std::sync::Arc;

use axum::{Router, middleware};
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::answers::json::{self, ErrorBody};
use super::apart::Apart;
use super::app::App;
use super::connection::{Connections, Crowd, Listener};
use super::listening::{Listening, ServeError, address, service};
use super::refusal;
use super::requests::request_log::{Quiet, Recorder};
use super::settings::Settings;
use super::{admin, refresh_route};
use crate::config::{AdminConfig, HttpConfig};
use crate::descriptors::For;
use crate::sockets::{Purpose, Sockets};
use crate::tls::{CertificateFiles, Certificates};

/// Every HTTP listener of the host. Connections that the system has queued are answered once [`Server::serve`] runs.
pub struct Server {
    listening: Listening,
    plain: Option<TcpListener>,
    secure: Option<(TcpListener, Arc<Certificates>, TlsAcceptor)>,
    admin: Option<TcpListener>,
    http_config: HttpConfig,
    admin_config: AdminConfig,
    settings: Arc<Settings>,
    app: App,
    /// Routes of others, on the plain and on the secure listener.
    others: (Router, Router),
    apart: Option<Apart>,
}

impl Server {
    /// Reads the certificate, and takes the sockets that are its listeners'.
    ///
    /// # Errors
    ///
    /// A certificate that cannot be used, or an admin listener that would be open to everybody.
    pub fn new(http: &HttpConfig, admin: &AdminConfig, sockets: &mut Sockets, app: App) -> Result<Self, ServeError> {
        ServeError::if_open(admin)?;
        let plain = sockets.take(Purpose::Http);
        let secure = match (&http.tls, sockets.take(Purpose::Https)) {
            (Some(tls), Some(socket)) => {
                let domains = app.hosts.iter().map(|rosters| rosters.domain().to_string()).collect();
                let certificates = Certificates::load(CertificateFiles::of_http(tls, domains), &app.metrics)?;
                let acceptor = certificates.http_acceptor()?;
                Some((socket, certificates, acceptor))
            }
            _ => None,
        };
        let listening = Listening {
            refresh_http: plain.as_ref().and_then(address),
            refresh_https: secure.as_ref().and_then(|(socket, ..)| address(socket)),
            ..Listening::default()
        };
        for open in listening.refresh_http.iter().chain(&listening.refresh_https) {
            if http.token.is_none() && !open.ip().is_loopback() {
                warn!(address = %open, "anybody who reaches this address can ask for refreshes; set http.token");
            }
        }
        let admin_socket = sockets.take(Purpose::Admin);
        Ok(Self {
            listening: Listening { admin: admin_socket.as_ref().and_then(address), ..listening },
            plain,
            secure,
            admin: admin_socket,
            http_config: http.clone(),
            admin_config: admin.clone(),
            settings: Settings::new(http, admin),
            app,
            others: Default::default(),
            apart: None,
        })
    }

    /// The addresses that are listened on.
    pub fn listening(&self) -> &Listening {
        &self.listening
    }

    /// What may change while it serves.
    pub fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// Serves these routes too, beside the refresh route: the first over plain HTTP, the second over HTTPS. They may upgrade
    /// connections, and find out from `ConnectInfo<SocketAddr>` who is there. `http.token` and `http.cors_origins` are not
    /// for them, nor is an upgraded connection one of `http.max_connections`.
    pub fn serve_beside(&mut self, plain: Router, secure: Router) {
        self.others = (plain, secure);
    }

    /// Serves one more listener. It stops when the refresh listeners have: until then their answers may wait for its clients.
    pub(crate) fn serve_apart(&mut self, apart: Apart) {
        self.listening.attach = apart.address();
        self.apart = Some(apart);
    }

    /// TLS with the certificate of the HTTPS listener, as it is at the time, for other protocols.
    ///
    /// # Errors
    ///
    /// None that [`Server::new`] would not have had.
    pub fn tls(&self) -> Result<Option<Arc<ServerConfig>>, ServeError> {
        let Some((_, certificates, _)) = &self.secure else { return Ok(None) };
        Ok(Some(Arc::new(certificates.server_config()?)))
    }

    /// Serves until `stop` is true, or nobody is left who could say so. Then the refresh listeners close, running requests are answered, and the admin listener, its
    /// event streams included, follows when the last of them is. Dropping this future cuts everything off: that is the
    /// caller's deadline.
    pub async fn serve(self, mut stop: watch::Receiver<bool>) {
        let Self {
            plain,
            secure,
            admin: admin_socket,
            http_config: http,
            admin_config,
            settings,
            app,
            others,
            apart,
            ..
        } = self;
        // Dropping a set ends its tasks.
        let mut background = JoinSet::new();
        let mut refresh_listeners = JoinSet::new();
        let mut admin_listener = JoinSet::new();

        let idle = http.header_timeout;
        let refresh_stop = CancellationToken::new();
        let crowd = Crowd::new(&http, &app.metrics);
        let refresh = refresh_route::router(&http, &settings, app.hosts.clone());
        let recorder = Recorder { metrics: Arc::clone(&app.metrics), quiet: Quiet::None };
        let mut open = |socket: TcpListener, tls: Option<TlsAcceptor>, others: Router| {
            let others = others.layer(middleware::from_fn_with_state(refusal::body as ErrorBody, json::only));
            let service = service(refresh.clone().merge(others), refusal::body, recorder.clone());
            let connections = Arc::new(Connections::new(service, tls, idle, true, Arc::clone(&crowd)));
            let listener = Listener { socket, connections, wants: Some(For::Refresh) };
            refresh_listeners.spawn(listener.run(refresh_stop.clone()));
        };
        if let Some(socket) = plain {
            open(socket, None, others.0);
        }
        if let Some((socket, certificates, acceptor)) = secure {
            background.spawn(certificates.watch());
            open(socket, Some(acceptor), others.1);
        }

        let mut apart_listener = JoinSet::new();
        let apart_stop = apart.map(|apart| apart.serve(&http, &app.metrics, &mut apart_listener, &mut background));

        let admin_stop = CancellationToken::new();
        let readiness = app.readiness.clone();
        if let Some(socket) = admin_socket {
            let crowd = Crowd::of_admin(&http, admin_config.max_streams, &app.metrics);
            let recorder = Recorder { metrics: Arc::clone(&app.metrics), quiet: Quiet::Looks };
            let router: Router = admin::router(&admin_config, &settings, app, admin_stop.clone());
            let router = router.layer(middleware::from_fn_with_state(json::refused as ErrorBody, json::only));
            let service = service(router, json::refused, recorder);
            let connections = Arc::new(Connections::new(service, None, idle, false, crowd));
            admin_listener.spawn(Listener { socket, connections, wants: None }.run(admin_stop.clone()));
        }

        // An error says that the sender is gone.
        let _ = stop.wait_for(|stop| *stop).await;
        readiness.stopping();
        refresh_stop.cancel();
        while refresh_listeners.join_next().await.is_some() {}
        if let Some(stop) = apart_stop {
            stop.cancel();
        }
        while apart_listener.join_next().await.is_some() {}
        admin_stop.cancel();
        while admin_listener.join_next().await.is_some() {}
    }
}
