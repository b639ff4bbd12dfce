//! Counting stanzas and acknowledging them (XEP-0198).

use std::collections::VecDeque;

use minidom::Element;
use rxml::{Namespace, NcName, xml_ncname};
use tokio::time::Instant;

use crate::config::Resumption;
use crate::outbound::Stanza;
use crate::stream::{StreamCondition, StreamError, ns};

/// One session's counts, from `<enable/>` on, over all of its connections.
#[derive(Default)]
pub(super) struct Management {
    /// Stanzas of the client that were handled, modulo 2^32.
    handled: u32,
    /// Stanzas the client has acknowledged, modulo 2^32.
    acknowledged: u32,
    /// Sent after that, oldest first, and what each weighs.
    unacknowledged: VecDeque<(Stanza, usize)>,
    /// What they weigh together.
    weight: usize,
    /// When `<r/>` was sent that is not answered.
    asked: Option<Instant>,
}

impl Management {
    /// A stanza of the client was handled.
    pub(super) fn count(&mut self) {
        self.handled = self.handled.wrapping_add(1);
    }

    /// A stanza is sent.
    pub(super) fn sent(&mut self, stanza: Stanza) {
        let weight = stanza.weight();
        self.weight += weight;
        self.unacknowledged.push_back((stanza, weight));
    }

    /// What is kept weighs.
    pub(super) fn weight(&self) -> usize {
        self.weight
    }

    /// As much is kept as may be: nothing more is sent before the client acknowledges some of it.
    pub(super) fn is_full(&self, most: &Resumption) -> bool {
        self.unacknowledged.len() >= most.unacknowledged.max(1)
            || (!self.unacknowledged.is_empty() && self.weight >= most.unacknowledged_bytes)
    }

    /// Since when an answer to `<r/>` is missing.
    pub(super) fn asked(&self) -> Option<Instant> {
        self.asked
    }

    /// Whether to ask for an acknowledgement now; it counts as asked.
    pub(super) fn ask(&mut self) -> bool {
        let ask = self.asked.is_none() && !self.unacknowledged.is_empty();
        if ask {
            self.asks();
        }
        ask
    }

    /// `<r/>` has to be sent whatever was asked before.
    pub(super) fn asks(&mut self) {
        self.asked.get_or_insert_with(Instant::now);
    }

    /// `<a h='…'/>` and `<resume h='…'/>`.
    pub(super) fn acknowledge(&mut self, h: Option<&str>) -> Result<(), StreamError> {
        let Some(h) = h.and_then(|h| h.parse::<u32>().ok()) else {
            return Err(StreamCondition::BadFormat.because("h is a number of 32 bits (XEP-0198)"));
        };
        let newly = h.wrapping_sub(self.acknowledged) as usize;
        if newly > self.unacknowledged.len() {
            let sent = self.acknowledged.wrapping_add(u32::try_from(self.unacknowledged.len()).unwrap_or(u32::MAX));
            let mut detail = Element::bare("handled-count-too-high", ns::SM);
            set(&mut detail, xml_ncname!("h").to_owned(), h.to_string());
            set(&mut detail, xml_ncname!("send-count").to_owned(), sent.to_string());
            let mut error =
                StreamCondition::UndefinedCondition.because("more was acknowledged than was sent (XEP-0198)");
            error.detail = Some(Box::new(detail));
            return Err(error);
        }
        self.weight -= self.unacknowledged.drain(..newly).map(|(_, weight)| weight).sum::<usize>();
        self.acknowledged = h;
        self.asked = None;
        Ok(())
    }

    /// What has to be sent again on a new connection; stays kept.
    pub(super) fn again(&mut self) -> impl Iterator<Item = &Stanza> {
        self.asked = None;
        self.unacknowledged.iter().map(|(stanza, _)| stanza)
    }

    /// What the client never acknowledged.
    pub(super) fn into_unacknowledged(self) -> Vec<Stanza> {
        self.unacknowledged.into_iter().map(|(stanza, _)| stanza).collect()
    }

    /// `<a/>`.
    pub(super) fn answer(&self) -> Element {
        let mut answer = Element::bare("a", ns::SM);
        set(&mut answer, xml_ncname!("h").to_owned(), self.handled.to_string());
        answer
    }

