//! A plugin of `xmpp:roster@0.2.0-test`. Everybody has one contact, `next@localhost`, whose name says which version of the
//! roster it was compared with; every other contact goes.

#[cfg(target_arch = "wasm32")]
mod component {
    #[allow(clippy::all, unsafe_code, missing_docs, unreachable_pub)]
    mod bindings {
        wit_bindgen::generate!({ path: "wit", world: "roster-plugin" });
        export!(Next with_types_in self);
        use super::Next;
    }

    use bindings::exports::xmpp::roster::hooks::{Account, Change, Contact, Guest, Snapshot};

    struct Next;

    impl Guest for Next {
        fn fetch(account: Account) -> Result<Vec<Contact>, String> {
            match account.user.as_str() {
                "nobody" => Err("there is no such user".into()),
                _ => Ok(vec![contact(None, account.first)]),
            }
        }

        fn refresh(account: Account, known: &Snapshot) -> Result<Vec<Change>, String> {
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
