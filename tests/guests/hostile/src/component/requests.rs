//! Ways to use `wasi:http` that are allowed, and that `http-roster-admin` does not need.

use super::bindings::wasi::clocks::monotonic_clock::subscribe_duration;
use super::bindings::wasi::http::outgoing_handler;
use super::bindings::wasi::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingBody, Method, OutgoingBody, OutgoingRequest, RequestOptions,
    Scheme,
};
use super::bindings::wasi::io::poll::poll;
use super::setting;

const MILLISECOND: u64 = 1_000_000;

/// `None`: `how` is no way to ask.
pub(super) fn ask(how: &str) -> Option<Result<(), String>> {
    Some(match how {
        "ask" => start("plain").and_then(|pending| body(pending, "{\"plain\":1}")),
        "ask-two-at-once" => two_at_once(),
        "ask-and-poll" => poll_both(),
        "ask-and-look-away" => look_away(),
        "ask-and-peek" => peek(),
        "ask-and-forget" => forget(),
        "ask-with-body" => with_body(),
        "ask-with-deadline" => with_deadline(),
        "ask-with-wrong-length" => wrong_length(),
        _ => return None,
    })
}

fn request(path: &str, headers: &[(&str, &str)]) -> Result<OutgoingRequest, String> {
    let headers: Vec<_> = headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
    let headers = Fields::from_list(&headers).map_err(|error| format!("{error:?}"))?;
    let request = OutgoingRequest::new(headers);
    let authority = setting("allowed").unwrap_or_default();
    request.set_scheme(Some(&Scheme::Http)).map_err(|()| "scheme")?;
    request.set_authority(Some(&authority)).map_err(|()| "authority")?;
    request.set_path_with_query(Some(&format!("/contacts/{path}"))).map_err(|()| "path")?;
    Ok(request)
}

fn start(path: &str) -> Result<FutureIncomingResponse, String> {
    outgoing_handler::handle(request(path, &[])?, None).map_err(|error| format!("{error:?}"))
}

/// Waits for a response of which only the status is wanted.
fn status(pending: FutureIncomingResponse) -> Result<u16, String> {
    pending.subscribe().block();
    match pending.get() {
        Some(Ok(response)) => response.map(|response| response.status()).map_err(|error| format!("{error:?}")),
        other => Err(format!("after waiting: {other:?}")),
    }
}

fn body(pending: FutureIncomingResponse, expected: &str) -> Result<(), String> {
    pending.subscribe().block();
    let Some(Ok(Ok(response))) = pending.get() else { return Err("no response".into()) };
    let body = response.consume().map_err(|()| "no body")?;
    let stream = body.stream().map_err(|()| "no stream")?;
    let mut whole = Vec::new();
    while let Ok(piece) = stream.blocking_read(3) {
        whole.extend(piece);
    }
    drop(stream);
    let trailers = IncomingBody::finish(body);
    trailers.subscribe().block();
    match trailers.get() {
        Some(Ok(Ok(None))) if whole == expected.as_bytes() => Ok(()),
        other => Err(format!("{:?} {other:?}", String::from_utf8_lossy(&whole))),
    }
}

fn two_at_once() -> Result<(), String> {
    let (first, second) = (start("slow-1")?, start("slow-2")?);
    // The other way round than they were sent.
    match (status(second)?, status(first)?) {
        (200, 200) => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

fn poll_both() -> Result<(), String> {
    let pending = start("slow-1")?;
    let (answer, early) = (pending.subscribe(), subscribe_duration(20 * MILLISECOND));
    let ready = poll(&[&answer, &early]);
    if ready != [1] {
        return Err(format!("the clock is faster than the application: {ready:?}"));
    }
    let late = subscribe_duration(3_600_000 * MILLISECOND);
    let ready = poll(&[&late, &answer]);
    drop(answer);
    match (ready.as_slice(), status(pending)?) {
        ([1], 200) => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

/// The request is under way while the plugin waits for something else.
fn look_away() -> Result<(), String> {
    // A connection that is there already.
    status(start("plain")?)?;
    let pending = start("looked-away")?;
    subscribe_duration(500 * MILLISECOND).block();
    drop(pending);
    Ok(())
}

fn peek() -> Result<(), String> {
    let pending = start("slow-1")?;
    if pending.get().is_some() {
        return Err("it is there before anybody has waited".into());
    }
    pending.subscribe().block();
    match (pending.get(), pending.get()) {
        (Some(Ok(Ok(_))), Some(Err(()))) => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

fn forget() -> Result<(), String> {
    drop(start("slow-1")?);
    body(start("plain")?, "{\"plain\":1}")
}

fn with_body() -> Result<(), String> {
    let request = request("posted", &[("content-length", "5")])?;
    request.set_method(&Method::Post).map_err(|()| "method")?;
    let body = request.body().map_err(|()| "body")?;
    let pending = outgoing_handler::handle(request, None).map_err(|error| format!("{error:?}"))?;
    // Written after the request was handed over, and bit by bit.
    let stream = body.write().map_err(|()| "stream")?;
    for piece in [&b"he"[..], b"llo"] {
        stream.blocking_write_and_flush(piece).map_err(|error| format!("{error:?}"))?;
    }
    drop(stream);
    OutgoingBody::finish(body, None).map_err(|error| format!("{error:?}"))?;
    match status(pending)? {
        200 => Ok(()),
        status => Err(status.to_string()),
    }
}

fn with_deadline() -> Result<(), String> {
    let options = RequestOptions::new();
    options.set_first_byte_timeout(Some(20 * MILLISECOND)).map_err(|()| "option")?;
    let pending = outgoing_handler::handle(request("slow-1", &[])?, Some(options));
    let pending = pending.map_err(|error| format!("{error:?}"))?;
    pending.subscribe().block();
    match pending.get() {
        Some(Ok(Err(ErrorCode::HttpResponseTimeout))) => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

fn wrong_length() -> Result<(), String> {
    match outgoing_handler::handle(request("plain", &[("content-length", "5")])?, None) {
        Err(ErrorCode::HttpRequestBodySize(_)) => Ok(()),
        other => Err(format!("{other:?}")),
    }
}
