//! The program without a configuration.

use std::net::SocketAddr;
use std::sync::Arc;

use roster_host::Host;
use roster_host::config::Config;
use roster_host::demo::{self, HostAddresses, Narrator, Stage, WebApp};
use roster_host::model::Username;
use roster_host::rosters::SessionId;
use roster_host::sinks::RosterSink;
use roster_host::sockets::{InheritedSockets, Purpose, Sockets};

use super::Failure;
use super::arguments::Demo;
use super::progress::Progress;
use super::serve::{LOADING, stop_signal};

/// Where the demo may go, in words to people whose ports are taken.
const OTHER_BASE: u16 = 6280;

/// Serves the demo until a signal. True if everything that ran was finished.
pub(super) async fn serve(mut config: Config, arguments: Demo, given: InheritedSockets) -> Result<bool, Failure> {
    let mut stop = std::pin::pin!(stop_signal()?);
    let stage = Arc::new(Stage::new());
    let (web_app, sockets) = listen(&config, arguments.listen(), &stage, given).await?;
    let address = web_app.address();
    demo::configure(&mut config, address, arguments.own.demo_plugin)?;
    let narrator = Arc::new(Narrator::new());
    let progress = Progress::of(LOADING);
    let sinks = vec![Arc::clone(&narrator) as Arc<dyn RosterSink>, Arc::clone(&stage) as _];
    let host = tokio::select! {
        // First: if all processes of a service are told to stop, a compiler may have heard it already.
        biased;
        () = &mut stop => return Ok(true),
        host = Host::start_on(sockets, &config, sinks) => host?,
    };
    drop(progress);
    let listening = host.listening();
    let xmpp = config.xmpp.as_ref().zip(host.xmpp());
    let (Some(http), Some(admin), Some(greeting)) = (
        listening.refresh_http,
        listening.admin,
        demo::greeting(address, listening, config.admin.upload_token.as_ref(), xmpp),
    ) else {
        return Err("the demo needs http.listen (--http-listen) and admin.listen (--admin-listen)".into());
    };
    web_app.host_is_up(HostAddresses { http, admin, upload_token: config.admin.upload_token.clone() });
    stage.follow(host.metrics());
    let web_app = tokio::spawn(web_app.serve());
    narrator.say(&format!("{greeting}\n"));
    if arguments.own.open {
        show(address);
    }
    let rosters: Vec<_> = host.rosters().to_vec();
    tokio::spawn(async move {
        for one in &rosters {
            for name in demo::CONNECTED {
                let Ok(user) = Username::new(name) else { continue };
                // The rosters log why, if it cannot be had.
                let _ = one.connect(&user, SessionId::new("demo")).await;
            }
        }
    });
    let finished = host.serve(stop).await;
    web_app.abort();
    Ok(finished)
}

/// What is taken of what the demo needs.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub(super) struct Taken(pub(super) Vec<String>);

/// Everything that it listens on, or all that cannot be had.
async fn listen(
    config: &Config,
    web_app: SocketAddr,
    stage: &Arc<Stage>,
    given: InheritedSockets,
) -> Result<(WebApp, Sockets), Taken> {
    let (web_app, sockets) = (WebApp::bind(web_app, stage).await, Sockets::open(Purpose::wanted(config), given).await);
    let mut lines = match (web_app, sockets) {
        (Ok(web_app), Ok(sockets)) => return Ok((web_app, sockets)),
        (web_app, sockets) => {
            let ours = sockets.err().map(|taken| taken.lines()).unwrap_or_default();
            ours.into_iter().chain(web_app.err().map(|taken| taken.to_string())).collect::<Vec<_>>()
        }
    };
    if let Some(last) = lines.last_mut() {
        *last += &format!("; or move the whole demo: roster-host demo --port-base {OTHER_BASE}");
    }
    Err(Taken(lines))
}

/// Opens the page in the browser of who has started this. It goes on without: the URL has been printed.
fn show(address: SocketAddr) {
    let url = format!("http://{address}/");
    if let Err(error) = open::that_detached(&url) {
        tracing::warn!(%error, "no browser could be started; open {url} yourself");
    }
}
