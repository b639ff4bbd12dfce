//! A plugin that misbehaves: the name of the user says how. See `misbehave`.
//!
//! Everybody else has one contact, `friend@localhost`, that no refresh changes.

#[cfg(target_arch = "wasm32")]
mod component {
    use std::cell::Cell;
    use std::net::{TcpStream, ToSocketAddrs, UdpSocket};

    mod requests;

    #[allow(clippy::all, unsafe_code, missing_docs, unreachable_pub)]
    mod bindings {
        wit_bindgen::generate!({ path: "../../../wit", inline: "
            package test:hostile;
            world hostile {
                include xmpp:roster/roster-plugin-with-http@0.1.0;
                import wasi:random/random@0.2.12;
            }
        ", world: "test:hostile/hostile", generate_all });
        export!(Hostile with_types_in self);
        use super::Hostile;
    }

    use bindings::exports::xmpp::roster::hooks::{Guest, Snapshot};
    use bindings::wasi::clocks::monotonic_clock;
    use bindings::wasi::config::store;
    use bindings::wasi::http::outgoing_handler;
    use bindings::wasi::http::types::{Fields, OutgoingRequest, Scheme};
    use bindings::xmpp::roster::types::{
        BadRequest, Change, ConfigError, Contact, Delta, FetchError, FollowUp, Header, Method, Needs, Outcome, Reply,
        Request, Response, Roster, Step, Subscription,
    };

    struct Hostile;

    thread_local! {
        static CALLS: Cell<u32> = const { Cell::new(0) };
    }

    impl Guest for Hostile {
        fn check() -> Result<Needs, ConfigError> {
            let checked = match setting("check").as_deref() {
                Some("loop") => spin(),
                Some("trap") => panic!("asked to"),
                Some("online") => match request("127.0.0.1:1") {
                    Ok(()) => Ok(()),
                    Err(reason) => Err(ConfigError { key: "check".into(), reason }),
                },
                Some(reason) => Err(ConfigError { key: "check".into(), reason: reason.into() }),
                None => Ok(()),
            };
            // Of an application that counts its responses, each is another: none is taken for the one before.
            let headers = if setting("deaf").is_some() { Vec::new() } else { vec!["x-count".into()] };
            checked.map(|()| Needs { response_headers: headers })
        }

        /// `asks-NAME`: misbehaves as NAME before anything is asked, or asks for what nobody may.
        fn make_request(user: String, _tag: Option<Vec<u8>>) -> Result<Request, FetchError> {
            let how = user.strip_prefix("asks-").unwrap_or_default();
            misbehave(how)?;
            let mut request = get(&user);
            match how {
                "nowhere" => request.url = "contacts/john".into(),
                "elsewhere" => request.url = format!("http://{}/", setting("forbidden").unwrap_or_default()),
                "as-another" => request.headers.push(Header { name: "host".into(), value: "other".into() }),
                "at-length" => request.body = vec![b'x'; 2 << 20],
                "to-trace" => request.method = Method::Other("TRACE".into()),
                _ => {}
            }
            Ok(request)
        }

        fn read_response(
            user: String,
            _tag: Option<Vec<u8>>,
            known: Option<&Snapshot>,
            response: Response,
            state: Vec<u8>,
        ) -> Result<Step, FetchError> {
            if user.starts_with("asking") {
                misbehave("ask")?;
            }
            match user.as_str() {
                "endless" => return Ok(Step::Next(FollowUp { request: get(&user), state: Vec::new() })),
                "bloated" => return Ok(Step::Next(FollowUp { request: get(&user), state: vec![0; 2 << 20] })),
                // Three pages; the contact says which module has read them.
                "pager" => {
                    let state = [&state[..], &[mark()]].concat();
                    if state.len() < 3 {
                        return Ok(Step::Next(FollowUp { request: get(&format!("page-{}", state.len())), state }));
                    }
                    let read = format!("{}@localhost", String::from_utf8_lossy(&state));
                    return Ok(Step::Roster(roster(vec![contact(&read)])));
                }
                "early-unchanged" => return Ok(Step::Unchanged),
                "early-changed" => return changed(Vec::new()),
                _ => {}
            }
            match known {
                None => first(&user).map(Step::Roster),
                // All of it again, for the host to compare.
                Some(_) if user.starts_with("whole") => {
                    let name = String::from_utf8_lossy(&response.body).into_owned();
                    let named = Contact { name: Some(name), ..contact("friend@localhost") };
                    Ok(Step::Roster(roster(vec![named, contact("new@localhost")])))
                }
                Some(known) => again(&user, known),
            }
        }

        fn changed_users(body: Vec<u8>) -> Result<Vec<String>, BadRequest> {
            match std::str::from_utf8(&body) {
                Ok("loop!") => spin(),
                Ok("trap!") => panic!("asked to"),
                // As many names as it says, of ten letters each.
                Ok(many) if many.starts_with("many!") => {
                    let count = many.trim_start_matches("many!").parse().unwrap_or(0);
                    Ok((0..count).map(|n| format!("user-{n:05}")).collect())
                }
                Ok(names) => Ok(names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()),
                Err(_) => Err(BadRequest { message: "two\nlines".into() }),
            }
        }

        fn summary(outcome: Outcome) -> Reply {
            let (status, text) = match outcome {
                Outcome::Batch(counts) => (200, format!("{} {}", counts.updated, counts.errors)),
                Outcome::Single(updated) => (200, updated.to_string()),
                Outcome::Refused(bad) => (400, bad.message),
            };
            let odd = setting("summary");
            Reply {
                status: if odd.as_deref() == Some("status") { 99 } else { status },
                content_type: if odd.as_deref() == Some("header") { "a\r\nb: c".into() } else { "text/plain".into() },
                body: text.into_bytes(),
            }
        }
    }

    /// Of a user whose roster the host does not hold.
    fn first(user: &str) -> Result<Roster, FetchError> {
        let calls = CALLS.get() + 1;
        CALLS.set(calls);
        match (user, rehearsal()) {
            ("rehearsal", Some(how)) => misbehave(&how)?,
            _ => misbehave(user)?,
        }
        let contacts = match user {
            "counter" => vec![contact(&format!("call-{calls}@localhost"))],
            "twins" => vec![contact("twin@localhost"), contact("twin@localhost")],
            "bell" => vec![Contact { name: Some("\u{7}".into()), ..contact("ringer@localhost") }],
            "nameless" => vec![contact("")],
            "speller" => odd_spellings(),
            "crowd" => (0..20_000).map(|n| contact(&format!("c{n}@localhost"))).collect(),
            _ => vec![contact("friend@localhost")],
        };
        let warnings = if user == "warner" { vec!["beware\nof me".repeat(1000); 1000] } else { Vec::new() };
        Ok(Roster { contacts, tag: Some(vec![0; if user == "tagger" { 1 << 20 } else { 8 }]), warnings })
    }

    /// `then-NAME`: a quiet user whose refresh misbehaves as NAME.
    fn again(user: &str, known: &Snapshot) -> Result<Step, FetchError> {
        if let Some(how) = user.strip_prefix("then-") {
            misbehave(how)?;
        }
        let simple = known.contacts();
        let packed = known.packed();
        let texts = |contact: &Contact| {
            let Contact { jid, name, groups, .. } = contact;
            [jid.as_str(), name.as_deref().unwrap_or_default()].concat() + &groups.concat()
        };
        let text: String = simple.iter().map(texts).collect();
        assert_eq!(text, packed.text, "both views of the roster are the same");
        match user {
            "liar" => changed(vec![Change::Remove("stranger@localhost".into())]),
            "twin-changes" => {
                let twin = || Change::Put(contact("twin@localhost"));
                changed(vec![twin(), twin()])
            }
            // As a plugin that compares the application's spelling with the host's does.
            "speller" => {
                let gone = known.contacts().into_iter().map(|contact| Change::Remove(contact.jid));
                changed(gone.chain(odd_spellings().into_iter().map(Change::Put)).collect())
            }
            "grower" | "asking-grower" => {
                changed(vec![Change::Put(contact(&format!("v{}@localhost", known.version())))])
            }
            _ => Ok(Step::Unchanged),
        }
    }

    fn changed(changes: Vec<Change>) -> Result<Step, FetchError> {
        Ok(Step::Changed(Delta { changes, tag: None, warnings: Vec::new() }))
    }

    fn roster(contacts: Vec<Contact>) -> Roster {
        Roster { contacts, tag: None, warnings: Vec::new() }
    }

    fn get(user: &str) -> Request {
        let template = setting("http_roster_url").unwrap_or_else(|| "http://localhost/%s".into());
        let url = template.replace("%s", user);
        Request { method: Method::Get, url, headers: Vec::new(), body: Vec::new() }
    }

    /// How to misbehave in a rehearsal. A test that wants two modules that differ in this replaces the last letter of the
    /// mark in the component.
    fn rehearsal() -> Option<String> {
        match mark() {
            b'a' => setting("rehearsal"),
            _ => setting("rehearsal-b"),
        }
    }

    fn mark() -> u8 {
        static MARK: [u8; 14] = *b"hostile-mark:a";
        std::hint::black_box(&MARK).last().copied().unwrap_or_default()
    }

    fn misbehave(how: &str) -> Result<(), FetchError> {
        match how {
            "loop" => spin(),
            "bomb" => bomb(),
            "trap" => panic!("asked to"),
            "overflow" => {
                std::hint::black_box(recurse(1));
            }
            "exit" => std::process::exit(3),
            "gambler" => loop {
                std::hint::black_box(bindings::wasi::random::random::get_random_bytes(64 << 10));
            },
            "greedy" => {
                std::hint::black_box(bindings::wasi::random::random::get_random_bytes(64 << 20));
            }
            "sleeper" => monotonic_clock::subscribe_duration(3_600_000_000_000).block(),
            "handles" => std::mem::forget((0..100_000).map(|_| Fields::new()).collect::<Vec<_>>()),
            "leaker" => std::mem::forget(Fields::new()),
            "hoarder" => std::mem::forget(std::hint::black_box(vec![1_u8; 24 << 20])),
            // Many of them at once.
            how if how.starts_with("hoarder-") => {
                let held = std::hint::black_box(vec![1_u8; 24 << 20]);
                monotonic_clock::subscribe_duration(1_000_000_000).block();
                drop(held);
            }
            "chatter" => (0..2000).for_each(|n| eprintln!("line {n}")),
            "forbidden" => {
                let origin = setting("forbidden").unwrap_or_default();
                request(&origin).map_err(FetchError::Unreachable)?;
            }
            "requests" => {
                let origin = setting("allowed").unwrap_or_default();
                for _ in 0..100_000 {
                    request(&origin).map_err(FetchError::Unreachable)?;
                }
            }
            "files" => {
                let found = std::fs::read_dir("/").map(|entries| entries.count());
                let environment = std::env::vars().count();
                return Err(FetchError::Malformed(format!("{:?} {environment}", found.map_err(|error| error.kind()))));
            }
            "sockets" => {
                let kind = |error: std::io::Error| error.kind();
                let connected = TcpStream::connect("127.0.0.1:9").map(drop).map_err(kind);
                let bound = UdpSocket::bind("127.0.0.1:0").map(drop).map_err(kind);
                let found = "localhost:80".to_socket_addrs().map(|found| found.count());
                return Err(FetchError::Malformed(format!("{connected:?} {bound:?} {}", found.is_ok())));
            }
            // Many users, each in a call of their own.
            how if how.starts_with("loop-") => spin(),
            // `filler-1`, `filler-2`, ...: uses memory that the instance then keeps. `holder-...`: for two seconds.
            how if how.starts_with("filler") => drop(std::hint::black_box(vec![1_u8; 16 << 20])),
            how if how.starts_with("holder") => {
                let held = std::hint::black_box(vec![1_u8; 16 << 20]);
                monotonic_clock::subscribe_duration(2_000_000_000).block();
                drop(held);
            }
            how => requests::ask(how).unwrap_or(Ok(())).map_err(FetchError::Malformed)?,
        }
        Ok(())
    }

    fn spin() -> ! {
        loop {
            std::hint::black_box(0);
        }
    }

    fn bomb() {
        let mut all = Vec::new();
        loop {
            all.push(std::hint::black_box(vec![1_u8; 1 << 20]));
        }
    }

    #[allow(unconditional_recursion)]
    fn recurse(n: u64) -> u64 {
        let frame = std::hint::black_box([n; 64]);
        recurse(n + 1) + frame[n as usize % 64]
    }

    fn request(authority: &str) -> Result<(), String> {
        let request = OutgoingRequest::new(Fields::new());
        let _ = request.set_scheme(Some(&Scheme::Http));
        request.set_authority(Some(authority)).map_err(|()| "authority".to_owned())?;
        let _ = request.set_path_with_query(Some("/contacts/anybody"));
        let response = outgoing_handler::handle(request, None).map_err(|error| format!("{error:?}"))?;
        response.subscribe().block();
        match response.get() {
            Some(Ok(Ok(_))) => Ok(()),
            Some(Ok(Err(error))) => Err(format!("{error:?}")),
            _ => Err("no answer".into()),
        }
    }

    /// Contacts as an application may spell them, and what is none. The user is `speller@localhost`.
    fn odd_spellings() -> Vec<Contact> {
        let named = |jid: &str, name: &str| Contact { name: Some(name.into()), ..contact(jid) };
        vec![
            contact("friend@localhost"),
            named("Marie@LOCALHOST/phone", "1"),
            named("marie@localhost", "2"),
            contact("straße@xn--bcher-kva.example."),
            contact("@"),
            contact("john@"),
            contact("a b@example.com"),
            contact("a\u{AD}b@example.com"),
            contact("☃.example"),
            contact("Speller@localhost"),
            Contact {
                name: Some("b\u{0}l".into()),
                groups: vec!["G\u{FFFF}".into(), String::new()],
                ..contact("bell@localhost")
            },
        ]
    }

    fn setting(key: &str) -> Option<String> {
        store::get(key).ok().flatten()
    }

    fn contact(jid: &str) -> Contact {
        Contact { jid: jid.into(), name: None, subscription: Subscription::Both, ask: false, groups: Vec::new() }
    }
}
