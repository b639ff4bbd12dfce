//! The hook `read-response`, by hand: the generated one would copy the body of the response before it is lowered, and cannot
//! lend what is shared.

use std::sync::Arc;

use bytes::Bytes;
use wasmtime::component::{ComponentExportIndex, ComponentType, Instance, InstancePre, Lower, Resource, TypedFunc};
use wasmtime::{Error, Result, Store};

use super::{V0_1, wit};
use crate::plugin::imports::state::State;
use crate::plugin::imports::store::KnownRoster;
use crate::plugin::wit::version::{HOOKS, Header, READ_RESPONSE, Received, Version};

#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct HeaderField {
    name: Arc<str>,
    value: String,
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct Response {
    status: u16,
    headers: Vec<HeaderField>,
    body: Bytes,
}

impl Response {
    pub(super) fn new(status: u16, headers: Vec<Header>, body: Bytes) -> Self {
        let headers = headers.into_iter().map(|Header { name, value }| HeaderField { name, value });
        Self { status, headers: headers.collect(), body }
    }
}

pub(super) type Params = (String, Option<Bytes>, Option<Resource<KnownRoster>>, Response, Bytes);
pub(super) type Returned = (std::result::Result<wit::Step, wit::FetchError>,);

/// Where the hook is in a component.
pub(super) struct Place(ComponentExportIndex);

impl Place {
    pub(super) fn find(pre: &InstancePre<State>) -> Result<Self> {
        let component = pre.component();
        // Of another patch version, too: they are one to wasmtime. A component may have hooks of several tracks.
        let hooks = component.get_export_index(None, format!("{HOOKS}@{}", V0_1.number()));
        let place = component.get_export_index(hooks.as_ref(), READ_RESPONSE);
        place.map(Self).ok_or_else(|| Error::msg(format!("the hook {READ_RESPONSE} is missing")))
    }

    /// The hook of one instance.
    pub(super) fn of(&self, instance: &Instance, store: &mut Store<State>) -> Result<ReadResponse> {
        Ok(ReadResponse(instance.get_typed_func(store, self.0)?))
    }
}

/// The hook of one instance.
pub(super) struct ReadResponse(TypedFunc<Params, Returned>);

impl ReadResponse {
    pub(super) async fn call(
        &self,
        store: &mut Store<State>,
        received: Received,
    ) -> Result<std::result::Result<wit::Step, wit::FetchError>> {
        let Received { user, tag, known, status, headers, body, state } = received;
        let known = known.map(|known| store.data_mut().table.push(KnownRoster(known))).transpose()?;
        let lent = known.as_ref().map(|known| Resource::new_borrow(known.rep()));
        let params = (user.as_str().to_owned(), tag, lent, Response::new(status, headers, body), state);
        let (step,) = self.0.call_async(&mut *store, params).await?;
        if let Some(known) = known {
            store.data_mut().table.delete(known)?;
        }
        Ok(step)
    }
}
