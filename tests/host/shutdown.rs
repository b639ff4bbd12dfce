//! The host stops while there is work.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use roster_tests::client;
use roster_tests::host::{TestHost, config, until};
use roster_tests::web_app::{Reply, WebApp};
use serde_json::json;
use tokio::net::TcpStream;

#[tokio::test(flavor = "multi_thread")]
async fn running_refreshes_finish_and_new_ones_are_not_taken() {
    let app = WebApp::start().await;
    let mut host = TestHost::start(&app).await;
    host.connect("john").await;
    app.set("john", Reply::Late(Duration::from_millis(500), Box::new(Reply::contacts(&["a@x"]))));
    let (http, events) = (host.http, Arc::clone(&host.events));
    let running = tokio::spawn(async move { client::post(http, "/roster_admin/refresh", r#"["john"]"#).await });
    until("the request is there", || async { app.seen("john").len() == 2 }).await;
    host.begin_stop();
    until("nobody listens any more", || async { TcpStream::connect(http).await.is_err() }).await;
    let response = running.await.unwrap();
    assert_eq!((response.status, &response.json()["updated"]), (200, &json!(1)));
    assert_eq!(events.changes_of("john").len(), 1);
    assert!(host.stop().await, "everything was finished");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deadline_holds_when_the_application_does_not_answer() {
    let app = WebApp::start().await;
    let mut config = config(&app);
    config.shutdown_timeout = Duration::from_millis(300);
    config.hosts[0].client.first_byte_timeout = Duration::from_secs(30);
    config.hosts[0].client.total_timeout = Duration::from_secs(30);
    config.hosts[0].limits.call_timeout = Duration::from_secs(30);
    let host = TestHost::with(config).await;
    host.connect("john").await;
    app.set("john", Reply::Hang);
    let http = host.http;
    let stuck = tokio::spawn(async move {
        let mut stream = TcpStream::connect(http).await.unwrap();
        let request = b"POST /roster_admin/refresh HTTP/1.1\r\nhost: x\r\ncontent-length: 8\r\n\r\n[\"john\"]";
        tokio::io::AsyncWriteExt::write_all(&mut stream, request).await.unwrap();
        let mut rest = Vec::new();
        let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest).await;
    });
    until("the request is there", || async { app.seen("john").len() == 2 }).await;
    let began = Instant::now();
    assert!(!host.stop().await, "not everything was finished");
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    stuck.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn under_load_every_request_that_was_taken_is_answered() {
    let app = WebApp::start().await;
    let mut host = TestHost::start(&app).await;
    app.set_otherwise(Reply::Late(Duration::from_millis(20), Box::new(Reply::contacts(&["a@x"]))));
    let names: Vec<String> = (0..50).map(|n| format!("user{n}")).collect();
    for name in &names {
        host.connect(name).await;
    }
    let answered = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..16)
        .map(|n| {
            let (http, body, answered) = (host.http, json!([names[n], names[n + 16]]).to_string(), Arc::clone(&answered));
            tokio::spawn(async move {
                // Until the host no longer takes a connection; a connection it took is answered.
                while let Ok(stream) = TcpStream::connect(http).await {
                    drop(stream);
                    let request = format!(
                        "POST /roster_admin/refresh HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                        body.len()
                    );
                    let Ok(mut stream) = TcpStream::connect(http).await else { return true };
                    let mut response = Vec::new();
                    if tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.is_err() {
                        return true;
                    }
                    let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut response).await;
                    let text = String::from_utf8_lossy(&response).into_owned();
                    if text.is_empty() {
                        // Accepted by the kernel, never by the host: nothing of it was begun.
                        return true;
                    }
                    if !text.starts_with("HTTP/1.1 200") || !text.contains("\"errors\":0") {
                        return false;
                    }
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                true
            })
        })
        .collect();
    until("there is load", || async { answered.load(Ordering::Relaxed) > 100 }).await;
    host.begin_stop();
    for one in clients {
        assert!(one.await.unwrap(), "a request was taken and answered badly or in part");
    }
    assert!(host.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_host_with_a_sink_stops_at_once_and_has_written_everything() {
    let app = WebApp::start().await;
    let mut config = config(&app);
    let path = std::env::temp_dir().join(format!("roster-events-{}.jsonl", std::process::id()));
    config.sinks.json_lines = Some(roster_host::config::JsonLinesConfig::new(path.clone()));
    let host = TestHost::with(config).await;
    host.connect("john").await;
    let began = Instant::now();
    assert!(host.stop().await);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(text.starts_with("{\"event\":\"loaded\"") && text.ends_with("}\n"), "{text:?}");
}
