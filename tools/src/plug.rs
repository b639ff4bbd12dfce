//! Composition: the exports of some components become the imports of another.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use wac_graph::types::Package;
use wac_graph::{CompositionGraph, EncodeOptions, PackageId};

/// The socket with its imports filled as far as the plugs go. What is left of imports, of all of them, are the imports of
/// the whole.
pub(crate) fn plug(socket: &Path, plugs: &[PathBuf]) -> Result<Vec<u8>> {
    let mut graph = CompositionGraph::new();
    let socket = register(&mut graph, "socket", socket)?;
    let mut ids = Vec::new();
    for (at, plug) in plugs.iter().enumerate() {
        ids.push(register(&mut graph, &format!("plug{at}"), plug)?);
    }
    wac_graph::plug(&mut graph, ids, socket)?;
    graph.encode(EncodeOptions::default()).context("the components do not fit together")
}

fn register(graph: &mut CompositionGraph, name: &str, path: &Path) -> Result<PackageId> {
    let package = Package::from_file(&format!("roster:{name}"), None, path, graph.types_mut())
        .with_context(|| format!("{} is not a component", path.display()))?;
    Ok(graph.register_package(package)?)
}
