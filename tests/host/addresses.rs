//! Plugin, host and endpoint read every address alike, and every spelling of one is the same user, contact and domain.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_roster_admin::jid;
use http_roster_admin::roster::{Owner, decode};
use http_roster_admin::settings::Settings;
use proptest::prelude::*;
use roster_host::config::{AccountsConfig, Config, Secret};
use roster_host::model::{Snapshot, Username};
use roster_jid::Jid;
use roster_tests::client;
use roster_tests::host::TestHost;
use roster_tests::web_app::{Reply, WebApp};
use roster_tests::xmpp::{ask, auth, open_to_all, with_xmpp};
use roster_xmpp::outbound::queue;
use roster_xmpp::{Domain, DomainOptions, RosterSource, RosterUnavailable};
use serde_json::json;
use tokio::net::TcpStream;

/// Has no rosters: nobody asks for one here.
struct Nothing;

#[async_trait]
impl RosterSource for Nothing {
    async fn connect(&self, _: &Username, _: &str) -> Result<Arc<Snapshot>, RosterUnavailable> {
        Err(RosterUnavailable { reason: "there are none".into() })
    }

    fn disconnect(&self, _: &Username, _: &str) {}

    fn cached(&self, _: &Username) -> Option<Arc<Snapshot>> {
        None
    }
}

/// A part of an address, near the rules.
fn part() -> impl Strategy<Value = String> {
    let characters = "aAzßẞéÉİΣς１Ｍ。.-_ '\u{301}\u{AD}\u{200D}\u{3000}ﬁאش\u{661}·😀☃ⴰ𞤀ü".chars().collect::<Vec<_>>();
    prop_oneof![
        "[a-zA-Z0-9.-]{1,8}",
        prop::sample::select(vec!["xn--bcher-kva", "bücher", "xn--n3h", "straße", "ⴰⵎⴰⵣⵉⵖ", "[::1]", "x."])
            .prop_map(str::to_owned),
        prop::collection::vec(prop::sample::select(characters), 1..6).prop_map(String::from_iter),
        prop::collection::vec(any::<char>(), 1..4).prop_map(String::from_iter),
    ]
    .prop_filter("one part", |text| !text.contains(['@', '/']))
}

fn domain_of_config(text: &str) -> Option<String> {
    let text = serde_json::to_string(text).unwrap();
    let config = format!("[[host]]\ndomain = {text}\nsettings.http_roster_url = 'http://x/%s'\n");
    Some(Config::parse(&config, Path::new("x.toml")).ok()?.hosts[0].domain.clone())
}

fn resource_of_session(user: &Username, domain: &str, resource: &str) -> Option<String> {
    let domain = Domain::new(DomainOptions::new(domain.parse().unwrap()), Arc::new(Nothing));
    Some(domain.bind(user, Some(resource), queue(1).0).ok()?.jid().to_owned())
}

fn contact_of_body(local: &str, domain: &str) -> Option<String> {
    let body = json!({ format!("{local}@{domain}"): {} }).to_string();
    let roster = decode(body.as_bytes(), Owner { user: "nobody", domain: "nowhere.example" }).unwrap();
    roster.contacts.first().map(|contact| contact.jid.to_string())
}

proptest! {
    #[test]
    fn plugin_host_and_endpoint_normalise_alike(local in part(), domain in part(), resource in part()) {
        let whole = Jid::parse(&domain).ok().map(|jid| jid.domainpart.into_owned());
        prop_assert_eq!(&jid::normalize_domain(&domain).ok().map(|name| name.into_owned()), &whole);
        prop_assert_eq!(&domain_of_config(&domain), &whole);
        let settings = Settings::read(&xmpp_roster_plugin::Settings::of([("http_roster_url", "http://x/%s"), ("domain", &domain)])).ok();
        prop_assert_eq!(&settings.map(|settings| settings.domain().to_owned()), &whole);
        let user = Username::new(&local).ok();
        let expected = user.as_ref().zip(whole.as_ref()).map(|(user, domain)| format!("{user}@{domain}"));
        prop_assert_eq!(&contact_of_body(&local, &domain), &expected);
        if let Some((user, name)) = user.zip(whole) {
            let full = Jid::parse(&format!("{local}@{domain}/{resource}")).ok().map(|jid| jid.to_string());
            prop_assert_eq!(resource_of_session(&user, &name, &resource), full);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_spelling_of_an_address_is_the_same_user_contact_and_domain() {
    let app = WebApp::start().await;
    let mut config = with_xmpp(&app, open_to_all());
    config.hosts[0].domain = "bücher.example".into();
    let users = ["straße", "strasse", "ⴰⵎⴰⵣⵉⵖ"].map(|user| (user.to_owned(), Secret::new("secret")));
    config.hosts[0].accounts = Some(AccountsConfig::Fixed(users.to_vec()));
    let host = TestHost::with(config).await;
    app.set("stra%C3%9Fe", Reply::contacts(&["m@xn--bcher-kva.example", "ⴰⵎⴰⵣⵉⵖ@BÜCHER.example", "m@bücher.example"]));
    // "strasse" is another user, whose roster nobody asks for.
    let mut online = Vec::new();
    for (spelling, credentials, user, encoded) in [
        ("xn--bcher-kva.example", "\0STRAẞE\0secret", "straße", "stra%C3%9Fe"),
        ("Bücher.example.", "\0ⴰⵎⴰⵣⵉⵖ\0secret", "ⴰⵎⴰⵣⵉⵖ", "%E2%B4%B0%E2%B5%8E%E2%B4%B0%E2%B5%A3%E2%B5%89%E2%B5%96"),
    ] {
        let mut stream = TcpStream::connect(host.xmpp.unwrap()).await.unwrap();
        let open = format!(
            "<stream:stream to='{spelling}' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
        );
        let header = ask(&mut stream, &open, "</stream:features>").await.replace('"', "'");
        assert!(header.contains("from='bücher.example'"), "{header}");
        ask(&mut stream, &auth(&STANDARD.encode(credentials)), "<success").await;
        ask(&mut stream, &open, "</stream:features>").await;
        let bind = "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>😀 phone</resource></bind></iq>";
        let bound = ask(&mut stream, bind, "</iq>").await;
        assert!(bound.contains(&format!("<jid>{user}@bücher.example/😀 phone</jid>")), "{bound}");
        let get = "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>";
        let roster = ask(&mut stream, get, "id='r'").await;
        assert_eq!(app.seen(encoded).len(), 1, "{roster}");
        online.push(stream);
    }
    assert_eq!(app.seen("strasse").len(), 0);
    let cached = client::get(host.admin, "/rosters/stra%C3%9Fe?domain=xn--bcher-kva.example").await.json();
    let jids: Vec<_> = cached["contacts"].as_array().unwrap().iter().map(|contact| &contact["jid"]).collect();
    assert_eq!(jids, ["m@bücher.example", "ⴰⵎⴰⵣⵉⵖ@bücher.example"]);
    // A refresh in another spelling, for a virtual host in another spelling.
    app.set("stra%C3%9Fe", Reply::contacts(&["m@bücher.example"]));
    let named = [("Host", "xn--bcher-kva.example")];
    let body = json!(["ＳＴＲＡẞＥ"]).to_string();
    let answer = client::request(host.http, "POST", "/roster_admin/refresh", &named, body.as_bytes()).await;
    assert_eq!((answer.status, &answer.json()["updated"]), (200, &json!(1)), "{}", answer.text());
    assert_eq!(app.seen("stra%C3%9Fe").len(), 2);
}
