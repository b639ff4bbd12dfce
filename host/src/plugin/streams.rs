//! `wasi:io`: errors, pollables and streams.
//!
//! All of it is wasmtime-wasi's, but for the way bytes take to the plugin. What a stream reads is lowered into the plugin's
//! memory straight from where it lies; wasmtime-wasi makes a `Vec` of it first, a copy of every body. And no input stream
//! that a plugin can get here has anything to be waited for when it is dropped.

use wasmtime::component::{HasData, Linker, Resource, ResourceTable, ResourceType};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::WasiView;
use wasmtime_wasi::p2::{DynInputStream, StreamError};
use wasmtime_wasi_io::bindings::wasi::io::{self, streams, streams::Host};

use super::state::State;

/// The version of `wasi:io` that wasmtime-wasi speaks.
const STREAMS: &str = "wasi:io/streams@0.2.12";

type Context<'a> = StoreContextMut<'a, State>;
/// The stream, and how many bytes at most.
type Asked = (Resource<DynInputStream>, u64);
/// What `read` returns to the plugin.
type Read = (std::result::Result<bytes::Bytes, streams::StreamError>,);

struct Table;

impl HasData for Table {
    type Data<'a> = &'a mut ResourceTable;
}

/// Adds all of it.
pub(super) fn add_to_linker(linker: &mut Linker<State>) -> Result<()> {
    io::error::add_to_linker::<State, Table>(linker, |state| state.ctx().table)?;
    io::poll::add_to_linker::<State, Table>(linker, |state| state.ctx().table)?;
    streams::add_to_linker::<State, Table>(linker, |state| state.ctx().table)?;
    linker.allow_shadowing(true);
    let mut ours = linker.instance(STREAMS)?;
    ours.resource("input-stream", ResourceType::host::<DynInputStream>(), |mut context: Context<'_>, rep| {
        context.data_mut().table.delete(Resource::<DynInputStream>::new_own(rep))?;
        Ok(())
    })?;
    ours.func_wrap("[method]input-stream.read", |mut context: Context<'_>, (stream, size): Asked| {
        let table = &mut context.data_mut().table;
        let read = table.get_mut(&stream)?.read(most(size));
        lend(table, read)
    })?;
    ours.func_wrap_async("[method]input-stream.blocking-read", |mut context: Context<'_>, (stream, size): Asked| {
        Box::new(async move {
            let table = &mut context.data_mut().table;
            let read = table.get_mut(&stream)?.blocking_read(most(size)).await;
            lend(table, read)
        })
    })?;
    linker.allow_shadowing(false);
    Ok(())
}

fn most(size: u64) -> usize {
    size.try_into().unwrap_or(usize::MAX)
}

fn lend(table: &mut ResourceTable, read: std::result::Result<bytes::Bytes, StreamError>) -> Result<Read> {
    Ok((match read {
        Ok(bytes) => Ok(bytes),
        Err(error) => Err(table.convert_stream_error(error)?),
    },))
}
