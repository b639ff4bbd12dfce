#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
use super::*;
use crate::model::Username;
use crate::model::{Change, Contacts, Snapshot};
use crate::sinks::EventKind;

fn dropped(user: &str, version: u64) -> Arc<RosterEvent> {
    let user = Username::new(user).unwrap();
    Arc::new(RosterEvent { domain: "x".into(), user, kind: EventKind::Dropped { version } })
}

async fn read(reader: &EventReader, id: &EventId, event: &Weak<Remembered>) -> serde_json::Value {
    serde_json::from_slice(&reader.json(id, event).await.unwrap()).unwrap()
}

async fn version(reader: &EventReader, id: &EventId, event: &Weak<Remembered>) -> u64 {
    read(reader, id, event).await["version"].as_u64().unwrap()
}

async fn deliver(stream: &EventStream, version: u64) {
    stream.deliver(dropped("john", version)).await.unwrap();
}

/// What is there to read, without waiting: versions, and for what is missed the count.
async fn rest(reader: &mut EventReader) -> Vec<Result<u64, Option<u64>>> {
    let mut read = Vec::new();
    loop {
        tokio::select! {
            biased;
            next = reader.next() => {
                let next = match next {
                    Reading::Event(id, event) => Ok(version(reader, &id, &event).await),
                    Reading::Missed(missed) => Err(missed.count),
                };
                read.push(next);
            }
            () = tokio::task::yield_now() => return read,
        }
    }
}

#[tokio::test]
async fn a_reader_goes_on_after_the_last_event_it_has() {
    let stream = Arc::new(EventStream::new(4, 1 << 20));
    let id = |position: u64| format!("{}-{position}", stream.epoch);
    for number in 1..=6 {
        deliver(&stream, number).await;
    }
    for (last, expected) in [
        (None, vec![]),
        (Some(id(6)), vec![]),
        (Some(id(5)), vec![Ok(6)]),
        (Some(id(2)), vec![Ok(3), Ok(4), Ok(5), Ok(6)]),
        (Some(id(1)), vec![Err(Some(1)), Ok(3), Ok(4), Ok(5), Ok(6)]),
        (Some(id(0)), vec![Err(Some(2)), Ok(3), Ok(4), Ok(5), Ok(6)]),
        // Of another process, from the future, and none at all.
        (Some("0123456789abcdef-5".to_owned()), vec![Err(None)]),
        (Some(id(7)), vec![Err(None)]),
        (Some("5".to_owned()), vec![Err(None)]),
        (Some(id(0).replace("-0", "--1")), vec![Err(None)]),
        (Some("\u{0}😀".to_owned()), vec![Err(None)]),
    ] {
        let mut reader = stream.subscribe(last.as_deref());
        assert_eq!(rest(&mut reader).await, expected, "{last:?}");
        assert_eq!(reader.id().to_string(), id(6), "{last:?}");
    }
    let mut reader = stream.subscribe(Some(&id(0)));
    let Reading::Missed(missed) = reader.next().await else { panic!("nothing missed") };
    assert_eq!((missed.after, missed.to.to_string()), (id(0), id(2)));
}

#[tokio::test]
async fn the_ring_is_bounded_in_bytes_and_keeps_the_newest_event() {
    // As it is told and as it is written: these are not read before they are forgotten.
    let one = Remembered::new(dropped("john", 1)).weight();
    for (max_bytes, kept) in [(0, 1), (one, 1), (3 * one, 3), (3 * one + one / 2, 3), (100 * one, 8)] {
        let stream = Arc::new(EventStream::new(8, max_bytes));
        let mut reader = stream.subscribe(None);
        for number in 1..=20 {
            deliver(&stream, number).await;
        }
        let held = {
            let ring = stream.ring.lock();
            (ring.events.len(), ring.bytes)
        };
        assert_eq!(held, (kept, kept * one), "{max_bytes}");
        let mut expected = vec![Err(Some(20 - kept as u64))];
        expected.extend((20 - kept as u64 + 1..=20).map(Ok));
        assert_eq!(rest(&mut reader).await, expected, "{max_bytes}");
    }
}

