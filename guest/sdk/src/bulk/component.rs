//! The interface `bulk` for any [`BulkPlugin`]. Decides nothing.

use std::marker::PhantomData;

use super::BulkPlugin;
use super::bindings::exports::xmpp::roster::bulk::{Guest, Piece, Wanted};
use crate::bindings::xmpp::roster::types::{FetchError, Request, Response};
use crate::plugin::{Loaded, loaded};

/// What exports the functions.
pub struct Component<P>(PhantomData<P>);

impl<P: Loaded + BulkPlugin> Guest for Component<P> {
    fn users_per_request() -> u32 {
        loaded::<P>().map_or(0, BulkPlugin::users_per_request)
    }

    fn make_bulk_request(users: Vec<Wanted>) -> Result<Request, FetchError> {
        loaded::<P>()?.make_bulk_request(&users)
    }

    fn split_response(users: Vec<String>, response: Response) -> Result<Vec<Piece>, FetchError> {
        loaded::<P>()?.split_response(&users, &response)
    }
}
