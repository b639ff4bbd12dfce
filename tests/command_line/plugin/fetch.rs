//! `fetch`: the application is asked once, as the host asks it, and what came of it is told. And what the other commands
//! that try a plugin approve is what a host approves.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::program::{Ended, run};
use crate::support::setup::{Setup, one_host};
use crate::support::web_app::WebApp;

const TOKEN: &str = "c4tFlap-token";

fn fetch(setup: &Setup, user: &str, more: &[&str]) -> Ended {
    run([&["fetch", user, "--config", setup.config().to_str().unwrap()], more].concat())
}

#[test]
fn the_configured_plugin_asks_once_and_what_came_of_it_is_told() {
    let app = WebApp::start();
    let setup = Setup::new(&app, "", &format!("[host.client]\nbearer_token = '{TOKEN}'"));
    app.answer(
        "john",
        200,
        r#"{"marie@x": {"name": "Marie", "groups": ["G"]}, "aaron@x": {"name": 7}}"#,
        Duration::ZERO,
    );
    let told = fetch(&setup, "john", &[]);
    assert_eq!((told.code, told.stderr.as_str()), (Some(0), ""), "{}", told.stdout);
    let url = app.roster_url().replace("%s", "john");
    for part in [
        "john@example.com, plugin (built in) (SHA-256 ",
        &format!("\nGET {url}\n"),
        "\n  accept: application/json, text/plain, */*\n",
        "\n  authorization: Bearer (hidden)\n",
        "\n200, 71 bytes, ",
        "\n2 contacts\n  marie@x \"Marie\", both, in \"G\"\n  aaron@x, both\n",
        "\nwarning: contact \"aaron@x\": its name is a number",
    ] {
        assert!(told.stdout.contains(part), "{part:?} is not in {}", told.stdout);
    }
    assert!(!told.stdout.contains(TOKEN));
    let requests = app.requests("john");
    assert_eq!(requests.len(), 1, "{requests:?}");
    assert!(requests[0].contains(TOKEN), "the host's credentials are sent");

    let told: Value = serde_json::from_str(&fetch(&setup, "john", &["--json"]).stdout).unwrap();
    assert_eq!((&told["user"], &told["domain"], &told["error"]), (&json!("john"), &json!("example.com"), &json!(null)));
    assert_eq!(
        told["contacts"][0],
        json!({"jid": "marie@x", "name": "Marie", "subscription": "both", "groups": ["G"]})
    );
    assert_eq!((&told["requests"][0]["url"], &told["requests"][0]["answered"]["status"]), (&json!(url), &json!(200)));
    assert_eq!(told["warnings"].as_array().unwrap().len(), 1);
}

#[test]
fn without_a_roster_the_exit_code_is_1_and_what_went_wrong_is_told() {
    let app = WebApp::start();
    let setup = Setup::new(&app, "", "");
    for (status, body, says) in [
        (503, "", &["\n503, 0 bytes, ", "\nerror: ", "status 503"][..]),
        (200, "<html>", &["\n200, 6 bytes, ", "\nerror: ", "what looks like HTML"]),
    ] {
        app.answer("john", status, body, Duration::ZERO);
        let told = fetch(&setup, "john", &[]);
        assert_eq!((told.code, told.stderr.as_str()), (Some(1), ""), "{}", told.stdout);
        assert!(says.iter().all(|part| told.stdout.contains(part)), "{says:?} are not in {}", told.stdout);
        let told: Value = serde_json::from_str(&fetch(&setup, "john", &["--json"]).stdout).unwrap();
        assert!(told["contacts"].is_null() && told["error"].is_string(), "{told}");
    }
    let nobody = Setup::with(&one_host("http://127.0.0.1:9/contacts/%s"));
    let told = fetch(&nobody, "john", &[]);
    assert_eq!(told.code, Some(1));
    assert!(told.stdout.contains("GET http://127.0.0.1:9/contacts/john\n"), "{}", told.stdout);
}

