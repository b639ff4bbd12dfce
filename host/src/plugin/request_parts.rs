//! The parts of an `outgoing-request` of `wasi:http`: fields, authority, path.
//!
//! An instance gives them anew for every request, and most are those of its last. So what the last request had is kept: what
//! is equal to it is taken from there instead of being copied, checked and parsed. What is accepted and what is refused is
//! wasmtime-wasi-http's.

use http::uri::{Authority, PathAndQuery};
use wasmtime::component::{Linker, Resource, WasmList, WasmStr};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi_http::p2::HeaderError;
use wasmtime_wasi_http::p2::bindings::http::types;
use wasmtime_wasi_http::p2::types::HostOutgoingRequest;
use wasmtime_wasi_http::{FieldMap, FieldMapError};

use super::requests::TYPES;
use super::state::{HEADER_BYTES, State};

/// The parts of an instance's last request. Bounded as a URL and the header of a request are.
#[derive(Default)]
pub(super) struct LastRequest {
    fields: Option<FieldMap>,
    authority: Option<Authority>,
    path: Option<PathAndQuery>,
}

impl LastRequest {
    /// `text` as an authority, if it is one.
    pub(super) fn authority(&mut self, text: &str) -> Option<&Authority> {
        // Not `==`, to which upper case is lower case.
        if self.authority.as_ref().is_none_or(|known| known.as_str() != text) {
            self.authority = text.parse().ok();
        }
        self.authority.as_ref()
    }

    /// `text` as a path with a query, if it is one.
    pub(super) fn path(&mut self, text: &str) -> Option<&PathAndQuery> {
        if self.path.as_ref().is_none_or(|known| known.as_str() != text) {
            self.path = text.parse().ok();
        }
        self.path.as_ref()
    }
}

type Context<'a> = StoreContextMut<'a, State>;
type Fields = Vec<(WasmStr, WasmList<u8>)>;
type Part = (Resource<HostOutgoingRequest>, Option<String>);
type OrNothing = std::result::Result<(), ()>;

/// Puts these in the place of wasmtime-wasi-http's, in a linker that may be shadowed.
pub(super) fn add_to_linker(linker: &mut Linker<State>) -> Result<()> {
    let mut types = linker.instance(TYPES)?;
    types.func_wrap("[static]fields.from-list", |mut context: Context<'_>, (fields,): (Fields,)| {
        let fields = match from_list(&mut context, &fields)? {
            Ok(fields) => Ok(context.data_mut().table.push(fields)?),
            Err(refused) => Err(refused),
        };
        Ok((fields,))
    })?;
    types.func_wrap(
        "[method]outgoing-request.set-authority",
        |mut context: Context<'_>, (request, authority): Part| {
            let State { table, outgoing, .. } = context.data_mut();
            let request = table.get_mut(&request)?;
            if authority.as_deref().is_some_and(|text| outgoing.last.authority(text).is_none()) {
                return Ok((OrNothing::Err(()),));
            }
            request.authority = authority;
            Ok((Ok(()),))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.set-path-with-query",
        |mut context: Context<'_>, (request, path): Part| {
            let State { table, outgoing, .. } = context.data_mut();
            let request = table.get_mut(&request)?;
            // Nothing that would become a part of the authority.
            let apart = |text: &str| text.is_empty() || text.starts_with(['/', '?']);
            if path.as_deref().is_some_and(|text| !apart(text) || outgoing.last.path(text).is_none()) {
                return Ok((OrNothing::Err(()),));
            }
            request.path_with_query = path;
            Ok((Ok(()),))
        },
    )
}

fn from_list(
    context: &mut Context<'_>,
    given: &[(WasmStr, WasmList<u8>)],
) -> Result<std::result::Result<FieldMap, types::HeaderError>> {
    if let Some(last) = &context.data().outgoing.last.fields
        && equal(context, last, given)?
    {
        return Ok(Ok(last.clone()));
    }
    let mut fields = FieldMap::new_mutable(HEADER_BYTES);
    for (name, value) in given {
        let (name, value) = (name.to_str(&*context)?, value.as_le_slice(&*context));
        // What cannot fit is not copied first.
        if name.len().saturating_add(value.len()) > HEADER_BYTES {
            return Err(FieldMapError::TotalSizeTooBig.into());
        }
        let (name, value) = (name.into_owned(), value.to_vec());
        if let Err(error) = fields.append(&mut context.data_mut().outgoing, name, value) {
            return Ok(Err(HeaderError::from(error).downcast()?));
        }
    }
    context.data_mut().outgoing.last.fields = Some(fields.clone());
    Ok(Ok(fields))
}

/// Are these the same names and values, in the same order? Names in upper case are taken for others.
fn equal(context: &Context<'_>, last: &FieldMap, given: &[(WasmStr, WasmList<u8>)]) -> Result<bool> {
    if last.len() != given.len() {
        return Ok(false);
    }
    for ((name, value), (given_name, given_value)) in last.iter().zip(given) {
        if value.as_bytes() != given_value.as_le_slice(context) || name.as_str() != given_name.to_str(context)? {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_what_was_asked_for_whatever_the_last_was() {
        let mut last = LastRequest::default();
        for text in ["a.example", "A.example", "a.example", "a.example:80", "no authority", "a.example"] {
            let fresh = text.parse::<Authority>().ok();
            assert_eq!(last.authority(text).map(Authority::as_str), fresh.as_ref().map(Authority::as_str), "{text}");
        }
        for text in ["/a?b", "/a?b", "/a", "/a#c", "", "/", "?b", "no path", "/a?b"] {
            let fresh = text.parse::<PathAndQuery>().ok();
            assert_eq!(last.path(text).map(PathAndQuery::as_str), fresh.as_ref().map(PathAndQuery::as_str), "{text}");
        }
    }
}
