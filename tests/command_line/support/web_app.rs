//! A web application with one thread per connection.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::program::TIMEOUT;

/// What is answered for one user.
#[derive(Clone)]
struct Answer {
    status: u16,
    body: String,
    delay: Duration,
}

#[derive(Default)]
struct State {
    answers: Mutex<HashMap<String, Answer>>,
    requests: Mutex<Vec<String>>,
}

/// The application. Its threads end with the test's process.
pub(crate) struct WebApp {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

impl WebApp {
    /// Starts to listen. Everybody's roster is empty.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let ours = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&ours);
                thread::spawn(move || serve(&stream, &state));
            }
        });
        Self { address, state }
    }

    /// The value of `http_roster_url`.
    pub(crate) fn roster_url(&self) -> String {
        format!("http://{}/contacts/%s", self.address)
    }

    /// From now on `user` has this contact, and no other.
    pub(crate) fn set(&self, user: &str, contact: &str) {
        self.answer(user, 200, &format!(r#"{{"{contact}":{{}}}}"#), Duration::ZERO);
    }

    /// From now on this is answered for `user`, after `delay`.
    pub(crate) fn answer(&self, user: &str, status: u16, body: &str, delay: Duration) {
        let answer = Answer { status, body: body.to_owned(), delay };
        self.state.answers.lock().unwrap().insert(user.to_owned(), answer);
    }

    /// The heads of all requests for `user` so far.
    pub(crate) fn requests(&self, user: &str) -> Vec<String> {
        let path = format!("GET /contacts/{user} ");
        self.state.requests.lock().unwrap().iter().filter(|head| head.starts_with(&path)).cloned().collect()
    }

    /// Waits for the `n`th request for `user`.
    pub(crate) fn wait_for_request(&self, user: &str, n: usize) {
        let began = Instant::now();
        while self.requests(user).len() < n {
            assert!(began.elapsed() < TIMEOUT, "nobody asks for {user}");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

fn serve(mut stream: &TcpStream, state: &State) {
    let mut head = String::new();
    let mut reader = BufReader::new(stream);
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap_or(0) == 0 {
            return;
        }
    }
    let user = head.split(' ').nth(1).and_then(|path| path.rsplit('/').next()).unwrap_or_default().to_owned();
    state.requests.lock().unwrap().push(head);
    let empty = Answer { status: 200, body: "{}".into(), delay: Duration::ZERO };
    let answer = state.answers.lock().unwrap().get(&user).cloned().unwrap_or(empty);
    thread::sleep(answer.delay);
    let Answer { status, body, .. } = answer;
    let length = body.len();
    // The host may have given up.
    let _ = write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
}
