//! Requests and responses as bytes.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Reply, Seen};

/// The next request. `None`: there is none.
pub(super) async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Seen> {
    let end = loop {
        if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        more(stream, buffer).await?;
    };
    let head = String::from_utf8(buffer.drain(..end).collect()).ok()?;
    let mut lines = head.split("\r\n");
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers: HashMap<_, _> =
        headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    while buffer.len() < length {
        more(stream, buffer).await?;
    }
    let body: Vec<u8> = buffer.drain(..length).collect();
    let many = (path == "/bulk").then(|| serde_json::from_slice(&body).unwrap());
    Some(Seen { path, headers, at: Instant::now(), many })
}

async fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    let mut piece = [0; 4096];
    match stream.read(&mut piece).await {
        Ok(0) | Err(_) => None,
        Ok(read) => {
            buffer.extend_from_slice(&piece[..read]);
            Some(())
        }
    }
}

/// False: the connection is not to be used again. `count` is how many have been asked for, which makes each response another to
/// a plugin that reads it.
pub(super) async fn write(stream: &mut TcpStream, reply: Reply, if_none_match: Option<String>, count: usize) -> bool {
    let mut reply = reply;
    while let Reply::Late(delay, later) = reply {
        tokio::time::sleep(delay).await;
        reply = *later;
    }
    let head = |status: u16, fields: &str| format!("HTTP/1.1 {status} X\r\nx-count: {count}\r\n{fields}\r\n");
    let sized = |status: u16, more: &str, body: &str| {
        head(status, &format!("content-type: application/json\r\ncontent-length: {}\r\n{more}", body.len())) + body
    };
    let text = match reply {
        Reply::Json(body) => sized(200, "", &body),
        Reply::Tagged(_, tag) if if_none_match.as_ref() == Some(&tag) => head(304, &format!("etag: {tag}\r\n")),
        Reply::Tagged(body, tag) => sized(200, &format!("etag: {tag}\r\n"), &body),
        Reply::Status(status) => sized(status, "", "<html>no</html>"),
        Reply::Chunked(body) => {
            let mut text = head(200, "transfer-encoding: chunked\r\n");
            for piece in body.as_bytes().chunks(7) {
                text += &format!("{:x}\r\n{}\r\n", piece.len(), String::from_utf8_lossy(piece));
            }
            text + "0\r\n\r\n"
        }
        Reply::CloseDelimited(body) => {
            let _ = stream.write_all((head(200, "connection: close\r\n") + &body).as_bytes()).await;
            return false;
        }
        Reply::Raw(bytes) => {
            let _ = stream.write_all(&bytes).await;
            return false;
        }
        Reply::Reset => {
            // Closing with unread input or zero linger makes a reset.
            let _ = stream.set_zero_linger();
            return false;
        }
        Reply::Hang => return hang().await,
        Reply::HangInBody => {
            let _ = stream.write_all((head(200, "content-length: 1000\r\n") + "{").as_bytes()).await;
            return hang().await;
        }
        Reply::Endless => {
            let _ = stream.write_all((head(200, "") + "{\"a@x\":{").as_bytes()).await;
            let spaces = vec![b' '; 1 << 16];
            while stream.write_all(&spaces).await.is_ok() {}
            return false;
        }
        Reply::Late(..) => return false,
    };
    stream.write_all(text.as_bytes()).await.is_ok()
}

/// Longer than any test takes; the task ends with the test's runtime.
async fn hang() -> bool {
    tokio::time::sleep(Duration::from_secs(3600)).await;
    false
}
