//! `xmpp:roster/store`: the roster the host holds, as a plugin reads it.

use std::sync::Arc;

use wasmtime::component::{ComponentType, LinkerInstance, Lower, Resource, ResourceType};
use wasmtime::{Result, StoreContextMut};

use super::state::State;
use crate::model::Snapshot;

/// The resource `snapshot`.
#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct KnownRoster(pub(in crate::plugin) Arc<Snapshot>);

/// `packed-contacts`, lowered into the plugin's memory straight from the store: no copy is made on the way.
#[derive(ComponentType, Lower)]
#[component(record)]
struct Packed {
    text: Arc<str>,
    layout: Arc<[u32]>,
}

/// Adds the resource and those of its methods that name none of the package's types but `packed-contacts`; the rest
/// (`contacts`) is each version's own.
///
/// By hand and not through the generated trait, which can only return copies.
pub(in crate::plugin) fn add_methods(store: &mut LinkerInstance<'_, State>) -> Result<()> {
    store.resource("snapshot", ResourceType::host::<KnownRoster>(), |mut context, rep| {
        // Plugins only borrow snapshots, so this never runs; if it did, dropping is what was asked for.
        context.data_mut().table.delete(Resource::<KnownRoster>::new_own(rep))?;
        Ok(())
    })?;
    store.func_wrap("[method]snapshot.version", |context, (known,)| Ok((snapshot(&context, &known)?.version(),)))?;
    store.func_wrap("[method]snapshot.packed", |context, (known,)| {
        let contacts = snapshot(&context, &known)?.contacts().clone();
        Ok((Packed { text: Arc::clone(contacts.text()), layout: Arc::clone(contacts.layout()) },))
    })
}

/// The roster behind a handle.
pub(in crate::plugin) fn snapshot(
    context: &StoreContextMut<'_, State>,
    known: &Resource<KnownRoster>,
) -> Result<Arc<Snapshot>> {
    Ok(Arc::clone(&context.data().table.get(known)?.0))
}
