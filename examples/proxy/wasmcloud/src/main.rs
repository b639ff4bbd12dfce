//! Serves a component of `examples/proxy` by wasmCloud's runtime (`wash-runtime`), with a directory as `/state`. The settings are this
//! program's own environment: its `ROSTER_*` variables.
//!
//! Usage: `roster-proxy-wasmcloud http-roster-admin-proxy-directory-env.wasm 127.0.0.1:8080 FOLDER`

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context, bail};
use wash_runtime::engine::Engine;
use wash_runtime::host::{HostApi, HostBuilder};
use wash_runtime::plugin::wasi_http::HttpServer;
use wash_runtime::types::{
    Component, HostPathVolume, LocalResources, Volume, VolumeMount, VolumeType, Workload, WorkloadStartRequest,
    WorkloadState,
};
use wash_runtime::wit::WitInterface;

/// The name of the volume.
const STATE: &str = "state";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [component, address, folder] = &*args else { bail!("expected a component, an address and a folder") };
    let server = HttpServer::new(address.parse().with_context(|| format!("{address} is no address with a port"))?);
    // The component is some twenty instances of modules; the pool has room for fifty of it, and its size cannot be set.
    let engine = Engine::builder().with_pooling_allocator(false).build()?;
    let host = HostBuilder::new().with_engine(engine).with_plugin(Arc::new(server))?.build()?.start().await?;

    let component = Component {
        bytes: std::fs::read(component).with_context(|| format!("cannot read {component}"))?.into(),
        local_resources: LocalResources {
            environment: std::env::vars().filter(|(name, _)| name.starts_with("ROSTER_")).collect(),
            volume_mounts: vec![VolumeMount { name: STATE.into(), mount_path: "/state".into(), read_only: false }],
            ..LocalResources::default()
        },
        pool_size: 1,
        max_invocations: 1000,
    };
    // Without a version, for the runtime wants the very same; without a host, which is every host.
    let http = WitInterface {
        namespace: "wasi".into(),
        package: "http".into(),
        interfaces: ["incoming-handler".to_owned()].into_iter().collect(),
        version: None,
        config: HashMap::new(),
    };
    let state = VolumeType::HostPath(HostPathVolume { local_path: folder.clone() });
    let workload = Workload {
        namespace: "rosters".into(),
        name: "rosters".into(),
        annotations: HashMap::new(),
        service: None,
        components: vec![component],
        host_interfaces: vec![http],
        volumes: vec![Volume { name: STATE.into(), volume_type: state }],
    };
    let status = host.workload_start(WorkloadStartRequest { workload }).await?.workload_status;
    if status.workload_state != WorkloadState::Running {
        bail!("the component does not run: {}", status.message);
    }
    tokio::signal::ctrl_c().await?;
    Ok(())
}
