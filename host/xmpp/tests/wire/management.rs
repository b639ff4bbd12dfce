//! Stream management (XEP-0198): what a client that loses its network does not lose.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use roster_xmpp::Domain;
use roster_xmpp::domain::nodes::{Cluster, LiveNode, Nodes};
use tokio::sync::mpsc;

use crate::support::server::{config, until};
use crate::support::{Client, Server};

const ENABLE: &str = "<enable xmlns='urn:xmpp:sm:3' resume='true'/>";

/// Turns stream management on; the id to resume with.
async fn enable(client: &mut Client) -> String {
    client.send(ENABLE).await;
    let enabled = client.expect("/>").await;
    assert!(enabled.starts_with("<enabled ") && enabled.contains("max='"), "{enabled}");
    enabled.split("id='").nth(1).unwrap().split('\'').next().unwrap().to_owned()
}

/// Logged in again, with no resource bound.
async fn again(server: &Server, user: &str) -> Client {
    let mut client = Client::connect_tls(server.tls, &server.trust).await;
    client.open().await;
    client.plain(user).await;
    client
}

fn resume(id: &str, h: u32) -> String {
    format!("<resume xmlns='urn:xmpp:sm:3' previd='{id}' h='{h}'/>")
}

fn chat(n: usize) -> String {
    format!("<message to='john@example.com/phone' type='chat' id='m{n}'><body>{n}</body></message>")
}

#[tokio::test]
async fn a_client_that_loses_its_network_gets_what_it_missed_once_and_in_order() {
    let server = Server::start().await;
    let mut john = Client::log_in(&server, "john", "phone").await;
    let id = enable(&mut john).await;
    let mut marie = Client::log_in(&server, "marie", "tablet").await;
    for n in 0..3 {
        marie.send(&chat(n)).await;
    }
    assert!(john.expect("id='m2'").await.contains("<r "));
    // He has read three, and says so about one; then his network is gone.
    john.send("<a xmlns='urn:xmpp:sm:3' h='1'/>").await;
    john.send("<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>").await;
    john.expect("id='p'").await;
    john.lose(&server).await;
    for n in 3..6 {
        marie.send(&chat(n)).await;
    }
    marie.ping("sent").await;
    assert_eq!(server.counters.sessions.get(), 2);
    let mut john = again(&server, "john").await;
    // Three messages had arrived, whatever he had time to say.
    john.send(&resume(&id, 3)).await;
    let all = john.expect("id='m5'").await;
    assert!(all.starts_with(&format!("<resumed xmlns='urn:xmpp:sm:3' h='1' previd='{id}'/>")), "{all}");
    // The answer to his ping was the fourth stanza.
    let order: Vec<usize> =
        ["id='p'", "id='m3'", "id='m4'", "id='m5'"].iter().map(|wanted| all.find(wanted).expect(wanted)).collect();
    assert!(order.is_sorted() && !all.contains("id='m2'"), "{all}");
    assert!(all.contains("<r "), "{all}");
    john.send("<a xmlns='urn:xmpp:sm:3' h='7'/><r xmlns='urn:xmpp:sm:3'/>").await;
    john.expect("<a xmlns='urn:xmpp:sm:3' h='1'/>").await;
    marie.send(&chat(6)).await;
    john.expect("id='m6'").await;
    john.log_out().await;
    marie.log_out().await;
    server.is_empty().await;
    assert_eq!((server.counters.sessions_resumed.get(), server.counters.sessions_total.get()), (1, 2));
    assert!(server.friends.connected.lock().is_empty());
}

#[tokio::test]
async fn a_session_is_resumed_in_the_face_of_its_old_connection() {
    let server = Server::start().await;
    let mut old = Client::log_in(&server, "john", "phone").await;
    let id = enable(&mut old).await;
    let mut new = again(&server, "john").await;
    new.send(&resume(&id, 0)).await;
    new.expect("<resumed ").await;
    new.expect("/>").await;
    let rest = old.rest().await;
    assert!(rest.contains("<conflict ") && rest.ends_with("</stream:stream>"), "{rest}");
    new.ping("p").await;
    new.log_out().await;
    server.is_empty().await;
}

