//! What is offered when (RFC 6120 section 4.3.2).

use minidom::Element;
use rxml::{Namespace, xml_ncname};

use crate::domain::Domain;
use crate::sasl::Login;
use crate::stream::ns;

/// Before login.
pub(super) fn before_login(starttls: bool, tls_required: bool, login: &Login) -> Vec<Element> {
    let mut features = Vec::new();
    if starttls {
        let mut feature = Element::bare("starttls", ns::TLS);
        if tls_required {
            feature.append_child(Element::bare("required", ns::TLS));
        }
        features.push(feature);
    }
    let names = login.mechanisms();
    if !names.is_empty() {
        let mut mechanisms = Element::bare("mechanisms", ns::SASL);
        for name in names {
            let mut mechanism = Element::bare("mechanism", ns::SASL);
            mechanism.append_text(name);
            mechanisms.append_child(mechanism);
        }
        features.push(mechanisms);
    }
    if login.offers_binding() {
        let mut kinds = Element::bare("sasl-channel-binding", ns::CHANNEL_BINDING);
        let mut kind = Element::bare("channel-binding", ns::CHANNEL_BINDING);
        kind.attrs_mut().insert(Namespace::NONE, xml_ncname!("type").to_owned(), "tls-exporter".to_owned());
        kinds.append_child(kind);
        features.push(kinds);
    }
    features
}

/// After login.
pub(super) fn after_login(domain: &Domain) -> Vec<Element> {
    let mut session = Element::bare("session", ns::SESSION);
    session.append_child(Element::bare("optional", ns::SESSION));
    let mut features = vec![Element::bare("bind", ns::BIND), session];
    features.push(Element::bare("sm", ns::SM));
    features.push(Element::bare("csi", ns::CSI));
    features.extend(domain.features());
    features
}
