//! What reaches the log.

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use tracing_subscriber::fmt::MakeWriter;

use super::client::{call, get};
use super::{Host, secret};

/// A log in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Everything runs on this test's thread, so a subscriber of the thread sees it all.
#[tokio::test(flavor = "current_thread")]
async fn every_request_is_one_line_without_secrets() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let host = Host::with(|setup| {
        setup.http.token = secret("s3cret");
        setup.admin.token = secret("s3cret");
    })
    .await;
    let token = ("Authorization", "Bearer s3cret");
    call(host.http(), "POST", "/roster_admin/refresh?key=hidden", &[token], r#"["private"]"#).await;
    call(host.http(), "POST", "/roster_admin/refresh", &[("Authorization", "Bearer wr0ng")], "[]").await;
    call(host.admin(), "GET", "/rosters", &[token], "").await;
    get(host.http(), &format!("/{}", "x".repeat(5000))).await;

    let text = String::from_utf8(log.0.lock().clone()).unwrap();
    let lines: Vec<_> =
        text.lines().filter(|line| line.contains("elapsed=") && line.contains("peer=127.0.0.1:")).collect();
    assert_eq!(lines.len(), 4, "{text}");
    for (line, [method, path, status]) in lines.iter().zip([
        ["method=\"POST\"", "path=\"/roster_admin/refresh\"", "status=200"],
        ["method=\"POST\"", "path=\"/roster_admin/refresh\"", "status=401"],
        ["method=\"GET\"", "path=\"/rosters\"", "status=200"],
        ["method=\"GET\"", "path=\"/xxx", "status=401"],
    ]) {
        assert!(line.contains("request{id="), "{line}");
        assert!(line.contains(method) && line.contains(path) && line.contains(status), "{line}");
        assert!(line.len() < 1000, "{line}");
    }
    for hidden in ["s3cret", "wr0ng", "hidden", "private"] {
        assert!(!text.contains(hidden), "{hidden} is in {text}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn names_that_are_none_are_one_line_however_many_they_are() {
    for (names, count) in [(vec!["a@b".to_owned()], 1), ((0..500).map(|n| format!("u{n}@b")).collect(), 500)] {
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(log.clone()).finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        let host = Host::start().await;
        super::client::post(host.http(), &serde_json::to_string(&names).unwrap()).await;
        let text = String::from_utf8(log.0.lock().clone()).unwrap();
        let warnings: Vec<_> = text.lines().filter(|line| line.contains("WARN")).collect();
        let [line] = &warnings[..] else { panic!("{text}") };
        assert!(line.contains(&format!("names={count}")) && line.contains(&names[0]), "{line}");
    }
}
