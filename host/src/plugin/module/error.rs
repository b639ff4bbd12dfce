//! Why a plugin cannot be used.

use std::io;
use std::path::PathBuf;

/// A plugin cannot be loaded. Each is one line that names the file and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("plugin {}: {source}", path.display())]
    Read {
        /// The plugin's file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The registry does not give it.
    #[error("plugin {plugin}: {source}")]
    Registry {
        /// The plugin's name.
        plugin: String,
        /// Why.
        source: crate::plugin::RegistryError,
    },
    /// The file is longer than any plugin.
    #[error("plugin {plugin}: longer than {limit} bytes (compile.max_component)")]
    TooLarge {
        /// The plugin's name.
        plugin: String,
        /// The longest plugin that is read, bytes.
        limit: u64,
    },
    /// The bytes are no WebAssembly component.
    #[error("plugin {plugin}: not a WebAssembly component: {reason}")]
    NotAComponent {
        /// The plugin's name.
        plugin: String,
        /// The compiler's complaint.
        reason: String,
    },
    /// It is a component, and cannot be compiled, or not within what that may cost.
    #[error("plugin {plugin}: {source}")]
    Compile {
        /// The plugin's name.
        plugin: String,
        /// Why not.
        source: crate::plugin::CompileError,
    },
    /// It imports what this host does not grant.
    #[error("plugin {plugin}: it needs something this host does not grant: {reason}")]
    Imports {
        /// The plugin's name.
        plugin: String,
        /// The import and both types.
        reason: String,
    },
    /// It does not export the hooks.
    #[error("plugin {plugin}: it is no plugin of the world xmpp:roster/roster-plugin@{version}: {reason}")]
    Exports {
        /// The plugin's name.
        plugin: String,
        /// The version of the world.
        version: String,
        /// The export and both types.
        reason: String,
    },
    /// It was built for a version of the WIT that this host does not serve.
    #[error("plugin {plugin}: it was built for xmpp:roster@{found}; this host serves {served}")]
    Version {
        /// The plugin's name.
        plugin: String,
        /// The version it was built for.
        found: String,
        /// The versions this host serves.
        served: String,
    },
    /// It says that its settings cannot work.
    #[error("plugin {plugin}: host.settings.{key}: {reason}")]
    Settings {
        /// The plugin's name.
        plugin: String,
        /// The setting.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Its check of the settings failed.
    #[error("plugin {plugin}: {source}")]
    Check {
        /// The plugin's name.
        plugin: String,
        /// What happened.
        source: crate::plugin::CallError,
    },
    /// The engine could not be made.
    #[error("the plugin engine cannot be started: {reason}")]
    Engine {
        /// Why.
        reason: String,
    },
}
