//! One address at two nodes, and more sessions than a user may have.

use roster_xmpp::domain::BindError;
use roster_xmpp::outbound::{SessionEnd, queue};

use super::support::{nodes, nodes_with};
use crate::support::{Client, friends, user};

async fn is_replaced(client: &Client) -> bool {
    let end = tokio::time::timeout(std::time::Duration::from_millis(1), client.outgoing.ended()).await;
    assert!(matches!(end, Err(_) | Ok(SessionEnd::Replaced)));
    end.is_ok()
}

/// Whoever binds later has the address, at whatever node; others see one go and the other come.
#[tokio::test(start_paused = true)]
async fn a_later_bind_at_another_node_takes_the_address() {
    let all = nodes(3).await;
    all.set("john", &friends(&["marie"]));
    all.set("marie", &friends(&["john"]));
    let mut marie = all.arrive(2, "marie", "m").await;
    let mut johns = vec![all.arrive(0, "john", "j").await];
    marie.drain();
    for node in [1, 2, 0, 1] {
        let mut new = all.node(node).bind("john", "j");
        new.get_roster(None).await;
        all.settle().await;
        assert!(is_replaced(johns.last().unwrap()).await, "at {node}");
        assert_eq!(marie.seen(), ["gone john@x.example/j"], "at {node}");
        new.send("<presence/>").await;
        all.settle().await;
        assert_eq!(marie.seen(), ["john@x.example/j"], "at {node}");
        // What the one that has lost still says reaches nobody.
        johns.last().unwrap().send("<presence type='unavailable'/>").await;
        johns.last().unwrap().leave().await;
        all.settle().await;
        assert_eq!(marie.seen(), [""; 0], "at {node}");
        johns.push(new);
    }
    let (last, lost) = johns.split_last_mut().unwrap();
    marie.send("<message to='john@x.example/j'><body>x</body></message>").await;
    all.settle().await;
    assert_eq!(last.drain().iter().filter(|stanza| stanza.name() == "message").count(), 1);
    assert!(!is_replaced(last).await);
    assert!(lost.iter_mut().flat_map(Client::drain).all(|stanza| stanza.name() != "message"));
    // The host keeps john's roster at his node only.
    assert_eq!([0, 1, 2].map(|node| all.node(node).host.connected().len()), [0, 1, 1]);
}

/// The other node's clock is an hour ahead.
#[tokio::test(start_paused = true)]
async fn who_knows_of_the_other_binds_later_whatever_the_clocks_say() {
    let all = nodes(2).await;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let ahead = u64::try_from(now.as_micros()).unwrap() + 3_600_000_000;
    let entry = format!(r#"{{"user":"john","resource":"j","number":999,"bound":{ahead}}}"#);
    let presence = |number: u64| format!("1 1 1 {number}\n{{\"presence\":{{\"session\":{entry}}}}}");
    // One of them is the next in its place.
    for number in (1..100).map(|number| (1_u64 << 40) + number) {
        all.node(1).domain.from_node("node0", presence(number).as_bytes());
        if all.node(1).domain.other_nodes()[0].sessions == 1 {
            break;
        }
    }
    assert_eq!(all.node(1).domain.other_nodes()[0].sessions, 1);
    *all.net.kept.lock() = Some(Vec::new());
    let john = all.node(1).bind("john", "j");
    let sent = all.net.kept.lock().take().unwrap();
    let later = format!("\"bound\":{}", ahead + 1);
    assert!(sent.iter().any(|message| std::str::from_utf8(message).unwrap().contains(&later)), "{sent:?}");
    all.settle().await;
    assert!(!is_replaced(&john).await);
}

/// Neither node knows of the other's, and whichever message comes first: one session is left, the same for all.
#[tokio::test(start_paused = true)]
async fn of_binds_at_the_same_time_one_survives() {
    for order in [[(0, 1), (1, 0), (0, 2), (1, 2)], [(1, 2), (0, 2), (1, 0), (0, 1)], [(0, 2), (1, 2), (0, 1), (1, 0)]]
    {
        let all = nodes(3).await;
        all.set("john", &friends(&["marie"]));
        all.set("marie", &friends(&["john"]));
        let mut marie = all.arrive(2, "marie", "m").await;
        let mut johns = [all.node(0).bind("john", "j"), all.node(1).bind("john", "j")];
        for john in &mut johns {
            john.get_roster(None).await;
            john.send("<presence/>").await;
        }
        for pair in order {
            while all.deliver(pair) {
                tokio::task::yield_now().await;
            }
        }
        all.settle().await;
        let ended = [is_replaced(&johns[0]).await, is_replaced(&johns[1]).await];
        // The second was bound later, and its node's name is the greater.
        assert_eq!(ended, [true, false], "{order:?}");
        assert_eq!(marie.seen().last().unwrap(), "john@x.example/j", "{order:?}");
        johns[1].leave().await;
        all.settle().await;
        assert_eq!(marie.seen(), ["gone john@x.example/j"], "{order:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn sessions_at_other_nodes_count_for_how_many_a_user_may_have() {
    let all = nodes_with(2, |options| options.max_sessions_per_user = 3).await;
    let bind = |node: usize, resource: &str| {
        all.node(node).domain.bind(&user("john"), Some(resource), queue(10).0).map(|session| session.jid().to_owned())
    };
    let first = all.node(0).bind("john", "1");
    let second = all.node(1).bind("john", "2");
    let _third = all.node(0).bind("john", "3");
    all.settle().await;
    assert_eq!(bind(1, "4"), Err(BindError::TooManySessions { limit: 3 }));
    // In the place of one of them there is room, wherever that is.
    assert!(bind(1, "3").is_ok());
    all.settle().await;
    assert_eq!(bind(0, "4"), Err(BindError::TooManySessions { limit: 3 }));
    // Who is away makes room, at his own node first.
    all.node(1).domain.sleep(&second.session);
    all.settle().await;
    assert!(bind(0, "4").is_ok());
    assert_eq!(bind(0, "5"), Err(BindError::TooManySessions { limit: 3 }));
    all.settle().await;
    assert_eq!(second.ended().await, SessionEnd::Displaced);
    all.node(0).domain.sleep(&first.session);
    all.settle().await;
    all.node(0).domain.wake(&first.session);
    all.settle().await;
    assert_eq!(bind(1, "5"), Err(BindError::TooManySessions { limit: 3 }));
}

/// He was away when he was asked to go, and is not any more.
#[tokio::test(start_paused = true)]
async fn who_is_back_does_not_make_room() {
    let all = nodes_with(2, |options| options.max_sessions_per_user = 1).await;
    let first = all.node(0).bind("john", "1");
    all.node(0).domain.sleep(&first.session);
    all.settle().await;
    all.node(0).domain.wake(&first.session);
    let _second = all.node(1).bind("john", "2");
    all.settle().await;
    assert!(!is_replaced(&first).await);
    first.send("<presence/>").await;
    assert!(all.node(0).domain.bind(&user("john"), Some("3"), queue(10).0).is_err());
}
