//! A port that is taken: which one, and which flag takes another. And listeners that are off.

use std::net::TcpListener;

use crate::https::{TLS_TABLE, write_certificate};
use crate::support::program::{Program, run};
use crate::support::setup::{Setup, one_host};

/// Flags with the address they are to have, the one under test with one that is taken.
fn flags(all: &[&'static str], taken: &str, address: &str) -> Vec<String> {
    all.iter().flat_map(|flag| [(*flag).into(), if *flag == taken { address } else { "127.0.0.1:0" }.into()]).collect()
}

fn holder() -> (TcpListener, String) {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap().to_string();
    (holder, address)
}

#[test]
fn the_demo_names_the_port_in_use_and_the_flag_that_changes_it() {
    let all = ["--http-listen", "--admin-listen", "--demo-listen", "--xmpp-listen", "--xmpp-tls-listen"];
    for taken in all {
        let (_holder, address) = holder();
        let ended = run(flags(&all, taken, &address));
        let line = ended.only_line();
        assert!(
            line.starts_with("roster-host: ") && line.contains(&address) && line.contains(taken),
            "{taken}: {line}"
        );
        assert!(line.contains(" in use") && line.contains("--port-base"), "{taken}: {line}");
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{taken}");
    }
}

#[test]
fn all_ports_that_are_taken_are_named_at_once() {
    let demo = ["--http-listen", "--admin-listen", "--xmpp-listen", "--xmpp-tls-listen", "--demo-listen"];
    let setup = Setup::with(&format!("log.filter = 'warn'\n{TLS_TABLE}{}", one_host("http://127.0.0.1:9/%s")));
    write_certificate(&setup);
    let configured = ["--http-listen", "--https-listen", "--admin-listen"];
    for (all, arguments) in
        [(&demo[..], vec!["demo"]), (&configured[..], vec!["run", "--config", setup.config().to_str().unwrap()])]
    {
        let holders: Vec<_> = all.iter().map(|_| holder()).collect();
        let taken = all.iter().zip(&holders).flat_map(|(flag, (_, address))| [*flag, address]);
        let ended = run(arguments.iter().copied().chain(taken));
        let lines: Vec<_> = ended.stderr.lines().collect();
        assert_eq!((lines.len(), ended.code, ended.stdout.as_str()), (all.len(), Some(2), ""), "{ended:?}");
        for (line, (flag, (_, address))) in lines.iter().zip(all.iter().zip(&holders)) {
            assert!(line.contains(address) && line.contains(flag) && line.contains(": address in use"), "{line}");
        }
    }
}

#[test]
fn the_whole_demo_is_moved_by_its_first_port() {
    // Below those that the system gives to whoever asks for any.
    let start = 20_000 + u16::try_from(std::process::id() % 1000).unwrap() * 10;
    let is_free = |base: &u16| (0..5).all(|n| TcpListener::bind(("127.0.0.1", base + n)).is_ok());
    let base = (start..start + 500).step_by(5).find(is_free).unwrap();
    let demo = Program::start(["demo".to_owned(), "--port-base".to_owned(), base.to_string()]);
    let greeting = demo.stdout.wait("the greeting", |text| text.contains("Ctrl-C stops it").then(|| text.to_owned()));
    for (n, title) in ["refresh route", "admin", "web application", "XMPP clients", ""].iter().enumerate() {
        let address = format!("127.0.0.1:{}", usize::from(base) + n);
        assert!(
            greeting.lines().any(|line| line.trim_start().starts_with(title) && line.contains(&address)),
            "{greeting}"
        );
    }
    assert_eq!(demo.stop().code, Some(0));
    for wrong in ["65532", "x", "-1"] {
        let ended = run(["demo", &format!("--port-base={wrong}")]);
        assert!(ended.code == Some(2) && ended.stderr.contains("--port-base"), "{ended:?}");
    }
}

#[test]
fn with_a_configuration_the_key_is_named_too() {
    let setup = Setup::with(&format!("log.filter = 'warn'\n{TLS_TABLE}{}", one_host("http://127.0.0.1:9/%s")));
    write_certificate(&setup);
    let all =
        [("--http-listen", "http.listen"), ("--https-listen", "http.tls.listen"), ("--admin-listen", "admin.listen")];
    for (taken, key) in all {
        let (_holder, address) = holder();
        let flags = flags(&all.map(|(flag, _)| flag), taken, &address);
        let ended = setup.run(&flags.iter().map(String::as_str).collect::<Vec<_>>());
        let expected =
            format!("roster-host: cannot listen on {address}: address in use; choose another with {key} ({taken})");
        assert_eq!(ended.only_line(), expected);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{taken}");
    }
}

#[test]
fn every_listener_can_be_turned_off_by_its_flag() {
    let xmpp = "[xmpp]\ncertificate = 'chain.pem'\nkey = 'key.pem'\n";
    let host =
        one_host("http://127.0.0.1:9/%s").replace("[host.settings]", "accounts = 'accounts.txt'\n[host.settings]");
    let setup = Setup::with(&format!("{TLS_TABLE}{xmpp}{host}"));
    write_certificate(&setup);
    std::fs::write(setup.path("accounts.txt"), "").unwrap();
    let all = ["http", "https", "admin", "xmpp", "xmpps"];
    for off in all {
        let listen = |name: &str| if name == off { "off" } else { "127.0.0.1:0" };
        let flags: Vec<String> = all
            .iter()
            .flat_map(|name| [format!("--{}-listen", name.replace("xmpps", "xmpp-tls")), listen(name).to_owned()])
            .collect();
        let arguments = [&["--config".to_owned(), setup.config().to_str().unwrap().to_owned()][..], &flags].concat();
        let program = Program::start(arguments);
        let line = program
            .stderr
            .wait("it is up", |log| log.lines().find(|line| line.contains("roster-host is up")).map(str::to_owned));
        for name in all {
            let value = line.split(&format!(" {name}=")).nth(1).unwrap_or_else(|| panic!("{name}: {line}"));
            assert_eq!(value.trim_matches('"').starts_with("off"), name == off, "{name}, {off} is off: {line}");
        }
        assert_eq!(program.stop().code, Some(0), "{off}");
    }
    let ended = setup.run(&["--xmpp-tls-listen", "of"]);
    assert!(ended.stderr.contains("or off") && ended.code == Some(2), "{ended:?}");
}
