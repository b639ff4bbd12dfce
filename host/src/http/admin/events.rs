//! `GET /events`: roster events as they happen, as server-sent events (the HTML standard's `text/event-stream`).
//!
//! A reader that comes back says with `Last-Event-ID` where it was, as browsers do by themselves, and gets what happened
//! meanwhile; what is no longer remembered is told as `missed`. For that, everything sent has an id, the greeting and the
//! signs of life too: a reader that waits for a rare event moves on with them.
//!
//! An event is sent in pieces, each taken from what is remembered for all readers when the one before has been sent: a reader
//! that does not read holds a piece, and no event. One that is so slow that an event is forgotten while it is being sent gets
//! no more of it; the stream ends, and it may come back. (axum's own type for such events has each of them whole.)

use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::HeaderMap;
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use super::target::Params;
use super::{Admin, AdminError};
use crate::http::answers::sse::{self, LAST_EVENT_ID};
use crate::model::Username;
use crate::sinks::{EventId, EventReader, Missed, Reading, Remembered};

/// A comment is sent after this much silence, so that a reader that is gone is noticed, and proxies keep the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// So much of an event is sent at once, bytes.
const PIECE: usize = 16 << 10;
/// Of an id that somebody made up, no more than this is repeated.
const LONGEST_ID: usize = 64;

/// `GET /events`: everything from now on, or after the last event that the reader has, of all or of one domain or user.
/// What a reader has missed is counted with that of others.
pub(super) async fn follow(
    State(admin): State<Arc<Admin>>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, AdminError> {
    let filter =
        Filter { domain: params.host(&admin)?.map(|rosters| Arc::clone(rosters.domain())), user: params.user()? };
    let Ok(permit) = Arc::clone(&admin.streams).try_acquire_owned() else {
        return Err(AdminError::TooManyStreams { limit: admin.max_streams });
    };
    let reader = admin.events.subscribe(last_id(&headers, &params).as_deref());
    // Tells the reader, at once, that nothing is missed from here on.
    let hello = format!("id: {}\n: roster events\n\n", reader.id());
    let following = Following { told: reader.id(), reader, filter, sending: None };
    let events = stream::unfold(following, |mut following| async { Some((following.next().await?, following)) });
    let events =
        stream::iter([hello.into()]).chain(events).take_until(admin.stop.clone().cancelled_owned()).map(move |piece| {
            let _held = &permit;
            Ok::<Bytes, Infallible>(piece)
        });
    Ok(sse::answer(Body::from_stream(events)))
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
    fn lets_through(&self, event: &Remembered) -> bool {
        self.domain.as_ref().is_none_or(|domain| domain == event.domain())
            && self.user.as_ref().is_none_or(|user| user == event.user())
    }
}

struct Following {
    reader: EventReader,
    filter: Filter,
    /// The last id that was sent.
    told: EventId,
    /// An event that has been sent in part.
    sending: Option<Sending>,
}

struct Sending {
    id: EventId,
    event: Weak<Remembered>,
    /// Bytes of its JSON.
    sent: usize,
}

impl Following {
    /// What is sent next; `None`: the stream ends.
    async fn next(&mut self) -> Option<Bytes> {
        if self.sending.is_some() {
            return self.piece(String::new()).await;
        }
        let silent = sleep_until(Instant::now() + KEEP_ALIVE);
        tokio::pin!(silent);
        loop {
            let reading = tokio::select! {
                reading = self.reader.next() => reading,
                () = &mut silent => return Some(self.sign_of_life()),
            };
            match reading {
                Reading::Missed(lost) => {
                    self.told = self.reader.id();
                    return Some(missed(&lost));
                }
                Reading::Event(id, event) => {
                    if let Some(piece) = self.begin(id, event).await {
                        self.told = self.reader.id();
                        return Some(piece);
                    }
                }
            }
            // Many events may be for others.
            tokio::task::consume_budget().await;
        }
    }

    /// The first piece of an event; `None` if it is for others, or has been forgotten: then it is missed.
    async fn begin(&mut self, id: EventId, event: Weak<Remembered>) -> Option<Bytes> {
        let name = event.upgrade().map(|event| self.filter.lets_through(&event).then(|| event.name()));
        let piece = match name {
            Some(None) => return None,
            None => None,
            Some(Some(name)) => {
                let head = format!("event: {name}\nid: {id}\ndata: ");
                self.sending = Some(Sending { id: id.clone(), event, sent: 0 });
                self.piece(head).await
            }
        };
        if piece.is_none() {
            self.sending = None;
            self.reader.back_before(&id);
        }
        piece
    }

    /// The next piece of the event that is being sent, behind `head`.
    async fn piece(&mut self, head: String) -> Option<Bytes> {
        let Sending { id, event, sent } = self.sending.as_mut()?;
        let json = self.reader.json(id, event).await?;
        let rest = json.get(*sent..).unwrap_or_default();
        let (piece, more) = rest.split_at(rest.len().min(PIECE));
        *sent += piece.len();
        let mut text = head.into_bytes();
        // A copy: a part of what is shared would keep all of it.
        text.extend_from_slice(piece);
        if more.is_empty() {
            text.extend_from_slice(b"\n\n");
            self.sending = None;
        }
        Some(text.into())
    }

    /// A comment, and the id of what was passed over meanwhile: a field without data is no event, and still moves the
    /// reader on.
    fn sign_of_life(&mut self) -> Bytes {
        let (here, mut text) = (self.reader.id(), String::new());
        if here != self.told {
            let _ = writeln!(text, "id: {here}");
        }
        self.told = here;
        (text + ": \n\n").into()
    }
}

fn missed(missed: &Missed) -> Bytes {
    let Missed { count, after, to } = missed;
    let data = json!({ "event": "missed", "missed": count, "after": after, "to": to.to_string() });
    format!("event: missed\nid: {to}\ndata: {data}\n\n").into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sinks::{EventKind, EventStream, RosterEvent, RosterSink};

    async fn text(following: &mut Following) -> String {
        String::from_utf8(following.next().await.unwrap().to_vec()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_stream_shows_that_it_lives_and_how_far_its_reader_is() {
        let events = Arc::new(EventStream::new(1024, 1 << 20));
        let user = |name: &str| Username::new(name).unwrap();
        let reader = events.subscribe(None);
        let filter = Filter { domain: None, user: Some(user("john")) };
        let mut following = Following { told: reader.id(), reader, filter, sending: None };
        let began = Instant::now();
        assert_eq!(text(&mut following).await, ": \n\n", "nothing has happened");
        assert_eq!(began.elapsed(), KEEP_ALIVE);
        for version in 1..=9 {
            let kind = EventKind::Dropped { version };
            events.deliver(Arc::new(RosterEvent { domain: "x".into(), user: user("marie"), kind })).await.unwrap();
        }
        let id = events.subscribe(None).id();
        assert_eq!(text(&mut following).await, format!("id: {id}\n: \n\n"), "others' events are behind it");
        assert_eq!(began.elapsed(), 2 * KEEP_ALIVE);
        assert_eq!(text(&mut following).await, ": \n\n", "and it was told");
    }
}
