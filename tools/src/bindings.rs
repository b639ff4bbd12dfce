//! From WIT to C, from a core module to a component, and from WIT text to a WIT package.

use std::path::Path;

use anyhow::{Context, Result};
use wit_bindgen_core::Files;
use wit_component::ComponentEncoder;
use wit_parser::{PackageId, Resolve};

fn resolve(wit: &Path) -> Result<(Resolve, PackageId)> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(wit).with_context(|| format!("cannot read the WIT in {}", wit.display()))?;
    Ok((resolve, package))
}

/// Writes `<world>.c`, `<world>.h` and `<world>_component_type.o`.
pub(crate) fn generate(wit: &Path, world: &str, out: &Path) -> Result<()> {
    let (mut resolve, package) = resolve(wit)?;
    let world = resolve.select_world(&[package], Some(world))?;
    let mut files = Files::default();
    wit_bindgen_c::Opts::default().build().generate(&mut resolve, world, &mut files)?;
    std::fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    for (name, contents) in files.iter() {
        crate::write(&out.join(name), contents)?;
    }
    Ok(())
}

/// The world's type is in a custom section of the module: the object file that the bindings come with.
pub(crate) fn component(module: &[u8]) -> Result<Vec<u8>> {
    ComponentEncoder::default()
        .module(module)
        .and_then(|encoder| encoder.validate(true).encode())
        .context("the module is not one that a component can be made of")
}

/// The package with everything it uses.
pub(crate) fn package(wit: &Path) -> Result<Vec<u8>> {
    let (resolve, package) = resolve(wit)?;
    wit_component::encode(&resolve, package).context("cannot encode the WIT package")
}
