//! The host's roster as two flat values (`packed-contacts` of `wit/types.wit`): reading and writing them.
//!
//! Reading borrows and allocates nothing. A layout that does not fit its text is an error, never a panic: it would
//! be a fault of the host, and the plugin reports it like any other failure.

use xmpp_roster_plugin::{PackedContacts, TooLong};

use super::contact::{Contact, Subscription};

/// Why a layout cannot be read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// The layout ends within a contact.
    #[error("the host's roster is unreadable: the layout ends within contact {contact}")]
    Truncated {
        /// The contact's place, counted from 0.
        contact: usize,
    },
    /// A length reaches past the text or into the middle of a character.
    #[error("the host's roster is unreadable: a length of contact {contact} does not fit the text")]
    Length {
        /// The contact's place, counted from 0.
        contact: usize,
    },
    /// The flags of a contact mean nothing.
    #[error("the host's roster is unreadable: contact {contact} has unknown flags")]
    Flags {
        /// The contact's place, counted from 0.
        contact: usize,
    },
    /// Text is left over after the last contact.
    #[error("the host's roster is unreadable: the text is longer than the layout says")]
    TextLeft,
}

/// A roster in its flat form, borrowed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Packed<'a> {
    text: &'a str,
    layout: &'a [u32],
}

impl<'a> Packed<'a> {
    /// Joins the two parts. Nothing is checked until the contacts are read.
    #[must_use]
    pub const fn new(text: &'a str, layout: &'a [u32]) -> Self {
        Self { text, layout }
    }

    /// The strings of all contacts, one after another.
    #[must_use]
    pub const fn text(&self) -> &'a str {
        self.text
    }

    /// The contacts in order. After an error nothing more comes.
    #[must_use]
    pub const fn iter(&self) -> PackedIter<'a> {
        PackedIter { text: self.text, layout: self.layout, at: 0 }
    }
}

impl<'a> IntoIterator for Packed<'a> {
    type Item = Result<PackedContact<'a>, LayoutError>;
    type IntoIter = PackedIter<'a>;

    fn into_iter(self) -> PackedIter<'a> {
        self.iter()
    }
}

/// One contact of a [`Packed`] roster.
#[derive(Clone, Copy, Debug)]
pub struct PackedContact<'a> {
    /// The bare JID.
    pub jid: &'a str,
    /// The name, if there is one.
    pub name: Option<&'a str>,
    /// See [`Subscription`].
    pub subscription: Subscription,
    /// Is a subscription request pending?
    pub ask: bool,
    /// The groups.
    pub groups: PackedGroups<'a>,
}

impl<'a> PackedContact<'a> {
    /// The same contact as a [`Contact`].
    #[must_use]
    pub fn to_contact(&self) -> Contact<'a> {
        Contact {
            jid: self.jid.into(),
            name: self.name.map(Into::into),
            subscription: self.subscription,
            ask: self.ask,
            groups: self.groups.iter().map(Into::into).collect(),
        }
    }
}

/// The groups of a [`PackedContact`]. All lengths have been checked against the text.
#[derive(Clone, Copy, Debug)]
pub struct PackedGroups<'a> {
    text: &'a str,
    lengths: &'a [u32],
}

impl<'a> PackedGroups<'a> {
    /// How many groups there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.lengths.len()
    }

    /// Is the contact in no group?
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// The groups in order.
    pub fn iter(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let mut text = self.text;
        self.lengths.iter().map_while(move |length| take(&mut text, *length))
    }
}

/// See [`Packed::iter`]. A clone is a look ahead: it costs nothing.
#[derive(Clone, Debug)]
pub struct PackedIter<'a> {
    text: &'a str,
    layout: &'a [u32],
    at: usize,
}

impl<'a> Iterator for PackedIter<'a> {
    type Item = Result<PackedContact<'a>, LayoutError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.layout.is_empty() {
            return (!std::mem::take(&mut self.text).is_empty()).then_some(Err(LayoutError::TextLeft));
        }
        let contact = self.contact();
        if contact.is_err() {
            (self.text, self.layout) = ("", &[]);
        }
        self.at += 1;
        Some(contact)
    }
}

impl<'a> PackedIter<'a> {
    /// What is left of the text and of the layout.
    #[inline]
    pub(crate) const fn left(&self) -> (&'a str, &'a [u32]) {
        (self.text, self.layout)
    }

    /// Passes over a contact that somebody has read: `text` bytes and `layout` numbers. `None`: they are not there.
    #[inline(always)]
    pub(crate) fn pass(&mut self, text: usize, layout: usize) -> Option<()> {
        (self.text, self.layout) = (self.text.get(text..)?, self.layout.get(layout..)?);
        self.at += 1;
        Some(())
    }