    /// `<enabled/>`; `id` and the seconds for which it is good where the session can be resumed.
    pub(super) fn enabled(resumption: Option<(&str, u64)>, location: Option<&str>) -> Element {
        let mut enabled = Element::bare("enabled", ns::SM);
        if let Some((id, seconds)) = resumption {
            set(&mut enabled, xml_ncname!("id").to_owned(), id.to_owned());
            set(&mut enabled, xml_ncname!("resume").to_owned(), "true".to_owned());
            set(&mut enabled, xml_ncname!("max").to_owned(), seconds.to_string());
            locate(&mut enabled, location);
        }
        enabled
    }

    /// `<resumed/>`.
    pub(super) fn resumed(&self, id: &str) -> Element {
        let mut resumed = Element::bare("resumed", ns::SM);
        set(&mut resumed, xml_ncname!("previd").to_owned(), id.to_owned());
        set(&mut resumed, xml_ncname!("h").to_owned(), self.handled.to_string());
        resumed
    }

    /// `<failed/>` to one who wants to resume a session that is not here, and maybe at that address.
    pub(super) fn not_here(location: Option<&str>) -> Element {
        let mut failed = Self::failed("item-not-found");
        locate(&mut failed, location);
        failed
    }

    /// `<failed/>`, with a stanza error's condition.
    pub(super) fn failed(condition: &str) -> Element {
        let mut failed = Element::bare("failed", ns::SM);
        failed.append_child(Element::bare(condition, ns::STANZA_ERRORS));
        failed
    }
}

/// Where the client had better come back to (XEP-0198 section 3), if that is known.
fn locate(element: &mut Element, location: Option<&str>) {
    if let Some(location) = location {
        set(element, xml_ncname!("location").to_owned(), location.to_owned());
    }
}

fn set(element: &mut Element, name: NcName, value: String) {
    element.attrs_mut().insert(Namespace::NONE, name, value);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn acknowledged_stanzas_are_let_go_and_the_count_wraps() {
        let mut management = Management { acknowledged: u32::MAX - 1, ..Management::default() };
        let stanza = Stanza::from(Element::bare("message", ns::CLIENT));
        for _ in 0..5 {
            management.sent(stanza.clone());
        }
        assert!(management.ask());
        assert!(!management.ask(), "one question at a time");
        for (h, left) in [("4294967294", 5), ("4294967295", 4), ("1", 2), ("1", 2), ("3", 0)] {
            management.acknowledge(Some(h)).unwrap();
            assert_eq!((management.unacknowledged.len(), management.weight), (left, left * stanza.weight()), "{h}");
        }
        assert!(!management.ask(), "there is nothing to ask about");
        for h in [Some("4"), Some("2"), None, Some("x"), Some("-1"), Some("4294967296")] {
            assert!(management.acknowledge(h).is_err(), "{h:?}");
        }
        let error = management.acknowledge(Some("9")).unwrap_err();
        let detail = error.detail.unwrap();
        assert_eq!((detail.attr("h"), detail.attr("send-count")), (Some("9"), Some("3")));
    }

    #[test]
    fn what_is_kept_is_bounded_in_stanzas_and_in_bytes() {
        let stanza = Stanza::from(Element::bare("message", ns::CLIENT));
        for (stanzas, bytes, fits) in [(3, usize::MAX, 3), (usize::MAX, 2 * stanza.weight(), 2), (9, 1, 1), (0, 0, 1)] {
            let most = Resumption { unacknowledged: stanzas, unacknowledged_bytes: bytes, ..Resumption::default() };
            let mut management = Management::default();
            while !management.is_full(&most) {
                management.sent(stanza.clone());
            }
            assert_eq!(management.unacknowledged.len(), fits, "{stanzas} {bytes}");
            management.acknowledge(Some("1")).unwrap();
            assert!(!management.is_full(&most), "{stanzas} {bytes}");
        }
    }

    #[test]
    fn the_clients_stanzas_are_counted() {
        let mut management = Management { handled: u32::MAX, ..Management::default() };
        assert_eq!(management.answer().attr("h"), Some("4294967295"));
        management.count();
        assert_eq!(management.answer().attr("h"), Some("0"));
        assert_eq!(management.resumed("x").attr("h"), Some("0"));
    }
}
