//! `GET /events`: roster events as they happen, as server-sent events (the HTML standard's `text/event-stream`).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt, stream};
use serde_json::json;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;
use tracing::warn;

use super::target::Params;
use super::{Admin, AdminError};
use crate::model::Username;
use crate::sinks::{EventKind, Missed, RosterEvent};

/// A comment is sent after this much silence, so that a reader that is gone is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// `GET /events`: everything from now on, or what concerns one domain or one user. A reader that is too slow is told how
/// many events it missed, those of others included.
pub(super) async fn follow(State(admin): State<Arc<Admin>>, params: Params) -> Result<Response, AdminError> {
    let filter =
        Filter { domain: params.host(&admin)?.map(|rosters| Arc::clone(rosters.domain())), user: params.user()? };
    let Ok(place) = Arc::clone(&admin.streams).try_acquire_owned() else {
        return Err(AdminError::TooManyStreams { limit: admin.max_streams });
    };
    let events = read(BroadcastStream::new(admin.events.subscribe()), filter);
    // Tells the reader, at once, that nothing is missed from here on.
    let hello = Event::default().comment("roster events");
    let events =
        stream::iter([hello]).chain(events).take_until(admin.stop.clone().cancelled_owned()).map(move |event| {
            let _held = &place;
            Ok::<_, Infallible>(event)
        });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

/// What a reader wants to hear of.
struct Filter {
    domain: Option<Arc<str>>,
    user: Option<Username>,
}

impl Filter {
    fn lets_through(&self, event: &RosterEvent) -> bool {
        self.domain.as_ref().is_none_or(|domain| *domain == event.domain)
            && self.user.as_ref().is_none_or(|user| *user == event.user)
    }
}

fn read(events: BroadcastStream<Arc<RosterEvent>>, filter: Filter) -> impl Stream<Item = Event> {
    events.filter_map(move |event| {
        let written = match event {
            Ok(event) if filter.lets_through(&event) => write(&event),
            Ok(_) => None,
            Err(BroadcastStreamRecvError::Lagged(count)) => Some(missed(Missed(count))),
        };
        std::future::ready(written)
    })
}

fn write(event: &RosterEvent) -> Option<Event> {
    let written = Event::default().event(event.name());
    let written = match &event.kind {
        EventKind::Loaded(snapshot) | EventKind::Changed { snapshot, .. } => written.id(snapshot.version().to_string()),
        EventKind::Dropped { version } => written.id(version.to_string()),
    };
    written.json_data(event).inspect_err(|error| warn!(%error, "a roster event could not be written")).ok()
}

fn missed(Missed(count): Missed) -> Event {
    Event::default().event("missed").data(json!({ "event": "missed", "missed": count }).to_string())
}
