//! The interface `bulk`, which a component may have. By hand: the body of a response is lent, and not every component has it.

use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{ComponentExportIndex, ComponentType, Instance, InstancePre, Lift, Lower, TypedFunc};
use wasmtime::{Error, Result, Store};

use super::read_response::Response;
use super::{convert, wit};
use crate::model::Username;
use crate::plugin::api::FetchError;
use crate::plugin::imports::state::State;
use crate::plugin::wit::version::{Bulk, BulkReceived, Part, PartBody, Piece, Wanted};

const BULK: &str = "xmpp:roster/bulk@0.1.0";

#[derive(ComponentType, Lower)]
#[component(record)]
struct WantedUser {
    user: Arc<str>,
    tag: Option<Bytes>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
struct Slice {
    offset: u32,
    length: u32,
}

#[derive(ComponentType, Lift)]
#[component(variant)]
enum Body {
    #[component(name = "slice")]
    Slice(Slice),
    #[component(name = "bytes")]
    Bytes(Vec<u8>),
}

#[derive(ComponentType, Lift)]
#[component(record)]
struct PartOfUser {
    status: u16,
    headers: Vec<wit::Header>,
    body: Body,
}

#[derive(ComponentType, Lift)]
#[component(variant)]
enum PieceOfResponse {
    #[component(name = "part")]
    Part(PartOfUser),
    #[component(name = "unchanged")]
    Unchanged,
    #[component(name = "missing")]
    Missing,
}

type Or<T> = (std::result::Result<T, wit::FetchError>,);
type Users = (Vec<Arc<str>>, Response);
type Pieces = Or<Vec<PieceOfResponse>>;

/// Where the functions are in a component.
pub(super) struct Places {
    users_per_request: ComponentExportIndex,
    make_request: ComponentExportIndex,
    split_response: ComponentExportIndex,
}

impl Places {
    /// None: the component has no such interface.
    pub(super) fn find(pre: &InstancePre<State>) -> Result<Option<Self>> {
        let component = pre.component();
        let Some((ComponentItem::ComponentInstance(_), bulk)) = component.get_export(None, BULK) else {
            return Ok(None);
        };
        let ty = component.component_type();
        let types = &ty.instance_type();
        let place = |name: &str| -> Result<ComponentExportIndex> {
            let Some((ComponentItem::ComponentFunc(func), place)) = component.get_export(Some(&bulk), name) else {
                return Err(Error::msg(format!("{BULK} has no function {name}")));
            };
            let checked = match name {
                "users-per-request" => func.typecheck::<(), (u32,)>(types),
                "make-bulk-request" => func.typecheck::<(Vec<WantedUser>,), Or<wit::Request>>(types),
                _ => func.typecheck::<Users, Pieces>(types),
            };
            checked.map_err(|wrong| Error::msg(format!("{name} of {BULK} is of another type: {wrong:#}")))?;
            Ok(place)
        };
        Ok(Some(Self {
            users_per_request: place("users-per-request")?,
            make_request: place("make-bulk-request")?,
            split_response: place("split-response")?,
        }))
    }

    /// The functions of one instance.
    pub(super) fn of(&self, instance: &Instance, store: &mut Store<State>) -> Result<Functions> {
        Ok(Functions {
            users_per_request: instance.get_typed_func(&mut *store, self.users_per_request)?,
            make_request: instance.get_typed_func(&mut *store, self.make_request)?,
            split_response: instance.get_typed_func(&mut *store, self.split_response)?,
        })
    }
}

/// The functions of one instance.
pub(super) struct Functions {
    users_per_request: TypedFunc<(), (u32,)>,
    make_request: TypedFunc<(Vec<WantedUser>,), Or<wit::Request>>,
    split_response: TypedFunc<Users, Pieces>,
}

impl Functions {
    pub(super) async fn users_per_request(&self, store: &mut Store<State>) -> Result<u32> {
        Ok(self.users_per_request.call_async(store, ()).await?.0)
    }
}

impl Bulk for Functions {
    fn make_request<'a>(
        &'a self,
        store: &'a mut Store<State>,
        users: Vec<(Username, Option<Bytes>)>,
    ) -> BoxFuture<'a, Result<std::result::Result<Wanted, FetchError>>> {
        async move {
            let users = users.into_iter().map(|(user, tag)| WantedUser { user: user.into(), tag }).collect();
            let (request,) = self.make_request.call_async(store, (users,)).await?;
            Ok(request.map(convert::request).map_err(convert::fetch_error))
        }
        .boxed()
    }

    fn split_response<'a>(
        &'a self,
        store: &'a mut Store<State>,
        received: BulkReceived,
    ) -> BoxFuture<'a, Result<std::result::Result<Vec<Piece>, FetchError>>> {
        async move {
            let BulkReceived { users, status, headers, body } = received;
            let users = users.into_iter().map(Into::into).collect();
            let response = Response::new(status, headers, body);
            let (pieces,) = self.split_response.call_async(store, (users, response)).await?;
            Ok(pieces.map(|pieces| pieces.into_iter().map(piece).collect()).map_err(convert::fetch_error))
        }
        .boxed()
    }
}

fn piece(piece: PieceOfResponse) -> Piece {
    match piece {
        PieceOfResponse::Unchanged => Piece::Unchanged,
        PieceOfResponse::Missing => Piece::Missing,
        PieceOfResponse::Part(PartOfUser { status, headers, body }) => Piece::Part(Part {
            status,
            headers: headers.into_iter().map(|header| (header.name, header.value)).collect(),
            body: match body {
                Body::Slice(Slice { offset, length }) => PartBody::Slice { offset, length },
                Body::Bytes(bytes) => PartBody::Bytes(bytes),
            },
        }),
    }
}
