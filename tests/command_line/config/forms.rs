//! `run`, `check` and `demo` do what the forms without a subcommand do, and what is for one is refused by the others.

use crate::support::program::{Program, run};
use crate::support::setup::{Setup, one_host};

fn setup() -> Setup {
    Setup::with(&one_host("http://127.0.0.1:9/%s"))
}

#[test]
fn check_says_what_check_config_says() {
    let setup = setup();
    let config = setup.config();
    let config = config.to_str().unwrap();
    let [bare, check] = [&["--check-config", "-c", config][..], &["check", "--config", config]].map(run);
    assert_eq!((bare.code, check.code), (Some(0), Some(0)), "{bare:?} {check:?}");
    assert!(check.stdout.contains("example.com"), "{check:?}");
    assert_eq!(bare.stdout, check.stdout);
    std::fs::write(setup.config(), "no = 1").unwrap();
    let ended = run(["check", "-c", config]);
    assert!(ended.code == Some(2) && ended.stderr.contains("no"), "{ended:?}");
}

#[test]
fn run_serves_as_the_program_without_a_subcommand_does() {
    let setup = setup();
    let config = setup.config();
    let program = Program::start([
        "run",
        "-c",
        config.to_str().unwrap(),
        "--http-listen",
        "127.0.0.1:0",
        "--admin-listen",
        "off",
    ]);
    let listening = program.listening();
    assert!(listening.http.is_some() && listening.admin.is_none(), "{listening:?}");
    assert_eq!(program.stop().code, Some(0));
}

#[test]
fn what_is_for_one_form_is_refused_by_the_others() {
    let setup = setup();
    let config = setup.config();
    let config = config.to_str().unwrap();
    for (arguments, names) in [
        (&["run"][..], "--config"),
        (&["check"], "--config"),
        (&["demo", "--config", config], "--config"),
        (&["run", "-c", config, "--demo-listen", "127.0.0.1:0"], "--demo-listen"),
        (&["demo", "--https-listen", "off"], "--https-listen"),
        (&["-c", config, "--demo-listen", "127.0.0.1:0"], "--demo-listen"),
        (&["-c", config, "--port-base", "7000"], "--port-base"),
        (&["--https-listen", "off"], "--config"),
        (&["--attach-listen", "off"], "--config"),
        (&["--check-config"], "--config"),
        (&["--config", config, "run"], "run"),
    ] {
        let ended = run(arguments);
        assert!(ended.code == Some(2) && ended.stderr.contains(names), "{arguments:?}: {ended:?}");
    }
}