#[tokio::test]
async fn nobody_resumes_what_is_not_there_or_not_theirs_and_may_bind_instead() {
    let server = Server::start().await;
    let mut john = Client::log_in(&server, "john", "phone").await;
    let id = enable(&mut john).await;
    let mut marie = again(&server, "marie").await;
    for id in [id.as_str(), "x", ""] {
        marie.send(&resume(id, 0)).await;
        let failed = marie.expect("</failed>").await;
        assert!(failed.contains("<item-not-found "), "{failed}");
    }
    marie.send(ENABLE).await;
    assert!(marie.expect("</failed>").await.contains("<unexpected-request "));
    assert_eq!(marie.bind("x").await, "marie@example.com/x");
    marie.send(&resume(&id, 0)).await;
    assert!(marie.expect("</failed>").await.contains("<unexpected-request "));
    john.send(ENABLE).await;
    assert!(john.expect("</failed>").await.contains("<unexpected-request "));
    john.send("<a xmlns='urn:xmpp:sm:3' h='99'/>").await;
    let rest = john.rest().await;
    assert!(rest.contains("<undefined-condition ") && rest.contains("<handled-count-too-high "), "{rest}");
    marie.log_out().await;
    server.is_empty().await;
}

/// Of whom, and what.
type Posted = (&'static str, Bytes);

/// Brings each node what others send it, in the order in which they do.
#[derive(Clone, Default)]
struct Bus(Arc<HashMap<&'static str, OnceLock<mpsc::UnboundedSender<Posted>>>>);

struct From(&'static str, Bus);

impl Nodes for From {
    fn send(&self, node: &str, message: Bytes) {
        self.1.0.get(node).and_then(OnceLock::get).unwrap().send((self.0, message)).unwrap();
    }
}

impl Bus {
    fn serve(&self, node: &'static str, domain: &Arc<Domain>) {
        let (sender, mut messages) = mpsc::unbounded_channel::<Posted>();
        self.0[node].set(sender).unwrap();
        let domain = Arc::clone(domain);
        tokio::spawn(async move {
            while let Some((from, message)) = messages.recv().await {
                domain.from_node(from, &message);
            }
        });
    }
}

/// It does not find the session, and is told where that is (XEP-0198 section 3), if its node says where clients reach it.
#[tokio::test]
async fn who_resumes_at_another_node_is_told_where_the_session_is() {
    for (address, told) in [(Some("here.example:5222"), " location='here.example:5222'"), (None, "")] {
        let bus = Bus(Arc::new([("here", OnceLock::new()), ("there", OnceLock::new())].into()));
        let mut servers = Vec::new();
        for (node, address) in [("here", address), ("there", Some("there.example"))] {
            let nodes = Arc::new(From(node, bus.clone()));
            let cluster = Cluster { node: node.into(), incarnation: 1, address: address.map(str::to_owned), nodes };
            servers.push(Server::in_cluster(config(), cluster).await);
            bus.serve(node, &servers.last().unwrap().domain);
        }
        let live = ["here", "there"].map(|name| LiveNode { name: name.into(), incarnation: 1 });
        servers.iter().for_each(|server| server.domain.nodes_changed(&live));
        let mut john = Client::log_in(&servers[0], "john", "phone").await;
        john.send(ENABLE).await;
        let enabled = john.expect("/>").await;
        let location = enabled.split(" location='").nth(1).map(|rest| rest.split('\'').next().unwrap());
        assert_eq!(location, address, "{enabled}");
        let id = enabled.split(" id='").nth(1).unwrap().split('\'').next().unwrap().to_owned();
        // What one says at the one node is read at the other, so both know each other.
        let mut marie = Client::log_in(&servers[1], "marie", "tablet").await;
        until("the nodes know of both", || servers.iter().all(|server| server.domain.other_nodes()[0].sessions == 1))
            .await;
        marie.send(&chat(1)).await;
        john.expect("id='m1'").await;
        john.lose(&servers[0]).await;
        let mut again = again(&servers[1], "john").await;
        for (id, location) in [(id.as_str(), told), ("x", ""), ("x.nobody", "")] {
            again.send(&resume(id, 0)).await;
            let failed = again.expect("</failed>").await;
            assert!(failed.contains("<item-not-found "), "{failed}");
            let found = failed.split_once(" location=").map(|(_, rest)| rest.split('>').next().unwrap());
            assert_eq!(found.unwrap_or_default(), told_of(location), "{id}: {failed}");
        }
    }
}

fn told_of(location: &str) -> &str {
    location.strip_prefix(" location=").unwrap_or_default()
}

#[tokio::test]
async fn what_comes_too_early_fails_and_the_stream_goes_on() {
    let server = Server::start().await;
    let mut john = Client::connect_tls(server.tls, &server.trust).await;
    john.open().await;
    let early = [ENABLE, &resume("x", 0), "<r xmlns='urn:xmpp:sm:3'/>", "<a xmlns='urn:xmpp:sm:3' h='0'/>"];
    let failed =
        "<failed xmlns='urn:xmpp:sm:3'><unexpected-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>";
    for element in early {
        john.send(element).await;
        assert_eq!(john.expect("</failed>").await, failed, "{element}");
    }
    john.plain("john").await;
    for element in early.iter().filter(|element| !element.starts_with("<resume")) {
        john.send(element).await;
        assert_eq!(john.expect("</failed>").await, failed, "{element}");
    }
    john.bind("phone").await;
    enable(&mut john).await;
    john.log_out().await;
    server.is_empty().await;
}

#[tokio::test]
async fn what_a_lost_client_never_got_goes_back_to_its_sender() {
    let mut config = config();
    config.resumption.window = Duration::from_millis(200);
    let server = Server::with(config).await;
    let mut john = Client::log_in(&server, "john", "phone").await;
    enable(&mut john).await;
    john.lose(&server).await;
    let mut marie = Client::log_in(&server, "marie", "tablet").await;
    marie.send(&chat(1)).await;
    let back = marie.expect("</message>").await;
    assert!(
        back.contains("type='error'") && back.contains("id='m1'") && back.contains("<recipient-unavailable "),
        "{back}"
    );
    // From now on the domain answers.
    until("the session is over", || server.counters.sessions.get() == 1).await;
    marie.send(&chat(2)).await;
    let back = marie.expect("</message>").await;
    assert!(back.contains("type='error'") && back.contains("id='m2'"), "{back}");
    marie.log_out().await;
    server.is_empty().await;
    assert!(server.friends.connected.lock().is_empty());
}

#[tokio::test]
async fn a_client_that_acknowledges_nothing_loses_its_session() {
    for (stanzas, bytes) in [(5, usize::MAX), (usize::MAX, 1000)] {
        let mut config = config();
        (config.resumption.unacknowledged, config.resumption.unacknowledged_bytes) = (stanzas, bytes);
        config.timeouts.ping = Duration::from_millis(300);
        let server = Server::with(config).await;
        let mut john = Client::log_in(&server, "john", "phone").await;
        enable(&mut john).await;
        let mut marie = Client::log_in(&server, "marie", "tablet").await;
        for n in 0..20 {
            marie.send(&chat(n)).await;
        }
        let rest = john.rest().await;
        assert!(rest.contains("<policy-violation ") && !rest.contains("id='m19'"), "{rest}");
        assert_eq!(server.counters.overflows.get(), 1);
        marie.log_out().await;
        server.is_empty().await;
    }
}

/// However small the bounds: what one stanza is answered with is one item of the queue, and who acknowledges gets all of it.
#[tokio::test]
async fn a_login_with_thousands_of_contacts_fits_into_the_smallest_queue() {
    const CONTACTS: usize = 3000;
    for (managed, roster_first) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut config = config();
        (config.limits.outbound_queue, config.limits.outbound_bytes) = (4, 600_000);
        (config.resumption.unacknowledged, config.resumption.unacknowledged_bytes) = (100, 5_000);
        let server = Server::with(config).await;
        server.friends.absent.store(CONTACTS, std::sync::atomic::Ordering::Relaxed);
        let mut john = Client::log_in(&server, "john", "phone").await;
        if managed {
            enable(&mut john).await;
        }
        let get = "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>";
        if roster_first {
            john.send(get).await;
            john.expect("</query></iq>").await;
        }
        john.send("<presence/>").await;
        // The presence that comes back, Marie and those who are never there; with the roster if it came first.
        let wanted = 1 + 1 + CONTACTS;
        let (mut presences, mut handled) = (0, u32::from(roster_first));
        while presences < wanted {
            let part = john.expect(">").await;
            if part.ends_with("<r xmlns='urn:xmpp:sm:3'/>") {
                john.send(&format!("<a xmlns='urn:xmpp:sm:3' h='{handled}'/>")).await;
            } else if part.starts_with("<presence ") {
                presences += 1;
                handled += 1;
            }
        }
        john.ping("alive").await;
        assert_eq!(server.counters.overflows.get(), 0, "{managed} {roster_first}");
        john.log_out().await;
        server.is_empty().await;
    }
}

#[tokio::test]
async fn nobody_fills_the_queue_of_a_session_that_is_away() {
    for to in ["john@example.com/phone", "john@example.com"] {
        let server = Server::start().await;
        let mut john = Client::log_in(&server, "john", "phone").await;
        let id = enable(&mut john).await;
        john.send("<presence/>").await;
        john.ping("here").await;
        john.lose(&server).await;
        let mut marie = Client::log_in(&server, "marie", "tablet").await;
        let mut refused = 0;
        for n in 0..1_100 {
            marie.send(&chat(n).replace("john@example.com/phone", to)).await;
            if n % 100 == 99 {
                refused += marie.ping(&format!("p{n}")).await.matches("<resource-constraint ").count();
            }
        }
        assert!((700..1_000).contains(&refused), "{refused}");
        assert_eq!((server.counters.sessions_hibernating.get(), server.counters.overflows.get()), (1, 0));
        // What was let in arrives when he is back, and more is let in.
        let mut john = again(&server, "john").await;
        john.send(&resume(&id, 3)).await;
        john.expect(&format!("id='m{}'", 1_099 - refused)).await;
        john.ping("back").await;
        marie.send(&chat(2_000)).await;
        john.expect("id='m2000'").await;
        john.log_out().await;
        marie.log_out().await;
    }
}

#[tokio::test]
async fn a_user_whose_sessions_all_sleep_gets_in_and_the_oldest_is_over() {
    let server = Server::start().await;
    let mut marie = Client::log_in(&server, "marie", "tablet").await;
    marie.send("<presence/>").await;
    let mut ids = Vec::new();
    // Somebody reloads a page, again and again.
    for n in 0..25_u64 {
        let mut john = Client::log_in(&server, "john", &format!("tab{n}")).await;
        ids.push(enable(&mut john).await);
        john.send("<presence/>").await;
        john.expect(&format!("tab{n}'")).await;
        drop(john);
        until("the session waits", || server.counters.sessions_hibernating.get() == (n + 1).min(20)).await;
        if n == 19 {
            marie.send("<message to='john@example.com/tab0' type='chat' id='late'><body>x</body></message>").await;
            marie.ping("late").await;
        }
    }
    // What the first never got comes back, and each that made room is seen to go, in the order in which they fell asleep.
    let seen = marie.expect("from='john@example.com/tab24'").await;
    assert!(seen.contains("id='late'") && seen.contains("<recipient-unavailable "), "{seen}");
    let gone: Vec<&str> = seen.split('<').filter(|tag| tag.contains("type='unavailable'")).collect();
    assert_eq!(gone.len(), 5, "{gone:?}");
    for (n, tag) in gone.iter().enumerate() {
        assert!(tag.contains(&format!("from='john@example.com/tab{n}'")), "{gone:?}");
    }
    let mut john = again(&server, "john").await;
    for (id, answer) in [(&ids[4], "<item-not-found "), (&ids[5], "<resumed ")] {
        john.send(&resume(id, 0)).await;
        john.expect(answer).await;
    }
    john.log_out().await;
}

#[tokio::test]
async fn a_user_with_as_many_clients_as_may_be_is_told_so() {
    let server = Server::start().await;
    let mut clients = Vec::new();
    for n in 0..20 {
        clients.push(Client::log_in(&server, "john", &format!("r{n}")).await);
    }
    let mut john = again(&server, "john").await;
    let bind = "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>";
    john.send(bind).await;
    let refused = john.expect("</iq>").await;
    assert!(refused.contains("<error type='wait'><resource-constraint "), "{refused}");
    clients.pop().unwrap().log_out().await;
    john.send(bind).await;
    assert!(john.expect("</iq>").await.contains("type='result'"));
}

#[tokio::test]
async fn as_many_sessions_wait_as_the_operator_allows() {
    let mut config = config();
    config.resumption.hibernating = 1;
    let server = Server::with(config).await;
    for (resource, waiting) in [("a", 1), ("b", 1)] {
        let mut john = Client::log_in(&server, "john", resource).await;
        enable(&mut john).await;
        drop(john);
        until("the connection is gone", || server.counters.connections.get() == 0).await;
        until("it waits, or is over", || server.counters.sessions.get() == waiting).await;
    }
}

#[tokio::test]
async fn a_client_that_comes_back_without_resuming_gets_what_it_had_not_acknowledged() {
    let server = Server::start().await;
    let mut john = Client::log_in(&server, "john", "phone").await;
    enable(&mut john).await;
    let mut marie = Client::log_in(&server, "marie", "tablet").await;
    marie.send(&chat(1)).await;
    john.expect("id='m1'").await;
    john.lose(&server).await;
    marie.send(&chat(2)).await;
    marie.ping("sent").await;
    let mut john = Client::log_in(&server, "john", "phone").await;
    john.expect("id='m1'").await;
    john.expect("id='m2'").await;
    marie.send("<iq type='get' id='q' to='john@example.com/phone'><x xmlns='urn:x'/></iq>").await;
    john.expect("id='q'").await;
    john.log_out().await;
    marie.log_out().await;
    server.is_empty().await;
}

#[tokio::test]
async fn a_request_that_never_arrived_is_answered() {
    let mut config = config();
    config.resumption.window = Duration::from_millis(300);
    let server = Server::with(config).await;
    let mut john = Client::log_in(&server, "john", "phone").await;
    enable(&mut john).await;
    john.lose(&server).await;
    let mut marie = Client::log_in(&server, "marie", "tablet").await;
    marie.send("<iq type='get' id='q' to='john@example.com/phone'><x xmlns='urn:x'/></iq>").await;
    let answer = marie.expect("</iq>").await;
    assert!(answer.contains("id='q'") && answer.contains("<service-unavailable "), "{answer}");
    marie.log_out().await;
    server.is_empty().await;
}

#[tokio::test]
async fn many_attempts_to_resume_at_once_leave_one_session() {
    let server = Server::start().await;
    let mut john = Client::log_in(&server, "john", "phone").await;
    let id = enable(&mut john).await;
    let mut clients = Vec::new();
    for _ in 0..6 {
        let mut client = again(&server, "john").await;
        client.send(&resume(&id, 0)).await;
        clients.push(client);
    }
    // Each takes it from the one before; some are cut off in the middle of that.
    clients.truncate(4);
    drop(john);
    for client in clients {
        drop(client);
    }
    until("connections are gone", || server.counters.connections.get() == 0).await;
    until("one session waits", || server.counters.sessions_hibernating.get() == 1).await;
    assert_eq!(server.counters.sessions.get(), 1);
    let mut last = again(&server, "john").await;
    last.send(&resume(&id, 0)).await;
    last.expect("<resumed ").await;
    last.log_out().await;
    server.is_empty().await;
    assert!(server.friends.connected.lock().is_empty());
}
