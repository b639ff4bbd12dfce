//! Users who are asked for together at the caller's word, whoever else waits: for cases, rehearsals and shadow runs.

use std::sync::Arc;

use bytes::Bytes;

use super::WasmPlugin;
use crate::model::{Snapshot, Username};
use crate::plugin::api::CallError;
use crate::plugin::exchange::bulk::{BulkCall, BulkError, Together};
use crate::plugin::recording::recorder::PieceDigest;

impl WasmPlugin {
    /// The component can ask for many users at once.
    pub(crate) fn has_bulk(&self) -> bool {
        self.module().prepared.has_bulk()
    }

    /// How many users one request may name under its settings; below two, none does.
    pub(crate) async fn users_per_request(&self) -> Result<usize, CallError> {
        let needs = self.exchanges.calls.needs().await?;
        Ok(needs.map_or(0, |needs| usize::try_from(needs.users_per_request).unwrap_or(usize::MAX)))
    }

    /// Asks for all of them in one request; what it says of each, in their order.
    pub(crate) async fn ask_together(
        &self,
        users: &[(Username, Option<Arc<Snapshot>>)],
    ) -> Result<Vec<Together>, BulkError> {
        let reader = self.exchanges.calls.reader();
        let tag = |known: &Snapshot| {
            let tag = known.tag().filter(|tag| tag.reader == reader)?;
            tag.validator.as_deref().map(Bytes::copy_from_slice)
        };
        let users: Vec<_> = users.iter().map(|(user, known)| (user.clone(), known.as_deref().and_then(tag))).collect();
        let call = BulkCall { users: users.clone(), recording: None, under_way: None };
        let (all, _) = self.exchanges.bulk(call).await?;
        Ok(all.into_iter().zip(&users).map(|(together, (_, tag))| together.confirms(tag.as_ref())).collect())
    }

    /// The same for users with the tags that another module had: what it says of each, to be compared.
    pub(crate) async fn pieces_of(&self, users: Vec<(Username, Option<Bytes>)>) -> Result<Vec<PieceDigest>, BulkError> {
        let (all, _) = self.exchanges.bulk(BulkCall { users, recording: None, under_way: None }).await?;
        match self.exchanges.calls.needs().await? {
            Ok(needs) => Ok(all.iter().map(|together| self.exchanges.piece_digest(needs, together)).collect()),
            Err(error) => Err(BulkError::Application(error.to_string())),
        }
    }
}
