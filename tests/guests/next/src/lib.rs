//! A plugin of `xmpp:roster@0.2.0-test`. Everybody has one contact, `next@localhost`, whose name says which version of the
//! roster it was compared with; every other contact goes.

#[cfg(target_arch = "wasm32")]
mod component {
    #[allow(clippy::all, unsafe_code, missing_docs, unreachable_pub)]
    mod bindings {
        wit_bindgen::generate!({ path: "wit", world: "roster-plugin", generate_all });
        export!(Next with_types_in self);
        use super::Next;
    }

    use bindings::exports::xmpp::roster::hooks::{Account, Change, Contact, Guest, Snapshot};
    use bindings::wasi::config::store;

    struct Next;

    impl Guest for Next {
        fn ask(account: Account) -> String {
            store::get("http_roster_url").ok().flatten().unwrap_or_default().replace("%s", &account.user)
        }

        fn read(account: Account, known: Option<&Snapshot>, _body: Vec<u8>) -> Result<Vec<Change>, String> {
            if account.user == "nobody" {
                return Err("there is no such user".into());
            }
            let Some(known) = known else { return Ok(vec![Change::Put(contact(None, account.first))]) };
            let others = known.contacts().into_iter().filter(|contact| contact.jid != "next@localhost");
            let mut changes: Vec<Change> = others.map(|contact| Change::Remove(contact.jid)).collect();
            changes.push(Change::Put(contact(Some(format!("after {}", known.version())), !account.first)));
            Ok(changes)
        }

        fn changed_users(body: String) -> Vec<String> {
            body.split_whitespace().map(str::to_owned).collect()
        }

        fn summary(updated: u32, errors: u32) -> String {
            format!("{updated} and {errors}")
        }
    }

    fn contact(name: Option<String>, approved: bool) -> Contact {
        Contact { jid: "next@localhost".into(), name, approved }
    }
}
