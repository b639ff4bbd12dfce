//! `GET /events`: roster events as they happen, as server-sent events (the HTML standard's `text/event-stream`).
//!
//! A reader that comes back says with `Last-Event-ID` where it was, as browsers do by themselves, and gets what happened
//! meanwhile; what is no longer remembered is told as `missed`. For that, everything sent has an id, the greeting and the
//! signs of life too: a reader that waits for a rare event moves on with them.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures::{StreamExt, stream};
use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderName};
use serde_json::json;
use tokio::time::{Instant, sleep_until};
use tracing::warn;

use super::target::Params;
use super::{Admin, AdminError};
use crate::http::json;
use crate::model::Username;
use crate::sinks::{EventId, EventReader, Missed, Reading, RosterEvent};

/// A comment is sent after this much silence, so that a reader that is gone is noticed, and proxies keep the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Of an id that somebody made up, no more than this is repeated.
const LONGEST_ID: usize = 64;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// nginx keeps back what is not marked so.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// `GET /events`: everything from now on, or after the last event that the reader has, of all or of one domain or user.
/// What a reader has missed is counted with that of others.
pub(super) async fn follow(
    State(admin): State<Arc<Admin>>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, AdminError> {
    let filter =
        Filter { domain: params.host(&admin)?.map(|rosters| Arc::clone(rosters.domain())), user: params.user()? };
    let Ok(place) = Arc::clone(&admin.streams).try_acquire_owned() else {
        return Err(AdminError::TooManyStreams { limit: admin.max_streams });
    };
    let reader = admin.events.subscribe(last_id(&headers, &params).as_deref());
    // Tells the reader, at once, that nothing is missed from here on.
    let hello = Event::default().id(reader.id().to_string()).comment("roster events");
    let following = Following { told: reader.id(), reader, filter };
    let events = stream::unfold(following, |mut following| async { Some((following.next().await, following)) });
    let events =
        stream::iter([hello]).chain(events).take_until(admin.stop.clone().cancelled_owned()).map(move |event| {
            let _held = &place;
            Ok::<_, Infallible>(event)
        });
    let response = json::with_header(Sse::new(events).into_response(), CACHE_CONTROL, "no-store");
    Ok(json::with_header(response, X_ACCEL_BUFFERING, "no"))
}

/// The header is what a browser adds when it comes back to a URL, so it is newer than what is in that.
fn last_id(headers: &HeaderMap, params: &Params) -> Option<String> {
    let header = headers.get(LAST_EVENT_ID).map(|id| String::from_utf8_lossy(id.as_bytes()).into_owned());
    let id = header.filter(|id| !id.is_empty()).or_else(|| params.last_event_id().map(str::to_owned));
    id.map(|id| id.chars().take(LONGEST_ID).collect())
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

struct Following {
    reader: EventReader,
    filter: Filter,
    /// The last id that was sent.
    told: EventId,
}

impl Following {
    async fn next(&mut self) -> Event {
        let silent = sleep_until(Instant::now() + KEEP_ALIVE);
        tokio::pin!(silent);
        loop {
            let reading = tokio::select! {
                reading = self.reader.next() => reading,
                () = &mut silent => return self.sign_of_life(),
            };
            let written = match reading {
                Reading::Event(id, event) if self.filter.lets_through(&event) => write(id, &event),
                Reading::Event(..) => None,
                Reading::Missed(lost) => Some(missed(&lost)),
            };
            if let Some(event) = written {
                self.told = self.reader.id();
                return event;
            }
            // Many events may be for others.
            tokio::task::consume_budget().await;
        }
    }

    /// A comment, and the id of what was passed over meanwhile: a field without data is no event, and still moves the
    /// reader on.
    fn sign_of_life(&mut self) -> Event {
        let here = self.reader.id();
        let event = Event::default();
        let event = if here == self.told { event } else { event.id(here.to_string()) };
        self.told = here;
        event.comment("")
    }
}

fn write(id: EventId, event: &RosterEvent) -> Option<Event> {
    let written = Event::default().event(event.name()).id(id.to_string());
    written.json_data(event).inspect_err(|error| warn!(%error, "a roster event could not be written")).ok()
}

fn missed(missed: &Missed) -> Event {
    let Missed { count, after, to } = missed;
    let data = json!({ "event": "missed", "missed": count, "after": after, "to": to.to_string() });
    Event::default().event("missed").id(to.to_string()).data(data.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sinks::{EventKind, EventStream, RosterSink};
    use http_body_util::BodyExt;

    async fn text(event: Event) -> String {
        let response = Sse::new(stream::iter([Ok::<_, Infallible>(event)])).into_response();
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_stream_shows_that_it_lives_and_how_far_its_reader_is() {
        let events = Arc::new(EventStream::new(1024, 1 << 20));
        let user = |name: &str| Username::new(name).unwrap();
        let reader = events.subscribe(None);
        let filter = Filter { domain: None, user: Some(user("john")) };
        let mut following = Following { told: reader.id(), reader, filter };
        let began = Instant::now();
        assert_eq!(text(following.next().await).await, ": \n\n", "nothing has happened");
        assert_eq!(began.elapsed(), KEEP_ALIVE);
        for version in 1..=9 {
            let kind = EventKind::Dropped { version };
            events.deliver(Arc::new(RosterEvent { domain: "x".into(), user: user("marie"), kind })).await.unwrap();
        }
        let id = events.subscribe(None).id();
        assert_eq!(text(following.next().await).await, format!("id: {id}\n: \n\n"), "others' events are behind it");
        assert_eq!(began.elapsed(), 2 * KEEP_ALIVE);
        assert_eq!(text(following.next().await).await, ": \n\n", "and it was told");
    }
}
