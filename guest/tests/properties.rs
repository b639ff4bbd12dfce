//! What holds for every roster and every input.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use http_roster_admin::changes::diff::{Change, diff};
use http_roster_admin::protocol::{Fetch, FetchError, Refreshed, Response};
use http_roster_admin::roster::contact::{Contact, Subscription};
use http_roster_admin::roster::packed::{Packed, pack};
use http_roster_admin::roster::{Owner, Roster, decode};
use http_roster_admin::settings::Settings;
use http_roster_admin::users;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const OWNER: Owner<'_> = Owner { user: "john", domain: "example.com" };

fn subscription() -> impl Strategy<Value = Subscription> {
    prop_oneof![Just(Subscription::None), Just(Subscription::To), Just(Subscription::From), Just(Subscription::Both),]
}

/// A contact out of a small world, so that two rosters have contacts in common.
fn contact() -> impl Strategy<Value = Contact<'static>> {
    let name = proptest::option::of(prop_oneof!["[a-c]{0,2}", "[ -~é😀]{0,20}"]);
    let groups = proptest::collection::btree_set("[A-D]{1,2}|[12]", 0..4).prop_map(Vec::from_iter).prop_shuffle();
    ("[a-e]{1,2}@[xyz]", name, subscription(), any::<bool>(), groups).prop_map(
        |(jid, name, subscription, ask, groups)| Contact {
            jid: jid.into(),
            name: name.map(Into::into),
            subscription,
            ask,
            groups: groups.into_iter().map(Into::into).collect(),
        },
    )
}

/// May have a JID more than once.
fn contacts() -> impl Strategy<Value = Vec<Contact<'static>>> {
    proptest::collection::vec(contact(), 0..60)
}

fn unique(contacts: Vec<Contact<'static>>) -> Vec<Contact<'static>> {
    let mut roster = Roster { contacts, ..Roster::default() };
    roster.dedup();
    roster.contacts
}

/// A roster and what became of it: some contacts changed, put in, taken out or moved.
fn edited() -> impl Strategy<Value = (Vec<Contact<'static>>, Vec<Contact<'static>>)> {
    let edit = (0..4_u8, any::<prop::sample::Index>(), contact());
    (contacts(), proptest::collection::vec(edit, 0..8)).prop_map(|(old, edits)| {
        let old = unique(old);
        let mut new = old.clone();
        for (what, place, contact) in edits {
            let place = place.index(new.len() + 1);
            match (what, new.get_mut(place)) {
                (0, Some(there)) => there.name = contact.name,
                (1, Some(_)) => drop(new.remove(place)),
                (2, Some(_)) => {
                    let moved = new.remove(place);
                    new.push(moved);
                }
                _ => new.insert(place, contact),
            }
        }
        (old, new)
    })
}

/// As the host keeps it, groups in no order.
fn as_map(contacts: &[Contact<'static>]) -> BTreeMap<String, Contact<'static>> {
    let sorted = |contact: &Contact<'static>| {
        let mut contact = contact.clone();
        contact.groups.sort();
        (contact.jid.to_string(), contact)
    };
    contacts.iter().map(sorted).collect()
}

fn check_delta(old: &[Contact<'static>], new: Vec<Contact<'static>>) -> Result<(), TestCaseError> {
    let packed = pack(old).unwrap();
    let mut roster = Roster { contacts: new.clone(), ..Roster::default() };
    let changes = diff(Packed::from(&packed), &mut roster).unwrap();
    let mut applied = as_map(old);
    let wanted = as_map(&unique(new));
    let mut about = Vec::new();
    for change in changes {
        about.push(change.jid().to_owned());
        match change {
            Change::Put(contact) => {
                let (jid, contact) = as_map(&[contact]).pop_first().unwrap();
                prop_assert_ne!(applied.insert(jid, contact.clone()), Some(contact), "a change that changes nothing");
            }
            Change::Remove(jid) => prop_assert!(applied.remove(&jid).is_some(), "removed what was not there"),
        }
    }
    let count = about.len();
    about.sort();
    about.dedup();
    prop_assert_eq!(about.len(), count, "two changes for one JID");
    prop_assert_eq!(applied, wanted);
    Ok(())
}

fn to_json(contacts: &[Contact<'_>]) -> String {
    let mut object = Map::new();
    for contact in contacts {
        let mut fields = Map::new();
        if let Some(name) = &contact.name {
            fields.insert("name".to_owned(), json!(name));
        }
        let subscription = match contact.subscription {
            Subscription::None => "none",
            Subscription::To => "to",
            Subscription::From => "from",
            Subscription::Both => "both",
        };
        fields.insert("subscription".to_owned(), json!(subscription));
        if contact.ask {
            fields.insert("ask".to_owned(), json!("subscribe"));
        }
        fields.insert("groups".to_owned(), json!(contact.groups.iter().map(|group| &**group).collect::<Vec<_>>()));
        object.insert(contact.jid.to_string(), Value::Object(fields));
    }
    Value::Object(object).to_string()
}

/// Text that is nearly a roster or a list of users.
fn nearly_json() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        "[{}\\[\\],:\" \\\\]",
        Just("\"a@b\":".to_owned()),
        Just("{\"name\":".to_owned()),
        Just("\"groups\":".to_owned()),
        Just("\"subscription\":".to_owned()),
        Just("null".to_owned()),
        Just("\"\\ud800\"".to_owned()),
        Just("1e999".to_owned()),
        Just("\u{FEFF}".to_owned()),
        "\\PC{0,3}",
    ];
    proptest::collection::vec(word, 0..20).prop_map(|words| words.concat())
}

/// One entry of a body, as an application may write it: well, with detours, or wrongly.
fn entry() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        4 => "[a-e]{1,2}@[xyz]",
        1 => "[a-eA]{1,2}@[xyz]",
        1 => "[a-e]@x/r",
        1 => Just("john@example.com".to_owned()),
        1 => "[@ a]{0,3}",
        1 => "[a-c]\\\\ud83d@x",
    ];
    let value = prop_oneof![
        Just("{}".to_owned()),
        r#"\{"name": ?"[a-cé]{0,2}(\\"|\\\\|\\t|\\ud83d|\\ude00|\\ud83d\\ude00|\u{2028}|\u{FFFF}|\u{7F})?"\}"#,
        r#"\{"groups": ?\["[AB1]", ?"[AB]{0,2}(\\t|\\ud83d)?"(, ?(null|7|\[\]))?\]\}"#,
        r#"\{ ?"groups" ?: ?\{"[AB12]": ?(true|1|null|"x"|\[\]) ?(, ?"[1A](\\n)?": ?1)?\} ?, ?"name": ?(null|5|"a"|1e999)\}"#,
        r#"\{"groups": ?(null|"A"|7|true|\[\]|\{\})(, ?"groups": ?\["A"\])?\}"#,
        r#"\{"subscription": ?("to"|"both"|"NONE"|"remove"|null|5|\[\]), ?"ask": ?("subscribe"|""|null|true)\}"#,
        r#"\{"x": ?(17|-1\.5e3|1e999|true|tru|"a\\u0041"|"\\udc00"|\{"a": \[1\]\}), ?"name": "(a|\\u0061)", "name": ("b"|7|null)\}"#,
        r#"(null|5|1e999|true|false|"a"|\[\]|\[ \]|\["a"\])"#,
    ];
    (key, value, "[ \n]?").prop_map(|(key, value, space)| format!("{space}\"{key}\"{space}:{space}{value}"))
}

