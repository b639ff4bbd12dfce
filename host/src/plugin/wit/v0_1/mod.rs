//! `xmpp:roster@0.1.0`, and every 0.1 whose types are the same.

mod bindings;
mod bulk;
mod convert;
mod read_response;

use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use wasmtime::component::types::{self, ComponentFunc};
use wasmtime::component::{InstancePre, Linker};
use wasmtime::{Result, Store};

use self::bindings::xmpp::roster::types as wit;
use super::version::{
    Bulk, Checked, Hooks, MAKE_REQUEST, Needs, Prepared, READ_RESPONSE, Received, SettingFault, Step, Version, Wanted,
};
use crate::model::Username;
use crate::plugin::api::{BadRequest, FetchError, Outcome, Reply};
use crate::plugin::imports::state::State;
use crate::plugin::imports::store;

/// See the module.
pub(super) struct V0_1;

impl Version for V0_1 {
    fn number(&self) -> &'static str {
        "0.1.0"
    }

    fn wit(&self) -> &'static str {
        include_str!("../../../../wit/hooks.wit")
    }

    fn typecheck(&self, hook: &str, func: &ComponentFunc, of: &types::Component) -> Result<()> {
        type Or<T, E> = (std::result::Result<T, E>,);
        let types = &of.instance_type();
        match hook {
            "check" => func.typecheck::<(), Or<wit::Needs, wit::ConfigError>>(types),
            MAKE_REQUEST => func.typecheck::<(&str, Option<&[u8]>), Or<wit::Request, wit::FetchError>>(types),
            "changed-users" => func.typecheck::<(&[u8],), Or<Vec<String>, wit::BadRequest>>(types),
            READ_RESPONSE => {
                let checked = func.typecheck::<read_response::Params, read_response::Returned>(types);
                // A resource gets its identity with the first instance; what follows it in the type is compared then.
                checked.or_else(|wrong| match wrong.root_cause().to_string().as_str() {
                    "resource type mismatch" => Ok(()),
                    _ => Err(wrong),
                })
            }
            "summary" => func.typecheck::<(&wit::Outcome,), (wit::Reply,)>(types),
            _ => Ok(()),
        }
    }

    fn add_to_linker(&self, linker: &mut Linker<State>) -> Result<()> {
        let mut store = linker.instance("xmpp:roster/store@0.1.0")?;
        store::add_methods(&mut store)?;
        store.func_wrap("[method]snapshot.contacts", |context, (known,)| {
            let snapshot = store::snapshot(&context, &known)?;
            let contacts: Vec<wit::Contact> = snapshot.contacts().iter().map(convert::contact).collect();
            Ok((contacts,))
        })
    }

    fn prepare(&self, pre: InstancePre<State>) -> Result<Arc<dyn Prepared>> {
        let (read_response, bulk) = (read_response::Place::find(&pre)?, bulk::Places::find(&pre)?);
        Ok(Arc::new(Linked { hooks: bindings::HooksIndices::new(&pre)?, read_response, bulk, pre }))
    }
}

/// A component whose hooks have been found.
struct Linked {
    pre: InstancePre<State>,
    hooks: bindings::HooksIndices,
    read_response: read_response::Place,
    bulk: Option<bulk::Places>,
}

impl Prepared for Linked {
    fn instantiate<'a>(&'a self, store: &'a mut Store<State>) -> BoxFuture<'a, Result<Box<dyn Hooks>>> {
        async move {
            let instance = self.pre.instantiate_async(&mut *store).await?;
            let hooks = self.hooks.load(&mut *store, &instance)?;
            let read_response = self.read_response.of(&instance, store)?;
            let bulk = self.bulk.as_ref().map(|places| places.of(&instance, store)).transpose()?;
            Ok(Box::new(Loaded { hooks, read_response, bulk }) as Box<dyn Hooks>)
        }
        .boxed()
    }

    fn has_bulk(&self) -> bool {
        self.bulk.is_some()
    }
}

/// One instance.
struct Loaded {
    hooks: bindings::Hooks,
    read_response: read_response::ReadResponse,
    bulk: Option<bulk::Functions>,
}

impl Loaded {
    fn xmpp_roster_hooks(&self) -> &bindings::exports::xmpp::roster::hooks::Guest {
        self.hooks.xmpp_roster_hooks()
    }
}

impl Hooks for Loaded {
    fn check<'a>(&'a self, store: &'a mut Store<State>) -> BoxFuture<'a, Result<Checked>> {
        async move {
            let checked = self.xmpp_roster_hooks().call_check(&mut *store).await?;
            let needs = match checked {
                Ok(needs) => Needs::named(&needs.response_headers)?,
                Err(wrong) => return Ok(Err(SettingFault { key: wrong.key, reason: wrong.reason })),
            };
            let users_per_request = match &self.bulk {
                Some(bulk) => bulk.users_per_request(store).await?,
                None => 0,
            };
            Ok(Ok(Needs { users_per_request, ..needs }))
        }
        .boxed()
    }

    fn make_request<'a>(
        &'a self,
        store: &'a mut Store<State>,
        user: Username,
        tag: Option<Bytes>,
    ) -> BoxFuture<'a, Result<std::result::Result<Wanted, FetchError>>> {
        async move {
            let tag = tag.map(Vec::from);
            let request = self.xmpp_roster_hooks().call_make_request(store, user.as_str(), tag.as_ref()).await?;
            Ok(request.map(convert::request).map_err(convert::fetch_error))
        }
        .boxed()
    }

    fn read_response<'a>(
        &'a self,
        store: &'a mut Store<State>,
        received: Received,
    ) -> BoxFuture<'a, Result<std::result::Result<Step, FetchError>>> {
        async move {
            let step = self.read_response.call(store, received).await?;
            Ok(step.map(convert::step).map_err(convert::fetch_error))
        }
        .boxed()
    }

    fn bulk(&self) -> Option<&dyn Bulk> {
        self.bulk.as_ref().map(|bulk| bulk as &dyn Bulk)
    }

    fn changed_users<'a>(
        &'a self,
        store: &'a mut Store<State>,
        body: Bytes,
    ) -> BoxFuture<'a, Result<std::result::Result<Vec<String>, BadRequest>>> {
        async move {
            let users = self.xmpp_roster_hooks().call_changed_users(store, &body).await?;
            Ok(users.map_err(convert::bad_request))
        }
        .boxed()
    }

    fn summary<'a>(&'a self, store: &'a mut Store<State>, outcome: Outcome) -> BoxFuture<'a, Result<Reply>> {
        async move {
            let reply = self.xmpp_roster_hooks().call_summary(store, &convert::outcome(outcome)).await?;
            Ok(convert::reply(reply))
        }
        .boxed()
    }
}
