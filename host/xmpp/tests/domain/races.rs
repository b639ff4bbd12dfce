//! Everything at once on several threads: what clients have in the end is what the rosters say.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::support::{friends, get, world};

const ROUNDS: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn gets_race_with_changes_and_lose_nothing() {
    let world = Arc::new(world());
    world.host.set("john", friends(&["start"]));
    world.bind("john", "keeper").get_roster(None).await;
    let changing = tokio::spawn({
        let world = Arc::clone(&world);
        async move {
            for round in 0..ROUNDS {
                world.host.change("john", friends(&["a", "b", &format!("c{round}")][round % 3..])).await;
                tokio::task::yield_now().await;
            }
        }
    });
    let mut clients = Vec::new();
    for number in 0..8 {
        let client = world.bind("john", &number.to_string());
        clients.push(tokio::spawn(async move {
            for round in 0..ROUNDS {
                if round % 8 == 0 {
                    client.send(&get(&round.to_string(), None)).await;
                }
                tokio::task::yield_now().await;
            }
            client
        }));
    }
    changing.await.unwrap();
    let mut finished = Vec::new();
    for client in clients {
        finished.push(client.await.unwrap());
    }
    world.host.change("john", friends(&["last"])).await;
    for mut client in finished {
        client.send(&get("end", None)).await;
        let mut roster: Option<BTreeMap<String, ()>> = None;
        loop {
            let stanza = client.next().await;
            let query = stanza.children().next().unwrap();
            if stanza.attr("id") == Some("end") {
                let jids: BTreeMap<_, _> =
                    query.children().map(|item| (item.attr("jid").unwrap().to_owned(), ())).collect();
                assert_eq!(roster.unwrap_or_else(|| jids.clone()), jids);
                break;
            }
            if stanza.attr("type") == Some("error") {
                continue;
            }
            if stanza.attr("type") == Some("result") {
                let answer = query.children().map(|item| (item.attr("jid").unwrap().to_owned(), ())).collect();
                // What was pushed until now is what is answered now.
                if let Some(roster) = &roster {
                    assert_eq!(roster, &answer);
                }
                roster = Some(answer);
                continue;
            }
            let item = query.children().next().unwrap();
            let roster = roster.as_mut().expect("a push before the first answer");
            match item.attr("subscription") {
                Some("remove") => assert!(roster.remove(item.attr("jid").unwrap()).is_some()),
                _ => assert!(roster.insert(item.attr("jid").unwrap().to_owned(), ()).is_none()),
            }
        }
    }
}