/// A body and what became of it.
fn edited_bodies() -> impl Strategy<Value = (String, String)> {
    let edit = (0..4_u8, any::<prop::sample::Index>(), entry());
    let old = proptest::collection::vec(entry().prop_filter("JSON", |entry| !entry.contains("tru,")), 0..30);
    (old, proptest::collection::vec(edit, 0..6)).prop_map(|(old, edits)| {
        let mut new = old.clone();
        for (what, place, entry) in edits {
            let place = place.index(new.len() + 1);
            match (what, new.get_mut(place)) {
                (0, Some(there)) => *there = entry,
                (1, Some(_)) => drop(new.remove(place)),
                (2, Some(_)) => {
                    let moved = new.remove(place);
                    new.push(moved);
                }
                _ => new.insert(place, entry),
            }
        }
        let body = |entries: Vec<String>| format!("{{{}}}", entries.join(","));
        (body(old), body(new))
    })
}

/// Contacts as an application writes them that has one way of writing, out of several.
fn in_one_style(contacts: &[Contact<'_>], style: u8) -> String {
    let entry = |contact: &Contact<'_>| {
        let jid = json!(contact.jid);
        let name = json!(contact.name);
        let groups: Vec<String> = contact.groups.iter().map(|group| json!(group).to_string()).collect();
        let (array, object) =
            (groups.join(","), groups.iter().map(|group| format!("{group}: true")).collect::<Vec<_>>());
        let object = object.join(", ");
        match style {
            0 => format!("{jid}:{{\"name\":{name},\"groups\":[{array}]}}"),
            1 => format!("\n {jid}: {{\"groups\": {{{object}}}, \"subscription\": \"to\", \"name\": {name}}}\n"),
            2 if contact.ask => format!("{jid}:{{\"ask\":\"subscribe\",\"groups\":[{array}]}}"),
            2 => format!("{jid}:{{\"id\":[17],\"groups\":[{array}],\"name\":{name}}}"),
            3 => format!("{jid}:{{\"name\":{name},\"name\":{name},\"x\":{name},\"groups\":{{{object}}}}}"),
            _ => format!("{jid}:{{\"name\":{name},\"groups\":[{array}],\"groups\":[{array}]}}"),
        }
    };
    format!("{{{}}}", contacts.iter().map(entry).collect::<Vec<_>>().join(","))
}

