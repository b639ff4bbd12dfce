//! SIGHUP: the configuration is read again.

use std::fs;

use crate::support::client::{connect, refresh, request};
use crate::support::program::run;
use crate::support::setup::{Setup, one_host};
use crate::support::web_app::WebApp;

#[test]
fn sighup_takes_over_what_it_can_says_what_it_cannot_and_refuses_a_file_with_mistakes() {
    let (old, new) = (WebApp::start(), WebApp::start());
    old.set("john", "marie@example.com");
    new.set("john", "aaron@example.com");
    let setup = Setup::new(&old, "", "");
    let host = setup.start(&[]);
    let listening = host.listening();
    let (http, admin) = (listening.http.unwrap(), listening.admin.unwrap());
    connect(admin, "john");
    let times = |log: &str, what: &str| log.matches(what).count();
    let hangup = |text: &str, number: usize| {
        fs::write(setup.config(), text).unwrap();
        host.signal("HUP");
        let read = |log: &str| (times(log, "the configuration was read again") == number).then_some(());
        host.stderr.wait("the configuration is read again", read);
    };

    // The ports of the flags are those of the flags still.
    let hosts = one_host(&new.roster_url());
    hangup(&format!("http.lisen = 'off'\nadmin.max_streams = 0\n{hosts}"), 1);
    let log = host.stderr.text();
    for mistake in ["roster-host.toml:1: http.lisen: unknown key", "roster-host.toml:2: admin.max_streams: 0: expected"]
    {
        assert_eq!(times(&log, mistake), 1, "{mistake}: {log}");
    }
    assert_eq!(refresh(http, &["john"]).status, 200);
    assert_eq!((old.requests("john").len(), new.requests("john").len()), (2, 0));

    hangup(&format!("log.filter = 'debug'\nadmin.max_streams = 1\nhttp.token = 'hush'\n{hosts}key = 'hush'\n"), 2);
    let log = host.stderr.text();
    for line in [
        "key=\"http.token\" old=\"none\" new=\"(not shown)\"",
        "key=\"admin.max_streams\" old=\"32\" new=\"1\"",
        "needs a restart",
    ] {
        assert!(log.contains(line), "{line}: {log}");
    }
    assert!(!log.contains("hush"), "{log}");
    assert_eq!(refresh(http, &["john"]).status, 401);
    let asked = request(http, "POST", "/roster_admin/refresh", &["Authorization: Bearer hush"], "[\"john\"]");
    assert_eq!((asked.status, new.requests("john").len()), (200, 1), "{}", asked.body);
    host.stderr.wait("the plugin is read again", |log| log.contains("trigger=\"reload\"").then_some(()));
    let log = host.stderr.text();
    let refused = log.find("outcome=\"refused\"").unwrap();
    let plugin = log.find("trigger=\"reload\"").unwrap();
    let taken_over = log.find("outcome=\"reloaded\"").unwrap();
    assert!(refused < taken_over && taken_over < plugin, "a bad file has no plugin read again: {log}");
    host.stderr.wait("what log.filter lets pass now", |log| log.contains("DEBUG").then_some(()));
    assert_eq!(host.stop().code, Some(0));
}

#[test]
fn a_command_says_what_has_come_of_it_and_its_exit_code_too() {
    let app = WebApp::start();
    let setup = Setup::new(&app, "", "");
    let host = setup.start(&[]);
    let admin = format!("http://{}", host.listening().admin.unwrap());
    let reload = |text: &str| {
        fs::write(setup.config(), text).unwrap();
        let ended = run(["reload", "--admin", &admin]);
        (ended.code, ended.stdout)
    };
    let hosts = one_host(&app.roster_url());
    let (code, said) = reload(&format!("log.filter = 'debug'\n{hosts}"));
    let taken_over = said.starts_with("reloaded\n  log.filter: \"debug\"; was \"info\"\n");
    assert!(code == Some(0) && taken_over, "{code:?} {said}");
    let (code, said) = reload(&format!("log.filer = 'debug'\n{hosts}"));
    assert!(code == Some(1) && said.starts_with("refused: nothing has changed\n  "), "{code:?} {said}");
    assert!(said.contains("roster-host.toml:1: log.filer: unknown key"), "{said}");
    assert_eq!(host.stop().code, Some(0));
    assert_eq!(run(["reload", "--admin", &admin]).code, Some(2), "nobody is there");
}
