//! `xmpp:roster@0.1.0`, and every 0.1 whose types are the same.

mod bindings;
mod convert;
mod exchange;

use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use wasmtime::component::types::{self, ComponentFunc};
use wasmtime::component::{InstancePre, Linker, Resource};
use wasmtime::{Result, Store};

use self::bindings::xmpp::roster::types as wit;
use super::contract::{Answer, BadRequest, FetchError, FetchedRoster, Outcome, Refreshed};
use super::known_roster::{self, KnownRoster};
use super::state::State;
use super::version::{Checked, Hooks, Prepared, SettingFault, TwoHalves, Version};
use crate::model::Username;

/// See the module.
pub(super) struct V0_1;

impl Version for V0_1 {
    fn number(&self) -> &'static str {
        "0.1.0"
    }

    fn wit(&self) -> &'static str {
        include_str!("../../../wit/hooks.wit")
    }

    fn typecheck(&self, hook: &str, func: &ComponentFunc, of: &types::Component) -> Result<()> {
        type Or<T, E> = (std::result::Result<T, E>,);
        let types = &of.instance_type();
        match hook {
            "check" => func.typecheck::<(), Or<(), wit::ConfigError>>(types),
            "fetch" => func.typecheck::<(&str,), Or<wit::Roster, wit::FetchError>>(types),
            "changed-users" => func.typecheck::<(&[u8],), Or<Vec<String>, wit::BadRequest>>(types),
            "refresh" => {
                let checked =
                    func.typecheck::<(&str, Resource<KnownRoster>), Or<wit::Refreshed, wit::FetchError>>(types);
                // A resource gets its identity with the first instance; what follows it in the type is compared then.
                checked.or_else(|wrong| match wrong.root_cause().to_string().as_str() {
                    "resource type mismatch" => Ok(()),
                    _ => Err(wrong),
                })
            }
            "summary" => func.typecheck::<(&wit::Outcome,), (wit::Answer,)>(types),
            _ => Ok(()),
        }
    }

    fn add_to_linker(&self, linker: &mut Linker<State>) -> Result<()> {
        let mut store = linker.instance("xmpp:roster/store@0.1.0")?;
        known_roster::add_methods(&mut store)?;
        store.func_wrap("[method]snapshot.contacts", |context, (known,)| {
            let snapshot = known_roster::snapshot(&context, &known)?;
            let contacts: Vec<wit::Contact> = snapshot.contacts().iter().map(convert::contact).collect();
            Ok((contacts,))
        })
    }

    fn prepare(&self, pre: InstancePre<State>) -> Result<Arc<dyn Prepared>> {
        let halves = exchange::Place::find(pre.engine(), pre.component())?;
        Ok(Arc::new(Linked { hooks: bindings::HooksIndices::new(&pre)?, halves, pre }))
    }
}

/// A component whose hooks have been found.
struct Linked {
    pre: InstancePre<State>,
    hooks: bindings::HooksIndices,
    halves: Option<exchange::Place>,
}

impl Prepared for Linked {
    fn has_halves(&self) -> bool {
        self.halves.is_some()
    }

    fn instantiate<'a>(&'a self, store: &'a mut Store<State>) -> BoxFuture<'a, Result<Box<dyn Hooks>>> {
        async move {
            let instance = self.pre.instantiate_async(&mut *store).await?;
            let hooks = self.hooks.load(&mut *store, &instance)?;
            let halves = self.halves.as_ref().map(|place| place.of(&instance, store)).transpose()?;
            Ok(Box::new(Loaded { hooks, halves }) as Box<dyn Hooks>)
        }
        .boxed()
    }
}

/// One instance.
struct Loaded {
    hooks: bindings::Hooks,
    halves: Option<exchange::Halves>,
}

impl Loaded {
    fn xmpp_roster_hooks(&self) -> &bindings::exports::xmpp::roster::hooks::Guest {
        self.hooks.xmpp_roster_hooks()
    }
}

impl Hooks for Loaded {
    fn halves(&self) -> Option<&dyn TwoHalves> {
        self.halves.as_ref().map(|halves| halves as &dyn TwoHalves)
    }

    fn check<'a>(&'a self, store: &'a mut Store<State>) -> BoxFuture<'a, Result<Checked>> {
        async move {
            let checked = self.xmpp_roster_hooks().call_check(store).await?;
            Ok(checked.map_err(|wrong| SettingFault { key: wrong.key, reason: wrong.reason }))
        }
        .boxed()
    }

    fn fetch<'a>(
        &'a self,
        store: &'a mut Store<State>,
        user: Username,
    ) -> BoxFuture<'a, Result<std::result::Result<FetchedRoster, FetchError>>> {
        async move {
            let roster = self.xmpp_roster_hooks().call_fetch(store, user.as_str()).await?;
            Ok(roster.map(convert::roster).map_err(convert::fetch_error))
        }
        .boxed()
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

    fn refresh<'a>(
        &'a self,
        store: &'a mut Store<State>,
        user: Username,
        known: KnownRoster,
    ) -> BoxFuture<'a, Result<std::result::Result<Refreshed, FetchError>>> {
        async move {
            let known = store.data_mut().table.push(known)?;
            let lent = Resource::new_borrow(known.rep());
            let refreshed = self.xmpp_roster_hooks().call_refresh(&mut *store, user.as_str(), lent).await?;
            store.data_mut().table.delete(known)?;
            Ok(refreshed.map(convert::refreshed).map_err(convert::fetch_error))
        }
        .boxed()
    }

    fn summary<'a>(&'a self, store: &'a mut Store<State>, outcome: Outcome) -> BoxFuture<'a, Result<Answer>> {
        async move {
            let answer = self.xmpp_roster_hooks().call_summary(store, &convert::outcome(outcome)).await?;
            Ok(convert::answer(answer))
        }
        .boxed()
    }
}