    #[inline]
    fn contact(&mut self) -> Result<PackedContact<'a>, LayoutError> {
        let contact = self.at;
        let Some((&[jid, name, flags, groups], rest)) = self.layout.split_first_chunk::<4>() else {
            return Err(LayoutError::Truncated { contact });
        };
        let misfit = LayoutError::Length { contact };
        let jid = take(&mut self.text, jid).ok_or(misfit)?;
        let name = match name.checked_sub(1) {
            None => None,
            Some(length) => Some(take(&mut self.text, length).ok_or(misfit)?),
        };
        let subscription = match flags & 3 {
            0 => Subscription::None,
            1 => Subscription::To,
            2 => Subscription::From,
            _ => Subscription::Both,
        };
        if flags > 7 {
            return Err(LayoutError::Flags { contact });
        }
        let groups = usize::try_from(groups).ok().and_then(|groups| rest.split_at_checked(groups));
        let (lengths, rest) = groups.ok_or(LayoutError::Truncated { contact })?;
        let groups = PackedGroups { text: self.text, lengths };
        for length in lengths {
            take(&mut self.text, *length).ok_or(misfit)?;
        }
        self.layout = rest;
        Ok(PackedContact { jid, name, subscription, ask: flags & 4 != 0, groups })
    }
}

/// Cuts `length` bytes off the front, if they are there and end with a whole character.
#[inline]
fn take<'a>(text: &mut &'a str, length: u32) -> Option<&'a str> {
    let (taken, rest) = text.split_at_checked(usize::try_from(length).ok()?)?;
    *text = rest;
    Some(taken)
}

/// Packs contacts in order, as a host does.
///
/// # Errors
/// A string of 4 GiB or more.
pub fn pack<'c, 'a: 'c>(contacts: impl IntoIterator<Item = &'c Contact<'a>>) -> Result<PackedContacts, TooLong> {
    let mut packed = PackedContacts::empty();
    for Contact { jid, name, subscription, ask, groups } in contacts {
        packed.push(jid, name.as_deref(), *subscription, *ask, groups)?;
    }
    Ok(packed)
}

impl<'a> From<&'a PackedContacts> for Packed<'a> {
    fn from(packed: &'a PackedContacts) -> Self {
        Self::new(&packed.text, &packed.layout)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(text: &str, layout: &[u32]) -> Result<Vec<String>, LayoutError> {
        Packed::new(text, layout).iter().map(|contact| contact.map(|contact| contact.jid.to_owned())).collect()
    }

    #[test]
    fn reads_the_layout_that_the_wit_documents() {
        let packed = Packed::new("a@bMarieWorkFriendsc@d", &[3, 6, 3, 2, 4, 7, 3, 0, 4, 0]);
        let contacts: Vec<_> = packed.iter().map(|contact| contact.unwrap().to_contact()).collect();
        let marie = Contact {
            jid: "a@b".into(),
            name: Some("Marie".into()),
            subscription: Subscription::Both,
            ask: false,
            groups: ["Work".into(), "Friends".into()].into_iter().collect(),
        };
        let other = Contact {
            jid: "c@d".into(),
            name: None,
            subscription: Subscription::None,
            ask: true,
            groups: Default::default(),
        };
        assert_eq!(contacts, [marie, other]);
        let buf = pack(&contacts).unwrap();
        assert_eq!((buf.text.as_str(), buf.layout.as_slice()), (packed.text, packed.layout));
    }

    #[test]
    fn a_layout_that_does_not_fit_is_an_error() {
        for (text, layout, error) in [
            ("", &[1][..], LayoutError::Truncated { contact: 0 }),
            ("a@b", &[3, 0, 0, 1], LayoutError::Truncated { contact: 0 }),
            ("a@b", &[3, 0, 0, u32::MAX], LayoutError::Truncated { contact: 0 }),
            ("a@b", &[4, 0, 0, 0], LayoutError::Length { contact: 0 }),
            ("a@bc@d", &[3, 0, 0, 0, 3, 2, 0, 0], LayoutError::Length { contact: 1 }),
            ("é", &[1, 0, 0, 0], LayoutError::Length { contact: 0 }),
            ("aé", &[1, 0, 0, 2, 1, 1], LayoutError::Length { contact: 0 }),
            ("a", &[1, 0, 8, 0], LayoutError::Flags { contact: 0 }),
            ("ab", &[1, 0, 3, 0], LayoutError::TextLeft),
            ("ab", &[], LayoutError::TextLeft),
        ] {
            assert_eq!(read(text, layout), Err(error), "{text:?} {layout:?}");
        }
    }
}
