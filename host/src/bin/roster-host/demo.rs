//! The program without a configuration.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use roster_host::Host;
use roster_host::config::Config;
use roster_host::demo::{self, Narrator, WebApp};
use roster_host::model::Username;
use roster_host::rosters::SessionId;
use roster_host::sinks::RosterSink;

use super::Failure;
use super::serve::stop_signal;

/// Serves the demo until a signal. True if everything that ran was finished.
pub(super) async fn serve(
    mut config: Config,
    demo_listen: SocketAddr,
    plugin: Option<PathBuf>,
) -> Result<bool, Failure> {
    let mut stop = std::pin::pin!(stop_signal()?);
    let web_app = WebApp::bind(demo_listen).await?;
    let address = web_app.address();
    demo::configure(&mut config, address, plugin)?;
    let narrator = Arc::new(Narrator::new());
    let host = tokio::select! {
        // First: if all processes of a service are told to stop, a compiler may have heard it already.
        biased;
        () = &mut stop => return Ok(true),
        host = Host::start(&config, vec![Arc::clone(&narrator) as Arc<dyn RosterSink>]) => host?,
    };
    let listening = host.listening();
    let xmpp = config.xmpp.as_ref().zip(host.xmpp());
    let (Some(refresh), Some(greeting)) =
        (listening.refresh_http, demo::greeting(address, listening, config.admin.upload_token.as_ref(), xmpp))
    else {
        return Err("the demo needs http.listen (--http-listen) and admin.listen (--admin-listen)".into());
    };
    web_app.refresh_at(refresh);
    let web_app = tokio::spawn(web_app.serve());
    narrator.say(&format!("{greeting}\n"));
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
