//! Composition: the exports of some components become the imports of others.

use std::path::PathBuf;

use anyhow::{Context, Result};
use wac_graph::types::Package;
use wac_graph::{CompositionGraph, EncodeOptions, NodeId};

/// One instance of each component. A component's imports are filled from the exports of those before it; the exports of the
/// last are the exports of the whole, and what is left of imports are its imports.
pub(crate) fn compose(components: &[PathBuf]) -> Result<Vec<u8>> {
    let mut graph = CompositionGraph::new();
    // Instances so far, and the names of what they export.
    let mut given: Vec<(NodeId, Vec<String>)> = Vec::new();
    for (at, path) in components.iter().enumerate() {
        let package = Package::from_file(&format!("roster:part{at}"), None, path, graph.types_mut())
            .with_context(|| format!("{} is not a component", path.display()))?;
        let world = package.ty();
        let package = graph.register_package(package)?;
        let imports: Vec<String> = graph.types()[world].imports.keys().cloned().collect();
        let exports = graph.types()[world].exports.keys().cloned().collect();
        let instance = graph.instantiate(package);
        for name in imports {
            let giver = given.iter().find(|(_, exports)| exports.contains(&name));
            if let Some((giver, _)) = giver {
                let export = graph.alias_instance_export(*giver, &name)?;
                graph
                    .set_instantiation_argument(instance, &name, export)
                    .with_context(|| format!("{}: {name} is not what it expects", path.display()))?;
            }
        }
        given.push((instance, exports));
    }
    if let Some((last, exports)) = given.pop() {
        for name in exports {
            let export = graph.alias_instance_export(last, &name)?;
            graph.export(export, &name)?;
        }
    }
    graph.encode(EncodeOptions::default()).context("the components do not fit together")
}
