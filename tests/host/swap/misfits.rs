//! Modules that do not fit the host are refused with a line that names what does not fit and both types.

use roster_host::plugin::{BUILT_IN, PluginSource};
use roster_host::swap::{Outcome, Step};
use roster_tests::host::{TestHost, config};
use roster_tests::modules::{hostile, paged, patched};
use roster_tests::web_app::{Reply, WebApp};

fn renamed(from: &str, to: &str) -> Vec<u8> {
    patched(BUILT_IN.to_vec(), from, to)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_does_not_fit_is_told_what_was_expected_and_what_was_found() {
    let app = WebApp::start().await;
    app.set_otherwise(Reply::contacts(&["a@x"]));
    let host = TestHost::with(config(&app)).await;
    host.connect("john").await;
    for (what, bytes, says) in [
        (
            "a hook less",
            renamed("changed-users", "changed-usirs"),
            &[
                "hook changed-users is missing",
                "expected changed-users: func(body: list<u8>) -> result<list<string>, bad-request>",
            ] as &[&str],
        ),
        (
            "another type",
            renamed("content-type", "content-kind"),
            &[
                "hook summary has another type",
                "expected summary: func(outcome: outcome) -> reply",
                "found summary: func(outcome: outcome) -> reply",
                "expected record field named content-type, found content-kind",
            ],
        ),
        (
            "another type after a resource",
            patched(paged(), "unchanged", "unchangid"),
            &[
                "hook read-response has another type",
                "expected read-response: func(user: string, tag: option<tag>, known: option<borrow<snapshot>>, \
                 response: response, state: list<u8>) -> result<step, fetch-error>",
                "expected variant case named unchanged, found unchangid",
            ],
        ),
        (
            "another version",
            renamed("xmpp:roster/hooks@0.1.0", "xmpp:roster/hooks@0.9.0"),
            &["built for xmpp:roster@0.9.0", "serves", "0.1.0"],
        ),
        ("another world", renamed("xmpp:roster/hooks@", "xmpp:others/hooks@"), &["exports no xmpp:roster/hooks"]),
        (
            "two forbidden imports",
            patched(hostile(), "wasi:http/outgoing-handler@", "wasi:http/incoming-handler@"),
            &["does not grant", "wasi:http/incoming-handler@0.2."],
        ),
        (
            "an import of another version",
            patched(hostile(), "wasi:http/types@0.2.", "wasi:http/types@0.9."),
            &["does not grant", "wasi:http/types@0.9."],
        ),
    ] {
        let source = PluginSource::Bytes { name: what.into(), bytes: bytes.into() };
        let receipt = host.swapper.swap("test", source).await;
        assert_eq!((receipt.outcome, receipt.step), (Outcome::Refused, Step::Check), "{receipt:?}");
        let reason = receipt.reason.unwrap();
        println!("{what}: {reason}");
        assert!(!reason.contains('\n') && reason.contains(what), "{reason}");
        for says in says {
            assert!(reason.contains(says), "{what}: {says:?} is not in {reason:?}");
        }
        host.refresh(&["john"]).await;
    }
}
