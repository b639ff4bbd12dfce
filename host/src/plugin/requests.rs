//! `wasi:http/outgoing-handler`, and the `future-incoming-response` it returns; [`super::responses`] has what comes of
//! that.
//!
//! The rest of `wasi:http` is wasmtime-wasi-http's. Its own handler starts two tasks for every request; each of them
//! wakes another thread, which costs more than all else that lies between the plugin and the client. Here a call's only
//! request is driven by the plugin's wait for it, on the thread and in the task of the call.
//!
//! Any request starts when it is handed over. From then on:
//!
//! - One without a body goes on while the plugin waits for it, alone or with other things (`poll`).
//! - Any number at once, and one with a body (which the plugin still has to write), go on by themselves: as tasks.
//! - Dropping the `future-incoming-response` ends the exchange, and so does the end of the call.

use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, Method, Request, Response, Uri, header};
use wasmtime::component::{Linker, Resource, ResourceType};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};
use wasmtime_wasi::runtime::AbortOnDropJoinHandle;
use wasmtime_wasi_http::p2::bindings::http::types::{self, ErrorCode};
use wasmtime_wasi_http::p2::types::HostOutgoingRequest;
use wasmtime_wasi_http::{RequestOptions, WasiBody};

use super::cpu::CpuMeter;
use super::request_parts::{self, LastRequest};
use super::responses::{self, IncomingResponse};
use super::state::State;

/// The version of `wasi:http` that wasmtime-wasi-http speaks. Another would not link: a plugin's imports are all looked
/// for under one name.
pub(super) const TYPES: &str = "wasi:http/types@0.2.12";
const HANDLER: &str = "wasi:http/outgoing-handler@0.2.12";

/// How a request ended.
pub(super) type Answered = Result<Response<Bytes>, ErrorCode>;

/// The resource `future-incoming-response`.
pub(super) struct PendingResponse(Progress);

enum Progress {
    /// Goes on while somebody waits for it.
    Driven(Exchange),
    /// Goes on by itself.
    Task(AbortOnDropJoinHandle<Answered>),
    Here(Answered),
    /// The plugin has it.
    Taken,
}

/// An exchange within a call. What the host does for it is not the plugin's computing.
struct Exchange {
    exchange: BoxFuture<'static, Answered>,
    cpu: CpuMeter,
}

impl Future for Exchange {
    type Output = Answered;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answered> {
        let Self { exchange, cpu } = &mut *self;
        cpu.uncharged(|| exchange.as_mut().poll(context))
    }
}

impl PendingResponse {
    /// Starts `exchange`.
    fn start(exchange: BoxFuture<'static, Answered>, by_itself: bool, cpu: CpuMeter) -> Self {
        if by_itself {
            return Self(Progress::Task(wasmtime_wasi::runtime::spawn(exchange)));
        }
        let mut exchange = Exchange { exchange, cpu };
        // Once, so that the request is on its way while the plugin does something else. Whoever waits polls again.
        match Pin::new(&mut exchange).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => Self(Progress::Here(answer)),
            Poll::Pending => Self(Progress::Driven(exchange)),
        }
    }

    /// From now on it needs nobody who waits. False if it has ended already.
    fn detach(&mut self) -> bool {
        match mem::replace(&mut self.0, Progress::Taken) {
            Progress::Driven(Exchange { exchange, .. }) => {
                self.0 = Progress::Task(wasmtime_wasi::runtime::spawn(exchange));
            }
            other => self.0 = other,
        }
        matches!(self.0, Progress::Task(_))
    }
}

#[async_trait]
impl Pollable for PendingResponse {
    async fn ready(&mut self) {
        let answer = match &mut self.0 {
            Progress::Driven(exchange) => exchange.await,
            Progress::Task(task) => task.await,
            Progress::Here(_) | Progress::Taken => return,
        };
        self.0 = Progress::Here(answer);
    }
}

/// Puts these in the place of wasmtime-wasi-http's, which must be in `linker` already.
pub(super) fn add_to_linker(linker: &mut Linker<State>) -> Result<()> {
    linker.allow_shadowing(true);
    let mut types = linker.instance(TYPES)?;
    types.resource("future-incoming-response", ResourceType::host::<PendingResponse>(), |mut context, rep| {
        context.data_mut().table.delete(Resource::<PendingResponse>::new_own(rep))?;
        Ok(())
    })?;
    types.func_wrap("[method]future-incoming-response.subscribe", |mut context, (pending,)| {
        Ok((subscribe_to(&mut context, pending)?,))
    })?;
    types.func_wrap("[method]future-incoming-response.get", |mut context, (pending,)| {
        Ok((get(&mut context, &pending)?,))
    })?;
    linker
        .instance(HANDLER)?
        .func_wrap("handle", |mut context, (request, options)| Ok((handle(context.data_mut(), request, options)?,)))?;
    request_parts::add_to_linker(linker)?;
    responses::add_to_linker(linker)?;
    linker.allow_shadowing(false);
    Ok(())
}

