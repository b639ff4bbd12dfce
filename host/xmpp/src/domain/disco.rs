//! What the server says of itself and of accounts (XEP-0030).

use minidom::Element;

use super::stanza::{Attr, CARBONS, Condition, DISCO_INFO, DISCO_ITEMS, PING, ROSTER, TIME, VERSION, set};

/// What `example.com` can do.
const SERVER_FEATURES: [&str; 7] = [DISCO_INFO, DISCO_ITEMS, PING, ROSTER, VERSION, TIME, CARBONS];
/// What an account can do.
const ACCOUNT_FEATURES: [&str; 4] = [DISCO_INFO, DISCO_ITEMS, CARBONS, PING];

pub(super) fn server_info(query: &Element) -> Result<Element, Condition> {
    info(query, ("server", "im"), &SERVER_FEATURES)
}

pub(super) fn account_info(query: &Element) -> Result<Element, Condition> {
    info(query, ("account", "registered"), &ACCOUNT_FEATURES)
}

/// Nothing is to be found below a server without services, or below an account.
pub(super) fn items(query: &Element) -> Result<Element, Condition> {
    no_node(query)?;
    Ok(Element::bare("query", DISCO_ITEMS))
}

fn info(query: &Element, (category, kind): (&str, &str), features: &[&str]) -> Result<Element, Condition> {
    no_node(query)?;
    let mut answer = Element::bare("query", DISCO_INFO);
    let mut identity = Element::bare("identity", DISCO_INFO);
    set(&mut identity, Attr::Category, category);
    set(&mut identity, Attr::Type, kind);
    answer.append_child(identity);
    for var in features {
        let mut feature = Element::bare("feature", DISCO_INFO);
        set(&mut feature, Attr::Var, var);
        answer.append_child(feature);
    }
    Ok(answer)
}

fn no_node(query: &Element) -> Result<(), Condition> {
    if query.attr("node").is_some_and(|node| !node.is_empty()) { Err(Condition::ItemNotFound) } else { Ok(()) }
}
