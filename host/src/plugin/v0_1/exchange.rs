//! `xmpp:roster/exchange`: `refresh` in two halves, of plugins that have it so.
//!
//! By hand and not generated: to the bindings every export of a world is there, and this one need not be. It also lends
//! the body of a response to the plugin without a copy in between.

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::header;
use wasmtime::component::types::{self, ComponentItem};
use wasmtime::component::{
    Component, ComponentExportIndex, ComponentNamedList, ComponentType, Instance, Lift, Lower, Resource, TypedFunc,
};
use wasmtime::{Engine, Error, Result, Store};
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;

use super::{convert, wit};
use crate::model::Username;
use crate::plugin::contract::{FetchError, Refreshed};
use crate::plugin::known_roster::KnownRoster;
use crate::plugin::requests::Answered;
use crate::plugin::state::State;
use crate::plugin::version::{TwoHalves, Wanted};

/// The interface, without its version: that is the hooks'.
const EXCHANGE: &str = "xmpp:roster/exchange@";

#[derive(ComponentType, Lift)]
#[component(record)]
struct Request {
    url: String,
    headers: Vec<(String, Vec<u8>)>,
}

#[derive(ComponentType, Lower)]
#[component(record)]
struct Response {
    status: u16,
    etag: Option<Vec<u8>>,
    body: Bytes,
}

/// What a half returns.
type Said<T> = (std::result::Result<T, wit::FetchError>,);
type AskParams = (String, Option<Vec<u8>>);
type AnswerParams = (String, Resource<KnownRoster>, std::result::Result<Response, ErrorCode>);

/// Where the two halves are in a component.
pub(super) struct Place {
    ask: ComponentExportIndex,
    answer: ComponentExportIndex,
}

impl Place {
    /// `None`: the component has `refresh` in one piece only.
    pub(super) fn find(engine: &Engine, component: &Component) -> Result<Option<Self>> {
        let ty = component.component_type();
        let Some((name, item)) = ty.exports(engine).find(|(name, _)| name.starts_with(EXCHANGE)) else {
            return Ok(None);
        };
        let ComponentItem::ComponentInstance(halves) = item.ty else { return Ok(None) };
        typecheck::<AskParams, Said<Request>>(engine, &halves, &ty, "ask")?;
        typecheck::<AnswerParams, Said<wit::Refreshed>>(engine, &halves, &ty, "answer")?;
        let whole = component.get_export_index(None, name);
        let half = |name| component.get_export_index(whole.as_ref(), name).ok_or_else(|| missing(name));
        Ok(Some(Self { ask: half("ask")?, answer: half("answer")? }))
    }

    /// The halves of one instance.
    pub(super) fn of(&self, instance: &Instance, store: &mut Store<State>) -> Result<Halves> {
        Ok(Halves {
            ask: instance.get_typed_func(&mut *store, self.ask)?,
            answer: instance.get_typed_func(&mut *store, self.answer)?,
        })
    }
}

/// Compares a half's type with `Params` and `Results`.
fn typecheck<Params, Results>(
    engine: &Engine,
    halves: &types::ComponentInstance,
    of: &types::Component,
    name: &str,
) -> Result<()>
where
    Params: ComponentNamedList + Lower,
    Results: ComponentNamedList + Lift,
{
    let Some(ComponentItem::ComponentFunc(func)) = halves.get_export(engine, name).map(|export| export.ty) else {
        return Err(missing(name));
    };
    match func.typecheck::<Params, Results>(&of.instance_type()) {
        // A resource gets its identity with the first instance; what follows it in the type is compared then.
        Err(wrong) if wrong.root_cause().to_string() != "resource type mismatch" => {
            Err(wrong.context(format!("{EXCHANGE}: {name} has another type")))
        }
        _ => Ok(()),
    }
}

fn missing(name: &str) -> Error {
    Error::msg(format!("the interface exchange has no function {name}"))
}

/// `refresh` of one instance, in two halves.
pub(super) struct Halves {
    ask: TypedFunc<AskParams, Said<Request>>,
    answer: TypedFunc<AnswerParams, Said<wit::Refreshed>>,
}

impl TwoHalves for Halves {
    fn ask<'a>(
        &'a self,
        store: &'a mut Store<State>,
        user: &Username,
        tag: Option<Vec<u8>>,
    ) -> BoxFuture<'a, Result<std::result::Result<Wanted, FetchError>>> {
        let user = user.as_str().to_owned();
        async move {
            let (asked,) = self.ask.call_async(store, (user, tag)).await?;
            Ok(match asked {
                Ok(Request { url, headers }) => Ok(Wanted { url, headers }),
                Err(error) => Err(convert::fetch_error(error)),
            })
        }
        .boxed()
    }

    fn answer<'a>(
        &'a self,
        store: &'a mut Store<State>,
        user: &Username,
        known: KnownRoster,
        answered: Answered,
    ) -> BoxFuture<'a, Result<std::result::Result<Refreshed, FetchError>>> {
        let user = user.as_str().to_owned();
        async move {
            let known = store.data_mut().table.push(known)?;
            let lent = Resource::new_borrow(known.rep());
            let (refreshed,) = self.answer.call_async(&mut *store, (user, lent, answered.map(response))).await?;
            store.data_mut().table.delete(known)?;
            Ok(refreshed.map(convert::refreshed).map_err(convert::fetch_error))
        }
        .boxed()
    }
}

fn response(response: http::Response<Bytes>) -> Response {
    let mut etags = response.headers().get_all(header::ETAG).iter();
    // Two say nothing.
    let etag = etags.next().filter(|_| etags.next().is_none()).map(|etag| etag.as_bytes().to_vec());
    Response { status: response.status().as_u16(), etag, body: response.into_body() }
}
