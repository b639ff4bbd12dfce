//! The groups of one contact: none or one without an allocation, for few contacts are in more.

use std::borrow::Cow;
use std::ops::Deref;

/// A list of group names. Reads as a slice.
#[derive(Clone, Debug, Default)]
pub struct Groups<'a>(List<'a>);

#[derive(Clone, Debug, Default)]
enum List<'a> {
    #[default]
    Empty,
    One(Cow<'a, str>),
    More(Vec<Cow<'a, str>>),
}

impl<'a> Groups<'a> {
    /// Appends a group.
    #[inline]
    pub fn push(&mut self, group: Cow<'a, str>) {
        self.0 = match std::mem::take(&mut self.0) {
            List::Empty => List::One(group),
            List::One(first) => List::More(vec![first, group]),
            List::More(mut groups) => {
                groups.push(group);
                List::More(groups)
            }
        };
    }

    /// Puts the groups in alphabetical order.
    pub fn sort(&mut self) {
        if let List::More(groups) = &mut self.0 {
            groups.sort_unstable();
        }
    }
}

impl<'a> Deref for Groups<'a> {
    type Target = [Cow<'a, str>];

    #[inline]
    fn deref(&self) -> &[Cow<'a, str>] {
        match &self.0 {
            List::Empty => &[],
            List::One(group) => std::slice::from_ref(group),
            List::More(groups) => groups,
        }
    }
}

impl PartialEq for Groups<'_> {
    /// In order. To compare with what the host has, see [`crate::roster::contact::Contact::is_same_as`].
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Groups<'_> {}

impl<'a> FromIterator<Cow<'a, str>> for Groups<'a> {
    fn from_iter<I: IntoIterator<Item = Cow<'a, str>>>(groups: I) -> Self {
        let mut list = Self::default();
        groups.into_iter().for_each(|group| list.push(group));
        list
    }
}

impl<'a> IntoIterator for Groups<'a> {
    type Item = Cow<'a, str>;
    type IntoIter = std::iter::Chain<std::option::IntoIter<Cow<'a, str>>, std::vec::IntoIter<Cow<'a, str>>>;

    fn into_iter(self) -> Self::IntoIter {
        let (one, more) = match self.0 {
            List::Empty => (None, Vec::new()),
            List::One(group) => (Some(group), Vec::new()),
            List::More(groups) => (None, groups),
        };
        one.into_iter().chain(more)
    }
}