fn subscribe_to(
    context: &mut StoreContextMut<'_, State>,
    pending: Resource<PendingResponse>,
) -> Result<Resource<DynPollable>> {
    subscribe(&mut context.data_mut().table, pending)
}

/// `None`: not here yet. `Some(Err(()))`: the plugin has it already.
type Got = Option<Result<Result<Resource<IncomingResponse>, ErrorCode>, ()>>;

fn get(context: &mut StoreContextMut<'_, State>, pending: &Resource<PendingResponse>) -> Result<Got> {
    let table = &mut context.data_mut().table;
    let pending = table.get_mut(pending)?;
    let answer = match mem::replace(&mut pending.0, Progress::Taken) {
        Progress::Here(answer) => answer,
        Progress::Taken => return Ok(Some(Err(()))),
        under_way => {
            pending.0 = under_way;
            return Ok(None);
        }
    };
    Ok(Some(Ok(match answer {
        Ok(answer) => Ok(table.push(IncomingResponse::from(answer))?),
        Err(code) => Err(code),
    })))
}

fn handle(
    state: &mut State,
    request: Resource<HostOutgoingRequest>,
    options: Option<Resource<RequestOptions>>,
) -> Result<Result<Resource<PendingResponse>, ErrorCode>> {
    let State { table, outgoing, .. } = state;
    let options = options.map(|options| table.delete(options)).transpose()?.unwrap_or_default();
    let (head, body) = match head(&mut outgoing.last, table.delete(request)?) {
        Ok(request) => request,
        Err(code) => return Ok(Err(code)),
    };
    let has_body = body.is_some();
    let exchange = match outgoing.send(head, body, options) {
        Ok(exchange) => exchange,
        Err(code) => return Ok(Err(code)),
    };
    // The one that was alone until now must not stand still while the plugin waits for this one.
    let lone = outgoing.lone.take().map(Resource::<PendingResponse>::new_borrow);
    let others = lone.is_some_and(|lone| table.get_mut(&lone).is_ok_and(PendingResponse::detach));
    let by_itself = has_body || others;
    let pending = table.push(PendingResponse::start(exchange, by_itself, outgoing.cpu.clone()))?;
    if !by_itself {
        outgoing.lone = Some(pending.rep());
    }
    Ok(Ok(pending))
}

/// The request and its body apart, if it can be sent at all.
fn head(last: &mut LastRequest, request: HostOutgoingRequest) -> Result<(Request<()>, Option<WasiBody>), ErrorCode> {
    let HostOutgoingRequest { method, scheme, authority, path_with_query, headers, body } = request;
    let headers = headers.into();
    check_length(&headers, body.is_some())?;
    let mut request = Request::new(());
    *request.method_mut() = TryInto::<Method>::try_into(method).map_err(|_| ErrorCode::HttpRequestMethodInvalid)?;
    *request.uri_mut() = uri(last, scheme, authority.as_deref(), path_with_query.as_deref())?;
    *request.headers_mut() = headers;
    Ok((request, body))
}

/// Where it goes.
fn uri(
    last: &mut LastRequest,
    scheme: Option<types::Scheme>,
    authority: Option<&str>,
    path_with_query: Option<&str>,
) -> Result<Uri, ErrorCode> {
    let invalid = || ErrorCode::HttpRequestUriInvalid;
    let mut uri = http::uri::Parts::default();
    uri.scheme = Some(match scheme {
        None | Some(types::Scheme::Https) => Scheme::HTTPS,
        Some(types::Scheme::Http) => Scheme::HTTP,
        Some(types::Scheme::Other(_)) => return Err(ErrorCode::HttpProtocolError),
    });
    uri.authority = Some(last.authority(authority.unwrap_or_default()).ok_or_else(invalid)?.clone());
    uri.path_and_query = Some(match path_with_query {
        Some(path) => last.path(path).ok_or_else(invalid)?.clone(),
        None => PathAndQuery::from_static("/"),
    });
    Uri::from_parts(uri).map_err(|_| invalid())
}

/// `content-length` is otherwise only looked at when a body is made, which a plugin need not do.
fn check_length(headers: &HeaderMap, has_body: bool) -> Result<(), ErrorCode> {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(length) = lengths.next() else { return Ok(()) };
    let digits = length.to_str().ok().filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()));
    match digits.and_then(|digits| digits.parse::<u64>().ok()) {
        Some(length) if lengths.next().is_none() && (has_body || length == 0) => Ok(()),
        Some(_) if !has_body => Err(ErrorCode::HttpRequestBodySize(Some(0))),
        _ => Err(ErrorCode::InternalError(Some("the request has no valid content-length".to_owned()))),
    }
}
