//! Composition: the exports of some components become the imports of others.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use wac_graph::types::Package;
use wac_graph::{CompositionGraph, EncodeOptions, NodeId, PackageId};

/// One instance of each component that is needed. A component's imports are filled from the exports of those before it, the
/// nearest first; the exports of the last are the exports of the whole, and what is left of imports are its imports.
pub(crate) fn compose(components: &[PathBuf]) -> Result<Vec<u8>> {
    let mut graph = CompositionGraph::new();
    let mut parts = Vec::new();
    for (at, path) in components.iter().enumerate() {
        let package = Package::from_file(&format!("roster:part{at}"), None, path, graph.types_mut())
            .with_context(|| format!("{} is not a component", path.display()))?;
        let world = package.ty();
        let package = graph.register_package(package)?;
        let world = &graph.types()[world];
        let (imports, exports) = (world.imports.keys().cloned().collect(), world.exports.keys().cloned().collect());
        parts.push(Part { path, package, imports, exports });
    }
    let needed = needed(&parts);
    // Instances so far, and the names of what they export.
    let mut given: Vec<(NodeId, &[String])> = Vec::new();
    for (_, part) in parts.iter().enumerate().filter(|(at, _)| needed.contains(at)) {
        let instance = graph.instantiate(part.package);
        for name in &part.imports {
            if let Some((giver, _)) = given.iter().rfind(|(_, exports)| exports.contains(name)) {
                let export = graph.alias_instance_export(*giver, name)?;
                graph
                    .set_instantiation_argument(instance, name, export)
                    .with_context(|| format!("{}: {name} is not what it expects", part.path.display()))?;
            }
        }
        given.push((instance, &part.exports));
    }
    if let Some((last, exports)) = given.pop() {
        for name in exports {
            let export = graph.alias_instance_export(last, name)?;
            graph.export(export, name)?;
        }
    }
    graph.encode(EncodeOptions::default()).context("the components do not fit together")
}

/// A component, with the names of what it imports and exports.
struct Part<'a> {
    path: &'a Path,
    package: PackageId,
    imports: Vec<String>,
    exports: Vec<String>,
}

/// The last, and those that fill an import of one that is needed.
fn needed(parts: &[Part<'_>]) -> HashSet<usize> {
    let mut needed = HashSet::new();
    for (at, part) in parts.iter().enumerate().rev() {
        if at + 1 == parts.len() || needed.contains(&at) {
            needed.insert(at);
            let givers = part.imports.iter().filter_map(|name| {
                parts.iter().enumerate().take(at).rfind(|(_, giver)| giver.exports.contains(name)).map(|(at, _)| at)
            });
            needed.extend(givers.collect::<Vec<_>>());
        }
    }
    needed
}