/// Going in step and decoding everything give the same result.
fn check_both_ways(old: &[u8], new: &[u8]) -> Result<(), TestCaseError> {
    let settings = Settings::read(&xmpp_roster_plugin::Settings::of([("http_roster_url", "http://app/%s")])).unwrap();
    let answer = |body| Response { status: 200, etag: None, body };
    let fetched = Fetch::new(&settings, "john", None).roster(&answer(old)).unwrap();
    let known = pack(&fetched.contacts).unwrap();
    // With the tag it may go in step; without, it never does.
    let [in_step, thorough] = [Some(&fetched.tag[..]), None].map(|tag| {
        match Fetch::new(&settings, "john", tag).refreshed(&answer(new), || Packed::from(&known))? {
            Refreshed::Unchanged => Ok((Vec::new(), None)),
            Refreshed::Changed { mut changes, warnings, .. } => {
                changes.sort_by(|a, b| a.jid().cmp(b.jid()));
                Ok((changes, Some(warnings)))
            }
        }
    });
    match (in_step, thorough) {
        (Ok((left, None)), Ok((right, _))) => prop_assert_eq!(left, right),
        (left, right) => prop_assert_eq!(left, right as Result<_, FetchError>),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn comparing_in_step_and_thoroughly_give_the_same(
        (old, new) in edited_bodies(),
        cut in proptest::option::weighted(0.05, any::<prop::sample::Index>()),
    ) {
        check_both_ways(old.as_bytes(), &new.as_bytes()[..cut.map_or(new.len(), |cut| cut.index(new.len()))])?;
    }

    #[test]
    fn an_application_with_one_way_of_writing_is_compared_in_step_as_thoroughly(
        (old, new) in edited(),
        (style, other) in (0..5_u8, proptest::option::weighted(0.1, 0..5_u8)),
    ) {
        let new = in_one_style(&new, other.unwrap_or(style));
        check_both_ways(in_one_style(&old, style).as_bytes(), new.as_bytes())?;
    }
}

proptest! {
    #[test]
    fn the_delta_turns_the_old_roster_into_the_new_one(old in contacts(), new in contacts()) {
        check_delta(&unique(old), new)?;
    }

    #[test]
    fn the_delta_of_a_few_edits_turns_the_old_roster_into_the_new_one((old, new) in edited()) {
        check_delta(&old, new)?;
    }

    #[test]
    fn a_roster_survives_packing(contacts in contacts()) {
        let packed = pack(&contacts).unwrap();
        let read: Vec<_> = Packed::from(&packed).iter().map(|contact| contact.unwrap().to_contact()).collect();
        prop_assert_eq!(&read, &contacts);
        for (packed, contact) in Packed::from(&packed).iter().zip(&contacts) {
            prop_assert!(contact.is_same_as(&packed.unwrap()));
        }
    }

    #[test]
    fn a_roster_survives_json(contacts in contacts()) {
        let contacts = unique(contacts);
        let body = to_json(&contacts);
        let mut read = decode(body.as_bytes(), OWNER).unwrap();
        prop_assert!(read.warnings.is_empty());
        read.contacts.sort_by(|a, b| a.jid.cmp(&b.jid));
        let mut wanted = contacts;
        wanted.sort_by(|a, b| a.jid.cmp(&b.jid));
        prop_assert_eq!(read.contacts, wanted);
    }

    #[test]
    fn usernames_survive_json(names in proptest::collection::vec("\\PC{0,8}|[\\x00-\\x7F]{0,4}", 0..20)) {
        let body = json!(names).to_string();
        prop_assert_eq!(users::decode(body.as_bytes()).unwrap(), names);
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(body in any::<Vec<u8>>()) {
        let _ = (decode(&body, OWNER), users::decode(&body));
    }

    #[test]
    fn nothing_like_json_makes_a_decoder_panic(body in nearly_json()) {
        let mine = decode(body.as_bytes(), OWNER).map(|roster| roster.contacts.len());
        let plain = serde_json::from_str::<Value>(body.trim_start_matches('\u{FEFF}'));
        prop_assert!(mine.is_err() || plain.is_ok() || body.contains("1e999") || body.contains("\\ud800"), "{}", body);
        if let Ok(users) = users::decode(body.as_bytes()) {
            prop_assert_eq!(Some(users.len()), plain.ok().and_then(|value| Some(value.as_array()?.len())));
        }
    }

    #[test]
    fn no_layout_makes_reading_panic(text in "\\PC{0,12}", layout in proptest::collection::vec(prop_oneof![0..6_u32, any::<u32>()], 0..12)) {
        let read = Packed::new(&text, &layout).iter().count();
        prop_assert!(read <= layout.len() / 4 + 1);
        let mut new = Roster::default();
        let all_fine = Packed::new(&text, &layout).iter().all(|contact| contact.is_ok());
        prop_assert_eq!(diff(Packed::new(&text, &layout), &mut new).is_ok(), all_fine);
    }
}
