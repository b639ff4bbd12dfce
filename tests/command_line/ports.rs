//! A port that is taken: which one, and which flag takes another.

use std::net::TcpListener;

use super::https::{TLS_TABLE, write_certificate};
use super::program::run;
use super::setup::{Setup, one_host};

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
        assert!(line.contains(" in use"), "{taken}: {line}");
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{taken}");
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
