//! What a published component says about itself: the fields that registries and `roster-host plugin inspect` show.

use anyhow::{Context, Result, anyhow};
use wasm_metadata::{AddMetadata, AddMetadataField};

#[derive(clap::Args)]
pub(crate) struct About {
    /// Such as `http-roster-admin`
    #[arg(long)]
    name: String,
    /// Such as `0.1.0`
    #[arg(long)]
    version: String,
    /// One sentence
    #[arg(long)]
    description: String,
    /// An SPDX expression
    #[arg(long)]
    licence: String,
    /// The commit it was built from
    #[arg(long)]
    revision: String,
}

impl About {
    /// The component or WIT package with these fields in it.
    pub(crate) fn add_to(&self, wasm: &[u8]) -> Result<Vec<u8>> {
        let mut metadata = AddMetadata::default();
        metadata.name = AddMetadataField::Set(self.name.clone());
        metadata.version = field("version", &self.version)?;
        metadata.description = field("description", &self.description)?;
        metadata.licenses = field("licence", &self.licence)?;
        metadata.revision = field("revision", &self.revision)?;
        metadata.to_wasm(wasm).context("cannot add the metadata")
    }
}

fn field<T>(name: &str, value: &str) -> Result<AddMetadataField<T>>
where
    T: std::str::FromStr + std::fmt::Debug + Clone,
    T::Err: std::fmt::Display,
{
    value.parse().map(AddMetadataField::Set).map_err(|error: T::Err| anyhow!("--{name} {value}: {error}"))
}
