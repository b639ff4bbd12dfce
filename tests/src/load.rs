//! Refreshes without pause: every client changes its own roster at the application and has it refreshed, again and again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::task::JoinHandle;

use crate::host::{TestHost, until};
use crate::web_app::{Reply, WebApp};

/// Clients that refresh until they are told to stop.
pub struct Load {
    host: Arc<TestHost>,
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<(String, usize)>>,
}

impl Load {
    /// Connects so many users and begins.
    pub async fn start(app: &Arc<WebApp>, host: &Arc<TestHost>, clients: usize) -> Self {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        for n in 0..clients {
            app.set(&format!("user{n}"), Reply::contacts(&["c0@x"]));
            host.connect(&format!("user{n}")).await;
        }
        let client = |n: usize| {
            let (app, host, stop, done) = (Arc::clone(app), Arc::clone(host), Arc::clone(&stop), Arc::clone(&done));
            tokio::spawn(async move {
                let user = format!("user{n}");
                let mut round = 0;
                while !stop.load(Ordering::Relaxed) {
                    round += 1;
                    app.set(&user, Reply::contacts(&[&format!("c{round}@x")]));
                    host.refresh(&[&user]).await;
                    done.fetch_add(1, Ordering::Relaxed);
                }
                (user, round)
            })
        };
        let clients = (0..clients).map(client).collect();
        Self { host: Arc::clone(host), stop, done, clients }
    }

    /// Refreshes so far.
    pub fn done(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }

    /// Waits for so many more.
    pub async fn goes_on(&self, more: usize) {
        let before = self.done();
        until("calls go on", || async { self.done() >= before + more }).await;
    }

    /// Stops, and checks that every change of every roster was told once and in order.
    pub async fn finish(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            let (user, rounds) = client.await.unwrap();
            let events = self.host.events.of(&user);
            let versions: Vec<u64> = events.iter().map(|event| event["version"].as_u64().unwrap()).collect();
            assert!(versions.is_sorted_by(|a, b| a < b), "{user}: {versions:?}");
            let changes = self.host.events.changes_of(&user);
            let put: Vec<_> = changes.iter().filter_map(|change| change["put"]["jid"].as_str()).collect();
            let expected: Vec<_> = (1..=rounds).map(|round| format!("c{round}@x")).collect();
            assert_eq!(put, expected, "{user}: each change once and in order");
            let removed: Vec<_> = changes.iter().filter_map(|change| change["remove"].as_str()).collect();
            let expected: Vec<_> = (0..rounds).map(|round| format!("c{round}@x")).collect();
            assert_eq!(removed, expected, "{user}");
            assert_eq!(changes.len(), 2 * rounds, "{user}");
            assert_eq!(self.host.jids(&user).await, [format!("c{rounds}@x")], "{user}: what the application has");
        }
        self.done.load(Ordering::Relaxed)
    }
}
