//! The host within a program of one's own, which follows one session. It is shown in the manual: docs/embedding.md.

use std::sync::Arc;

use roster_host::config::{Config, HostConfig};
use roster_host::{Host, model::Username, rosters::SessionId};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let application = HostConfig::for_application("example.com", "http://127.0.0.1:8000/contacts/%s")?;
    let config = Config { hosts: vec![application], ..Config::default() };
    let host = Host::start(&config, Vec::new()).await?;
    let rosters = host.rosters().first().map(Arc::clone).ok_or("there is no [[host]]")?;
    let serving = tokio::spawn(host.serve(async { tokio::signal::ctrl_c().await.unwrap_or_default() }));

    let (john, phone) = (Username::new("john")?, SessionId::new("phone"));
    let roster = rosters.connect(&john, phone.clone()).await?; // a session asks for its roster ...
    println!("{} contacts", roster.contacts().iter().count());
    rosters.disconnect(&john, &phone); // ... and leaves
    drop(rosters);
    serving.await?;
    Ok(())
}