#[tokio::test]
async fn a_change_does_not_keep_the_whole_roster() {
    let contact = |n: usize| crate::model::Contact {
        jid: format!("c{n}@example.com"),
        name: None,
        subscription: crate::model::Subscription::Both,
        ask: false,
        groups: Vec::new(),
    };
    let contacts: Vec<_> = (0..1000).map(contact).collect();
    let snapshot = Arc::new(Snapshot::new(7, None, Contacts::pack(&contacts, 1000).unwrap()));
    let changes: Arc<[Change]> = Arc::from([Change::Put(contact(1))]);
    let event = Arc::new(RosterEvent {
        domain: "x".into(),
        user: Username::new("john").unwrap(),
        kind: EventKind::Changed { before: Arc::clone(&snapshot), snapshot: Arc::clone(&snapshot), changes },
    });
    let stream = Arc::new(EventStream::new(8, 1 << 20));
    let mut reader = stream.subscribe(None);
    stream.deliver(Arc::clone(&event)).await.unwrap();
    assert!(stream.ring.lock().bytes < 1000, "{}", stream.ring.lock().bytes);
    let Reading::Event(id, kept) = reader.next().await else { panic!("nothing") };
    assert_eq!(read(&reader, &id, &kept).await, serde_json::to_value(&*event).unwrap());
    drop(event);
    assert_eq!(Arc::strong_count(&snapshot), 1, "the ring does not hold the roster");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_between_replay_and_live() {
    const WRITERS: u64 = 4;
    const EVENTS: u64 = 2000;
    let stream = Arc::new(EventStream::new((WRITERS * EVENTS) as usize, 1 << 30));
    let origin = stream.subscribe(None).id().to_string();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let stream = Arc::clone(&stream);
            tokio::spawn(async move {
                for number in 0..EVENTS {
                    stream.deliver(dropped(&format!("w{writer}"), number)).await.unwrap();
                    if number % 64 == 0 {
                        tokio::task::yield_now().await;
                    }
                }
            })
        })
        .collect();
    // Each reader breaks off again and again while there is writing, and comes back with its last id.
    let readers: Vec<_> = (1..=4)
        .map(|patience| {
            let (stream, mut last) = (Arc::clone(&stream), origin.clone());
            tokio::spawn(async move {
                let mut next = [0; WRITERS as usize];
                while next.iter().sum::<u64>() < WRITERS * EVENTS {
                    let mut reader = stream.subscribe(Some(&last));
                    for _ in 0..patience * 7 {
                        if next.iter().sum::<u64>() == WRITERS * EVENTS {
                            break;
                        }
                        let Reading::Event(id, event) = reader.next().await else { panic!("missed") };
                        let writer: usize =
                            event.upgrade().unwrap().user().as_str().trim_start_matches('w').parse().unwrap();
                        assert_eq!(
                            version(&reader, &id, &event).await,
                            next[writer],
                            "each writer's events once and in order"
                        );
                        next[writer] += 1;
                        last = id.to_string();
                    }
                }
            })
        })
        .collect();
    for task in writers.into_iter().chain(readers) {
        tokio::time::timeout(std::time::Duration::from_secs(60), task).await.unwrap().unwrap();
    }
    assert_eq!(stream.readers(), 0);
}

#[tokio::test]
async fn an_event_is_written_once_and_only_what_is_remembered_holds_it() {
    let large = |user: &str| {
        let contact = crate::model::Contact {
            jid: "a@b".into(),
            name: Some("\"".repeat(100_000)),
            subscription: crate::model::Subscription::Both,
            ask: false,
            groups: Vec::new(),
        };
        let snapshot = Arc::new(Snapshot::new(7, None, Contacts::default()));
        let kind =
            EventKind::Changed { before: Arc::clone(&snapshot), snapshot, changes: Arc::from([Change::Put(contact)]) };
        Arc::new(RosterEvent { domain: "x".into(), user: Username::new(user).unwrap(), kind })
    };
    // As JSON each has twice as many bytes.
    let stream = Arc::new(EventStream::new(8, 350_000));
    let mut readers: Vec<_> = (0..3).map(|_| stream.subscribe(None)).collect();
    for user in ["john", "marie"] {
        stream.deliver(large(user)).await.unwrap();
    }
    assert_eq!(stream.ring.lock().events.len(), 2);
    let mut pointers = Vec::new();
    for reader in &mut readers[..2] {
        let Reading::Event(id, event) = reader.next().await else { panic!("missed") };
        pointers.push((reader.json(&id, &event).await.unwrap(), id, event));
    }
    assert_eq!(pointers[0].0.as_ptr(), pointers[1].0.as_ptr(), "one JSON for all");
    let (_, id, event) = pointers.pop().unwrap();
    pointers.clear();
    assert!(event.upgrade().is_some(), "there is room for both");
    // As JSON the second is larger, and the first is forgotten.
    let Reading::Event(second, marie) = readers[0].next().await else { panic!("missed") };
    assert!(readers[0].json(&second, &marie).await.is_some());
    assert!(event.upgrade().is_none(), "no reader keeps it");
    let reader = &mut readers[2];
    assert_eq!(reader.json(&id, &event).await, None);
    let Reading::Missed(missed) = reader.next().await else { panic!("not missed") };
    assert_eq!(missed.count, Some(1));
    let Reading::Event(second, _) = reader.next().await else { panic!("missed") };
    deliver(&stream, 1).await;
    stream.deliver(large("paul")).await.unwrap();
    stream.deliver(large("ringo")).await.unwrap();
    reader.back_before(&second);
    let Reading::Missed(missed) = reader.next().await else { panic!("not missed") };
    assert_eq!(missed.to.position, stream.ring.lock().first - 1, "what it had begun to read is among it");
}