#[test]
fn any_configured_plugin_of_any_host_is_asked() {
    let app = WebApp::start();
    let origin = format!("http://{}", app.address);
    app.answer("contacts", 200, r#"{"items": [{"address": "marie@x"}]}"#, Duration::ZERO);
    let paged = |client: &str| {
        let host =
            format!("[[host]]\ndomain = 'paged.example'\nplugin = 'paged.wasm'\nsettings.api_url = '{origin}/v1'\n");
        let setup = Setup::with(&format!("{host}{client}\n{}", one_host(&app.roster_url())));
        fs::copy(test_guests::PAGED_ROSTER, setup.path("paged.wasm")).unwrap();
        setup
    };
    let setup = paged(&format!("client.allow_origins = ['{origin}']"));
    let told = fetch(&setup, "john", &[]);
    assert_eq!((told.code, told.stderr.as_str()), (Some(0), ""), "{}", told.stdout);
    assert!(told.stdout.contains("1 contact\n  marie@x, both\n"), "{}", told.stdout);
    assert!(fetch(&setup, "john", &["--host", "example.com"]).stdout.contains("john@example.com, plugin (built in)"));

    // What a host does not allow is not allowed here either.
    let config = |setup: &Setup| setup.config().to_str().unwrap().to_owned();
    let unlisted = paged("");
    for arguments in [
        &["fetch", "john", "--config", &config(&unlisted)][..],
        &["--check-config", "--config", &config(&unlisted)],
        &["plugin", "run", test_guests::PAGED_ROSTER, "--user", "john", "--config", &config(&unlisted)],
    ] {
        let ended = run(arguments);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(ended.only_line().contains("client.allow_origins: is missing"), "{arguments:?}: {}", ended.stderr);
    }
    let closed = paged("client.allow_origins = []");
    for arguments in [
        &["fetch", "john", "--config", &config(&closed)][..],
        &["plugin", "run", test_guests::PAGED_ROSTER, "--user", "john", "--config", &config(&closed)],
    ] {
        let ended = run(arguments);
        assert_eq!(ended.code, Some(1), "{arguments:?}: {}", ended.stdout);
        assert!(ended.stdout.contains("not an allowed origin"), "{arguments:?}: {}", ended.stdout);
    }
}

#[test]
fn credentials_that_are_sent_to_nobody_are_not_promised() {
    let origin = "http://127.0.0.1:9";
    let host = format!(
        "[[host]]\ndomain = 'paged.example'\nplugin = 'paged.wasm'\nsettings.api_url = '{origin}/v1'\n\
         client.allow_origins = ['{origin}']\nclient.bearer_token = '{TOKEN}'\n"
    );
    for (more, code, says) in [
        ("", 2, "client.auth_origins: is missing: there are credentials"),
        ("client.auth_origins = []", 0, "client.auth_origins: is empty: the credentials are sent to nobody"),
        ("client.auth_origins = ['https://elsewhere.example']", 0, "a bearer token that is sent to nobody"),
        (&format!("client.auth_origins = ['{origin}']"), 0, "may ask http://127.0.0.1:9, a bearer token\n"),
    ] {
        let setup = Setup::with(&format!("{host}{more}\n"));
        fs::copy(test_guests::PAGED_ROSTER, setup.path("paged.wasm")).unwrap();
        let ended = setup.run(&["--check-config"]);
        assert_eq!(ended.code, Some(code), "{more}: {ended:?}");
        let told = format!("{}{}", ended.stdout, ended.stderr);
        assert!(told.contains(says) && !told.contains(TOKEN), "{more}: {told}");
    }
}

#[test]
fn what_a_host_mends_or_leaves_out_is_told_by_run_and_fetch_too() {
    let app = WebApp::start();
    let url = app.roster_url();
    let settings = format!("settings = {{ http_roster_url = '{url}' }}");
    let setup = Setup::with(&format!("[[host]]\ndomain = 'example.com'\nplugin = 'hostile.wasm'\n{settings}\n"));
    fs::copy(test_guests::HOSTILE, setup.path("hostile.wasm")).unwrap();
    for (user, says) in [
        ("twins", "warning: contact \"twin@localhost\" is there twice; the first counts\n"),
        ("bell", "warning: "),
        ("nameless", "warning: "),
    ] {
        let told = [
            fetch(&setup, user, &[]),
            run(["plugin", "run", test_guests::HOSTILE, "--user", user, "--url", &url]),
            run(["plugin", "run", test_guests::HOSTILE, "--user", user, "--config", setup.config().to_str().unwrap()]),
        ]
        .map(|ended| {
            assert_eq!(ended.code, Some(0), "{user}: {ended:?}");
            let lines = ended.stdout.lines().skip_while(|line| !line.trim_end_matches('s').ends_with(" contact"));
            lines.filter(|line| !line.contains(" ms in all, ")).map(|line| format!("{line}\n")).collect::<String>()
        });
        assert!(told[0].contains(says), "{user}: {}", told[0]);
        assert!(told.iter().all(|one| *one == told[0]), "{user}: {told:?}");
    }
}

#[test]
fn without_a_configuration_run_says_what_a_host_has_to_allow() {
    let app = WebApp::start();
    app.answer("contacts", 200, r#"{"items": []}"#, Duration::ZERO);
    let setting = format!("api_url=http://{}/v1", app.address);
    let ended = run(["plugin", "run", test_guests::PAGED_ROSTER, "--user", "john", "--setting", &setting]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let note =
        format!("note: a host lets it ask there only with client.allow_origins = [\"http://{}\"]\n", app.address);
    assert!(ended.stdout.ends_with(&note), "{}", ended.stdout);
}

#[test]
fn what_keeps_a_host_from_starting_is_exit_code_2() {
    let app = WebApp::start();
    let setup = Setup::new(&app, "", "");
    for (ended, says) in [
        (fetch(&setup, "a@b", &[]), "a@b"),
        (fetch(&setup, "john", &["--host", "other.example"]), "--host other.example"),
        (run(["fetch", "john", "--config", "no-such.toml"]), "no-such.toml"),
        (fetch(&Setup::with(&one_host("http://app/contacts")), "john", &[]), "no %s"),
    ] {
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{says}");
        assert!(ended.only_line().contains(says), "{says}: {}", ended.stderr);
    }
    assert_eq!(run(["fetch", "john"]).code, Some(2));
    assert_eq!(app.requests("john").len(), 0);
}
