//! `xmpp:roster@0.2.0-test`: a version that only tests have. It shows that a host can serve modules of several versions at
//! once, and what a version takes: this folder, and a line in `version.rs`.
//!
//! Compiled for tests of this crate alone, so that no program has it: a cargo feature would be switched on for the program
//! too whenever the whole workspace is built.

mod bindings;
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use wasmtime::component::{InstancePre, Linker, Resource};
use wasmtime::{Result, Store};

use self::bindings::xmpp::roster::types as wit;
use super::version::{Checked, Hooks, Needs, Prepared, Received, Step, Version, Wanted};
use crate::model::{Change, Contact, ContactRef, Subscription, Username};
use crate::plugin::api::{BadRequest, Delta, FetchError, FetchedRoster, Outcome, Reply};
use crate::plugin::imports::state::State;
use crate::plugin::imports::store::{self, KnownRoster};

/// See the module.
pub(super) struct Next;

impl Version for Next {
    fn number(&self) -> &'static str {
        "0.2.0-test"
    }

    fn add_to_linker(&self, linker: &mut Linker<State>) -> Result<()> {
        let mut store = linker.instance("xmpp:roster/store@0.2.0-test")?;
        store::add_methods(&mut store)?;
        store.func_wrap("[method]snapshot.contacts", |context, (known,)| {
            let snapshot = store::snapshot(&context, &known)?;
            let contacts: Vec<wit::Contact> = snapshot.contacts().iter().map(lent).collect();
            Ok((contacts,))
        })
    }

    fn prepare(&self, pre: InstancePre<State>) -> Result<Arc<dyn Prepared>> {
        Ok(Arc::new(bindings::RosterPluginPre::new(pre)?))
    }
}

impl Prepared for bindings::RosterPluginPre<State> {
    fn instantiate<'a>(&'a self, store: &'a mut Store<State>) -> BoxFuture<'a, Result<Box<dyn Hooks>>> {
        async move { Ok(Box::new(self.instantiate_async(store).await?) as Box<dyn Hooks>) }.boxed()
    }
}

impl Hooks for bindings::RosterPlugin {
    /// This version has no such hook: its plugins have no settings.
    fn check<'a>(&'a self, _store: &'a mut Store<State>) -> BoxFuture<'a, Result<Checked>> {
        async { Ok(Ok(Needs::default())) }.boxed()
    }

    fn make_request<'a>(
        &'a self,
        store: &'a mut Store<State>,
        user: Username,
        _tag: Option<Bytes>,
    ) -> BoxFuture<'a, Result<std::result::Result<Wanted, FetchError>>> {
        async move {
            // It does not ask in another way for what it knows.
            let account = wit::Account { user: user.as_str().to_owned(), first: true };
            let url = self.xmpp_roster_hooks().call_ask(store, &account).await?;
            Ok(Ok(Wanted { method: "GET".to_owned(), url, headers: Vec::new(), body: Vec::new() }))
        }
        .boxed()
    }

    fn read_response<'a>(
        &'a self,
        store: &'a mut Store<State>,
        received: Received,
    ) -> BoxFuture<'a, Result<std::result::Result<Step, FetchError>>> {
        async move {
            let Received { user, known, body, .. } = received;
            let account = wit::Account { user: user.as_str().to_owned(), first: known.is_none() };
            let known = known.map(|known| store.data_mut().table.push(KnownRoster(known))).transpose()?;
            let lent = known.as_ref().map(|known| Resource::new_borrow(known.rep()));
            let changes = self.xmpp_roster_hooks().call_read(&mut *store, &account, lent, &body).await?;
            let is_first = known.is_none();
            if let Some(known) = known {
                store.data_mut().table.delete(known)?;
            }
            Ok(match changes {
                Ok(changes) if is_first => {
                    let contacts = changes.into_iter().filter_map(|change| match change {
                        wit::Change::Put(put) => Some(contact(put)),
                        wit::Change::Remove(_) => None,
                    });
                    let contacts = contacts.collect();
                    Ok(Step::Roster(FetchedRoster { contacts, tag: None, warnings: Vec::new() }))
                }
                Ok(changes) if changes.is_empty() => Ok(Step::Unchanged),
                Ok(changes) => {
                    let changes = changes.into_iter().map(change).collect();
                    Ok(Step::Changed(Delta { changes, tag: None, warnings: Vec::new() }))
                }
                Err(reason) => Err(FetchError::Malformed(reason)),
            })
        }
        .boxed()
    }

    fn changed_users<'a>(
        &'a self,
        store: &'a mut Store<State>,
        body: Bytes,
    ) -> BoxFuture<'a, Result<std::result::Result<Vec<String>, BadRequest>>> {
        async move {
            let Ok(body) = std::str::from_utf8(&body) else {
                return Ok(Err(BadRequest { message: "expected UTF-8".to_owned() }));
            };
            Ok(Ok(self.xmpp_roster_hooks().call_changed_users(store, body).await?))
        }
        .boxed()
    }

    fn summary<'a>(&'a self, store: &'a mut Store<State>, outcome: Outcome) -> BoxFuture<'a, Result<Reply>> {
        async move {
            let (status, updated, errors) = match outcome {
                Outcome::Batch { updated, errors, .. } => (200, updated, errors),
                Outcome::Single(updated) => (200, u32::from(updated), u32::from(!updated)),
                Outcome::Refused(_) => (400, 0, 0),
            };
            let text = self.xmpp_roster_hooks().call_summary(store, updated, errors).await?;
            Ok(Reply { status, content_type: "text/plain".to_owned(), body: text.into_bytes() })
        }
        .boxed()
    }
}

fn lent(contact: ContactRef<'_>) -> wit::Contact {
    let approved = contact.subscription == Subscription::Both;
    wit::Contact { jid: contact.jid.to_owned(), name: contact.name.map(str::to_owned), approved }
}

fn contact(contact: wit::Contact) -> Contact {
    let wit::Contact { jid, name, approved } = contact;
    let subscription = if approved { Subscription::Both } else { Subscription::None };
    Contact { jid, name, subscription, ask: false, groups: Vec::new() }
}

fn change(change: wit::Change) -> Change {
    match change {
        wit::Change::Put(new) => Change::Put(contact(new)),
        wit::Change::Remove(jid) => Change::Remove(jid),
    }
}
