//! `xmpp:roster/store`: the roster the host holds, as a plugin reads it.

use std::sync::Arc;

use wasmtime::component::{ComponentType, Linker, Lower, Resource, ResourceType};
use wasmtime::{Result, StoreContextMut};

use super::bindings::xmpp::roster::types as wit;
use super::convert::{self, TagOwner};
use super::state::State;
use crate::model::Snapshot;

/// The resource `snapshot`. The plugin sees the tag only if the same code made it: another module's validator must not
/// make this one believe that it has read the answer before.
#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct KnownRoster {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) code: TagOwner,
}

/// `packed-contacts`, lowered into the plugin's memory straight from the store: no copy is made on the way.
#[derive(ComponentType, Lower)]
#[component(record)]
struct Packed {
    text: Arc<str>,
    layout: Arc<[u32]>,
}

/// Adds the interface to `linker`.
///
/// By hand and not through the generated trait, which can only return copies.
pub(super) fn add_to_linker(linker: &mut Linker<State>) -> Result<()> {
    let mut store = linker.instance("xmpp:roster/store@0.1.0")?;
    store.resource("snapshot", ResourceType::host::<KnownRoster>(), |mut context, rep| {
        // Plugins only borrow snapshots, so this never runs; if it did, dropping is what was asked for.
        context.data_mut().table.delete(Resource::<KnownRoster>::new_own(rep))?;
        Ok(())
    })?;
    store.func_wrap("[method]snapshot.version", |context, (known,)| Ok((snapshot(&context, &known)?.version(),)))?;
    store.func_wrap(
        "[method]snapshot.tag",
        |context: StoreContextMut<'_, State>, (known,): (Resource<KnownRoster>,)| {
            let known = context.data().table.get(&known)?;
            Ok((known.snapshot.tag().and_then(|tag| tag.strip_prefix(&known.code)).map(<[u8]>::to_vec),))
        },
    )?;
    store.func_wrap("[method]snapshot.contacts", |context, (known,)| {
        let contacts: Vec<wit::Contact> = snapshot(&context, &known)?.contacts().iter().map(convert::contact).collect();
        Ok((contacts,))
    })?;
    store.func_wrap("[method]snapshot.packed", |context, (known,)| {
        let contacts = snapshot(&context, &known)?.contacts().clone();
        Ok((Packed { text: Arc::clone(contacts.text()), layout: Arc::clone(contacts.layout()) },))
    })
}

fn snapshot(context: &StoreContextMut<'_, State>, known: &Resource<KnownRoster>) -> Result<Arc<Snapshot>> {
    Ok(Arc::clone(&context.data().table.get(known)?.snapshot))
}
