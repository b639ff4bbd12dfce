//! The course of a connection: log in, run, say goodbye.

use std::sync::Arc;

use tokio::time::timeout;

use super::End;
use super::live::{Live, Waited};
use super::negotiate::Negotiation;
use super::run::{Ran, last_words, overflow, run};
use super::shared::{Shared, stream_id};
use crate::client_log::{Client, Detail, What};
use crate::net::admission::ConnectionPermit;
use crate::net::wire::Wire;
use crate::stream::StreamCondition;
use crate::stream::header::Reply;

/// Serves one client, until its connection and its session are over.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    mut wire: Box<Wire>,
    mut client: Client,
    encrypted: bool,
    permit: ConnectionPermit,
) {
    let Some(mut live) = Box::pin(log_in(&shared, &mut wire, &mut client, encrypted)).await else { return };
    let end = match run(&shared, &mut wire, &mut live).await {
        Ran::Ended(end) => end,
        Ran::Taken(request) => {
            hand_over(request, live).await;
            let end = StreamCondition::Conflict.because("the session goes on in another stream").into();
            return say_goodbye(&shared, &mut wire, &client, end, true).await;
        }
    };
    if matches!(end, End::Lost) && live.registration.is_some() {
        drop(wire);
        drop(permit);
        return wait(&shared, &client, live).await;
    }
    if matches!(end, End::Closed) {
        last_words(&shared, &mut wire, &mut live);
    }
    // First the session, so that others learn of it at once; then whatever there is to say to the client.
    live.finish().await;
    say_goodbye(&shared, &mut wire, &client, end, true).await;
}

async fn log_in(shared: &Arc<Shared>, wire: &mut Wire, client: &mut Client, encrypted: bool) -> Option<Box<Live>> {
    let limit = shared.config.timeouts.login;
    let mut negotiation = Negotiation::new(shared, wire, client, encrypted);
    let result = tokio::select! {
        result = timeout(limit, negotiation.go()) => result,
        () = shared.stopped() => Ok(Err(StreamCondition::SystemShutdown.into())),
    };
    let end = match result {
        Ok(Ok(live)) => return Some(live),
        Ok(Err(end)) => end,
        Err(_) => StreamCondition::ConnectionTimeout.because(format!("not logged in after {limit:?}")).into(),
    };
    let answered = negotiation.answered;
    // With it goes a login that was not finished, before a client that does not read is waited for.
    drop(negotiation);
    say_goodbye(shared, wire, client, end, answered).await;
    None
}

/// The session waits for its client.
async fn wait(shared: &Shared, client: &Client, mut live: Box<Live>) {
    let Some(_counted) = shared.resumables.hibernate(shared.config.resumption.hibernating) else {
        let limit = Some("hibernating");
        shared.client_log.note(What::SessionRefused, client, Detail { limit, ..Detail::default() });
        return live.finish().await;
    };
    match live.hibernate(&shared.config, shared.stopped()).await {
        Waited::Resumed(request) => hand_over(request, live).await,
        Waited::Overflow => {
            shared.client_log.stream_ended(client, &overflow(shared, &live));
            live.finish().await;
        }
        Waited::Over => live.finish().await,
    }
}

async fn hand_over(request: super::resume::HandOver<Live>, live: Box<Live>) {
    // Who asked may be gone already.
    if let Err(live) = request.send(live) {
        live.finish().await;
    }
}

/// Ends the stream as RFC 6120 section 4.4 says, and the connection.
async fn say_goodbye(shared: &Shared, wire: &mut Wire, client: &Client, end: End, answered: bool) {
    let error = match end {
        End::Lost => return wire.close().await,
        End::Closed => None,
        End::Error(error) => Some(error),
    };
    if let Some(error) = &error {
        shared.counters.stream_errors.increase();
        shared.client_log.stream_ended(client, error);
        if !answered {
            // An error needs a stream to be in (RFC 6120 section 4.9.1.2).
            wire.put_header(&Reply { from: &shared.domains().first, to: None, id: &stream_id(), lang: "en" });
        }
    }
    if answered || error.is_some() {
        wire.put_end(error.as_ref());
    }
    if wire.flush().await.is_ok() {
        wire.close().await;
    }
}
