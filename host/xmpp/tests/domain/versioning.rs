//! Roster versioning (RFC 6121 section 2.6, XEP-0237).

use minidom::Element;

use crate::support::{World, friends, world, world_with};

fn version(stanza: &Element) -> String {
    stanza.children().next().unwrap().attr("ver").expect("a version").to_owned()
}

/// A world in which john has asked for his roster with an empty version, and the version he got.
async fn versioned(names: &[&str]) -> (World, String) {
    let world = world_with(|options| options.roster_history = 5);
    world.host.set("john", friends(names));
    let answer = world.bind("john", "first").get_roster(Some("")).await;
    let version = version(&answer);
    (world, version)
}

#[tokio::test]
async fn the_feature_is_advertised() {
    let features = world().domain.features();
    assert!(features.iter().any(|feature| feature.is("ver", "urn:xmpp:features:rosterver")));
}

#[tokio::test]
async fn versions_are_told_only_to_those_who_use_them() {
    let (world, _) = versioned(&[]).await;
    let mut with = world.bind("john", "with");
    let mut without = world.bind("john", "without");
    assert!(version(&with.get_roster(Some("")).await).contains('-'));
    assert_eq!(without.get_roster(None).await.children().next().unwrap().attr("ver"), None);
    world.host.change("john", friends(&["a"])).await;
    version(&with.next().await);
    assert_eq!(without.next().await.children().next().unwrap().attr("ver"), None);
}

#[tokio::test]
async fn a_current_version_is_answered_with_nothing() {
    let (world, ver) = versioned(&["a"]).await;
    let mut john = world.bind("john", "again");
    assert_eq!(john.get_roster(Some(&ver)).await.children().count(), 0);
    assert!(john.drain().is_empty());
    // And the session is interested.
    world.host.change("john", vec![]).await;
    assert_eq!(john.seen(), ["push a@x.example remove"]);
}

#[tokio::test]
async fn a_known_version_is_answered_with_what_has_changed() {
    let (world, ver) = versioned(&["a", "b", "c"]).await;
    world.host.change("john", friends(&["a", "b", "c", "d"])).await;
    world.host.change("john", friends(&["b", "c", "d"])).await;
    world.host.change("john", friends(&["a", "b", "c"])).await;
    let mut john = world.bind("john", "again");
    assert_eq!(john.get_roster(Some(&ver)).await.children().count(), 0);
    // Each contact once, as it is now.
    let pushes = john.drain();
    assert_eq!(pushes.len(), 2, "{pushes:?}");
    let current = version(pushes.last().unwrap());
    assert_eq!(world.bind("john", "third").get_roster(Some(&current)).await.children().count(), 0);
    // Who has seen only the first push is told of the second again.
    let mut john = world.bind("john", "fourth");
    assert_eq!(john.get_roster(Some(&version(&pushes[0]))).await.children().count(), 0);
    assert!(!john.drain().is_empty());
}

#[tokio::test]
async fn an_unknown_version_is_answered_with_the_whole_roster() {
    let (world, ver) = versioned(&["a"]).await;
    let number = ver.rsplit_once('-').unwrap().1;
    let (other, foreign) = versioned(&["a"]).await;
    drop(other);
    assert_ne!(ver, foreign, "another process, another epoch");
    let epoch = ver.rsplit_once('-').unwrap().0;
    for unknown in ["", "x", number, &foreign, &format!("{epoch}-0"), &format!("{epoch}-999999"), &format!("{epoch}-")]
    {
        let mut john = world.bind("john", "again");
        let answer = john.get_roster(Some(unknown)).await;
        assert_eq!(answer.children().next().unwrap().children().count(), 1, "{unknown:?}");
        assert_eq!(version(&answer), ver);
        assert!(john.drain().is_empty());
    }
}

#[tokio::test]
async fn more_changes_than_are_kept_or_than_the_roster_has_are_answered_with_the_whole_roster() {
    let (world, ver) = versioned(&["z"]).await;
    for n in 0..6 {
        world.host.change("john", friends(&["z", &format!("c{n}")])).await;
    }
    let answer = world.bind("john", "again").get_roster(Some(&ver)).await;
    assert_eq!(answer.children().next().unwrap().children().count(), 2);

    let (world, ver) = versioned(&["a", "b", "c"]).await;
    world.host.change("john", vec![]).await;
    let answer = world.bind("john", "again").get_roster(Some(&ver)).await;
    assert_eq!(answer.children().next().unwrap().children().count(), 0);
    assert_eq!(answer.children().count(), 1);
}

#[tokio::test]
async fn versions_survive_a_reconnect_and_not_the_end_of_the_entry() {
    let (world, ver) = versioned(&["a", "b", "c"]).await;
    let first = world.bind("john", "second");
    first.leave().await;
    world.host.change("john", friends(&["a", "b"])).await;
    let mut john = world.bind("john", "first");
    assert_eq!(john.get_roster(Some(&ver)).await.children().count(), 0);
    assert_eq!(john.seen(), ["push c@x.example remove"]);

    john.leave().await;
    world.host.drop_roster("john").await;
    let mut john = world.bind("john", "first");
    assert_eq!(john.get_roster(Some(&ver)).await.children().count(), 1);
    assert!(john.drain().is_empty());
}

#[tokio::test]
async fn of_several_pushes_of_one_version_only_the_last_has_it() {
    let (world, ver) = versioned(&[]).await;
    let mut john = world.bind("john", "again");
    john.get_roster(Some(&ver)).await;
    world.host.change("john", friends(&["a", "b", "c"])).await;
    let versions: Vec<_> = john.drain().iter().map(version).collect();
    assert_eq!(versions[..2], [ver.clone(), ver.clone()]);
    assert_ne!(versions[2], ver);
}

#[tokio::test]
async fn a_change_of_thousands_of_contacts_is_told_whole_whoever_comes_while_it_is_worked_out() {
    let names: Vec<String> = (0..3000).map(|n| format!("c{n:04}")).collect();
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    let (world, ver) = versioned(&["z"]).await;
    let (mut with, mut without) = (world.bind("john", "with"), world.bind("john", "without"));
    with.get_roster(Some(&ver)).await;
    without.get_roster(None).await;
    let (mut late, mut late_with) = (world.bind("john", "late"), world.bind("john", "late-with"));
    let changed = world.host.change("john", friends(&all));
    let ((), late_answer, late_with_answer) =
        tokio::join!(changed, late.get_roster(None), late_with.get_roster(Some("")));
    let items = |stanza: &Element| stanza.children().flat_map(Element::children).count();
    let pushes = with.drain();
    let versions: Vec<_> = pushes.iter().map(version).collect();
    assert_eq!(versions.len(), all.len() + 1);
    assert!(versions[..all.len()].iter().all(|of| *of == ver) && *versions.last().unwrap() != ver);
    assert_eq!(without.drain().iter().map(items).sum::<usize>(), all.len() + 1);
    // Either the answer has the change, or it is pushed after it.
    for (answer, client) in [(late_answer, &mut late), (late_with_answer, &mut late_with)] {
        let pushed = client.drain().len();
        assert!(
            [(all.len(), 0), (1, all.len() + 1)].contains(&(items(&answer), pushed)),
            "{}, {pushed}",
            items(&answer)
        );
    }
    // It is more than is kept.
    assert_eq!(items(&world.bind("john", "again").get_roster(Some(&ver)).await), all.len());
    let current = versions.last().unwrap();
    assert_eq!(world.bind("john", "current").get_roster(Some(current)).await.children().count(), 0);
}
