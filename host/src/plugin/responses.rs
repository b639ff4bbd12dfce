//! `incoming-response` of `wasi:http` and what follows from it: the body, its stream, its trailers.
//!
//! The client reads the whole body before the plugin hears of the response. So a body is bytes that are there, and its
//! stream never has to be waited for. wasmtime-wasi-http's body is a stream of frames that sends itself back when it is
//! dropped, and costs a dozen allocations and a copy of the body for an answer that has neither.

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Response};
use wasmtime::component::{Linker, Resource, ResourceType};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::p2::{DynInputStream, DynPollable, InputStream, Pollable, StreamError, subscribe};
use wasmtime_wasi_http::FieldMap;
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::p2::types::HostIncomingRequest;

use super::requests::TYPES;
use super::state::State;

/// The resource `incoming-response`.
pub(super) struct IncomingResponse {
    status: u16,
    headers: HeaderMap,
    /// Until the plugin has taken it.
    body: Option<Bytes>,
}

impl From<Response<Bytes>> for IncomingResponse {
    fn from(response: Response<Bytes>) -> Self {
        let (head, body) = response.into_parts();
        Self { status: head.status.as_u16(), headers: head.headers, body: Some(body) }
    }
}

/// The resource `incoming-body`.
struct IncomingBody(Option<Bytes>);

/// What stands behind the resource `input-stream`.
struct BodyStream(Bytes);

#[async_trait]
impl Pollable for BodyStream {
    async fn ready(&mut self) {}
}

impl InputStream for BodyStream {
    fn read(&mut self, size: usize) -> std::result::Result<Bytes, StreamError> {
        if self.0.is_empty() {
            return Err(StreamError::Closed);
        }
        Ok(self.0.split_to(size.min(self.0.len())))
    }
}

/// The resource `future-trailers`: there are none, which is known at once.
struct Trailers {
    taken: bool,
}

#[async_trait]
impl Pollable for Trailers {
    async fn ready(&mut self) {}
}

type Context<'a> = StoreContextMut<'a, State>;
type OrNothing<T> = std::result::Result<T, ()>;
/// The outer two say whether it is here, and whether the plugin has it already.
type GotTrailers = Option<OrNothing<std::result::Result<Option<Resource<FieldMap>>, ErrorCode>>>;

/// Puts these in the place of wasmtime-wasi-http's, in a linker that may be shadowed.
pub(super) fn add_to_linker(linker: &mut Linker<State>) -> Result<()> {
    let mut types = linker.instance(TYPES)?;
    types.resource("incoming-response", ResourceType::host::<IncomingResponse>(), delete::<IncomingResponse>)?;
    types.resource("incoming-body", ResourceType::host::<IncomingBody>(), delete::<IncomingBody>)?;
    types.resource("future-trailers", ResourceType::host::<Trailers>(), delete::<Trailers>)?;
    types.func_wrap(
        "[method]incoming-response.status",
        |context: Context<'_>, (response,): (Resource<IncomingResponse>,)| {
            Ok((context.data().table.get(&response)?.status,))
        },
    )?;
    types.func_wrap("[method]incoming-response.headers", |mut context, (response,)| {
        Ok((headers(&mut context, &response)?,))
    })?;
    types.func_wrap("[method]incoming-response.consume", |mut context, (response,)| {
        Ok((consume(&mut context, &response)?,))
    })?;
    // Nobody calls a plugin with a request, so there is none to be consumed; the type of its body has to fit.
    types.func_wrap("[method]incoming-request.consume", |_: Context<'_>, (_,): (Resource<HostIncomingRequest>,)| {
        Ok((OrNothing::<Resource<IncomingBody>>::Err(()),))
    })?;
    types.func_wrap("[method]incoming-body.stream", |mut context, (body,)| Ok((stream(&mut context, &body)?,)))?;
    types.func_wrap(
        "[static]incoming-body.finish",
        |mut context: Context<'_>, (body,): (Resource<IncomingBody>,)| {
            let table = &mut context.data_mut().table;
            table.delete(body)?;
            Ok((table.push(Trailers { taken: false })?,))
        },
    )?;
    types.func_wrap(
        "[method]future-trailers.subscribe",
        |mut context: Context<'_>, (trailers,): (Resource<Trailers>,)| {
            let pollable: Resource<DynPollable> = subscribe(&mut context.data_mut().table, trailers)?;
            Ok((pollable,))
        },
    )?;
    types.func_wrap("[method]future-trailers.get", |mut context: Context<'_>, (trailers,): (Resource<Trailers>,)| {
        let trailers = context.data_mut().table.get_mut(&trailers)?;
        let got = if std::mem::replace(&mut trailers.taken, true) { Err(()) } else { Ok(Ok(None)) };
        Ok((GotTrailers::Some(got),))
    })
}

fn delete<T: Send + 'static>(mut context: Context<'_>, rep: u32) -> Result<()> {
    context.data_mut().table.delete(Resource::<T>::new_own(rep))?;
    Ok(())
}

fn headers(context: &mut Context<'_>, response: &Resource<IncomingResponse>) -> Result<Resource<FieldMap>> {
    let State { table, outgoing, .. } = context.data_mut();
    let headers = table.get(response)?.headers.clone();
    Ok(table.push(FieldMap::new_immutable(outgoing, headers))?)
}

fn consume(
    context: &mut Context<'_>,
    response: &Resource<IncomingResponse>,
) -> Result<OrNothing<Resource<IncomingBody>>> {
    let table = &mut context.data_mut().table;
    let Some(body) = table.get_mut(response)?.body.take() else { return Ok(Err(())) };
    Ok(Ok(table.push(IncomingBody(Some(body)))?))
}

fn stream(context: &mut Context<'_>, body: &Resource<IncomingBody>) -> Result<OrNothing<Resource<DynInputStream>>> {
    let table = &mut context.data_mut().table;
    let Some(bytes) = table.get_mut(body)?.0.take() else { return Ok(Err(())) };
    let stream: DynInputStream = Box::new(BodyStream(bytes));
    Ok(Ok(table.push_child(stream, body)?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_body_is_read_in_pieces_of_the_size_asked_for_and_then_closed() {
        let mut stream = BodyStream(Bytes::from_static(b"abcde"));
        for (size, expected) in [(2, &b"ab"[..]), (0, b""), (1, b"c"), (100, b"de")] {
            assert_eq!(stream.read(size).unwrap(), expected);
        }
        assert!(matches!(stream.read(1), Err(StreamError::Closed)));
        assert!(matches!(BodyStream(Bytes::new()).read(1), Err(StreamError::Closed)));
    }
}
