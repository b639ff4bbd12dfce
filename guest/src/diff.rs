//! What turns the roster that the host has into the one that the application has.
//!
//! Nearly always the two are the same list with a few differences, so they are walked side by side: nothing is hashed
//! and nothing allocated while they agree. Where they do not, a short look ahead finds out whether contacts were put
//! in or taken out. What cannot be matched this way is set aside and matched through a hash table at the end, so
//! that a roster in another order costs linear time too.

use std::collections::{HashMap, HashSet};

use crate::contact::Contact;
use crate::packed::{LayoutError, Packed, PackedContact, PackedIter};
use crate::roster::Roster;
use crate::text::same;

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// The contact is new, or something about it is.
    Put(Contact<'a>),
    /// The contact with this JID is gone.
    Remove(String),
}

impl Change<'_> {
    /// The contact it is about.
    #[must_use]
    pub fn jid(&self) -> &str {
        match self {
            Self::Put(contact) => &contact.jid,
            Self::Remove(jid) => jid,
        }
    }
}

/// How far to look for the other side's contact. Lists differ by a few contacts; further apart, hashing is faster.
const LOOK_AHEAD: usize = 8;
/// How often looking ahead may find nothing before it is given up: the two are then in another order.
const VAIN_LOOKS: usize = 16;

/// Compares `new` with what the host has. At most one change per JID: first what to put, in the order of `new`, then
/// what to remove.
///
/// If `new` has a JID twice it is [deduplicated](Roster::dedup) first.
///
/// # Errors
/// The host's roster cannot be read.
pub fn diff<'b>(known: Packed<'_>, new: &mut Roster<'b>) -> Result<Vec<Change<'b>>, LayoutError> {
    if let Some(changes) = compare(known, &new.contacts)? {
        return Ok(changes);
    }
    new.dedup();
    // There are no duplicates left that could make it `None`.
    Ok(compare(known, &new.contacts)?.unwrap_or_default())
}

/// `None`: a JID is there twice.
fn compare<'b>(known: Packed<'_>, new: &[Contact<'b>]) -> Result<Option<Vec<Change<'b>>>, LayoutError> {
    let mut walk = Walk { known: known.iter(), new, at: 0, lost: Vec::new(), found: Vec::new(), put: Vec::new() };
    walk.side_by_side()?;
    let Walk { mut lost, found, mut put, .. } = walk;
    if !found.is_empty() {
        let added = match_moved(&mut lost, &found, new, &mut put);
        if has_duplicates(&added, new) {
            return Ok(None);
        }
        put.extend(added);
        put.sort_unstable();
    }
    let put = put.into_iter().filter_map(|at| new.get(at)).cloned().map(Change::Put);
    let removed = lost.into_iter().flatten().map(|known| Change::Remove(known.jid.to_owned()));
    Ok(Some(put.chain(removed).collect()))
}

struct Walk<'k, 'n, 'b> {
    known: PackedIter<'k>,
    new: &'n [Contact<'b>],
    at: usize,
    /// Known contacts without a counterpart so far. `None`: it was found after all.
    lost: Vec<Option<PackedContact<'k>>>,
    /// Places in `new` without a counterpart so far.
    found: Vec<usize>,
    /// Places in `new` that differ from their counterpart.
    put: Vec<usize>,
}

impl<'k> Walk<'k, '_, '_> {
    fn side_by_side(&mut self) -> Result<(), LayoutError> {
        let mut vain_looks = 0;
        while let Some(known) = self.known.next() {
            let known = known?;
            let Some(new) = self.new.get(self.at) else {
                self.lost.push(Some(known));
                continue;
            };
            if new.is_same_as(&known) {
                self.at += 1;
            } else if same(&new.jid, known.jid) {
                self.put.push(self.at);
                self.at += 1;
            } else if vain_looks == VAIN_LOOKS || !self.look_ahead(known)? {
                vain_looks = VAIN_LOOKS.min(vain_looks + 1);
                self.lost.push(Some(known));
                self.found.push(self.at);
                self.at += 1;
            }
        }
        self.found.extend(self.at..self.new.len());
        Ok(())
    }

    /// Finds the nearest place where the two go on alike, and sets aside what is skipped. `false`: there is none near.
    fn look_ahead(&mut self, known: PackedContact<'k>) -> Result<bool, LayoutError> {
        let Some(new) = self.new.get(self.at) else { return Ok(false) };
        let mut ahead = self.known.clone();
        let mut skipped = vec![known];
        for distance in 1..=LOOK_AHEAD {
            // Put in: the known contact comes later in the new list.
            if self.new.get(self.at + distance).is_some_and(|later| same(&later.jid, known.jid)) {
                self.found.extend(self.at..self.at + distance);
                self.at += distance;
                self.settle(&known);
                return Ok(true);
            }
            // Taken out: the new contact comes later in the known list.
            if let Some(later) = ahead.next().transpose()? {
                if same(&new.jid, later.jid) {
                    self.lost.extend(skipped.into_iter().map(Some));
                    self.known = ahead;
                    self.settle(&later);
                    return Ok(true);
                }
                skipped.push(later);
            }
        }
        Ok(false)
    }

    /// Compares two contacts of one JID.
    fn settle(&mut self, known: &PackedContact<'_>) {
        if self.new.get(self.at).is_some_and(|new| !new.is_same_as(known)) {
            self.put.push(self.at);
        }
        self.at += 1;
    }
}

/// Matches what was set aside on both sides. Returns the places in `new` that are new contacts.
fn match_moved(
    lost: &mut [Option<PackedContact<'_>>],
    found: &[usize],
    new: &[Contact<'_>],
    put: &mut Vec<usize>,
) -> Vec<usize> {
    if lost.is_empty() {
        return found.to_vec();
    }
    let places: HashMap<&str, usize> =
        lost.iter().enumerate().filter_map(|(at, known)| Some(((*known)?.jid, at))).collect();
    let mut added = Vec::new();
    for &at in found {
        let Some(new) = new.get(at) else { continue };
        match places.get(&*new.jid).and_then(|place| lost.get_mut(*place)).and_then(Option::take) {
            Some(known) if new.is_same_as(&known) => {}
            Some(_) => put.push(at),
            None => added.push(at),
        }
    }
    added
}

/// Is a JID of the `added` places anywhere else in `new`?
///
/// Only those need a look: what has a counterpart in the host's roster is unique because it is unique there.
fn has_duplicates(added: &[usize], new: &[Contact<'_>]) -> bool {
    const FEW: usize = 8;
    let jids = added.iter().filter_map(|at| Some((*at, &*new.get(*at)?.jid)));
    if added.len() <= FEW {
        return jids
            .into_iter()
            .any(|(at, jid)| new.iter().enumerate().any(|(other, contact)| other != at && same(&contact.jid, jid)));
    }
    // Once for every place that is added, so one more time in all of `new` is a duplicate.
    let added_jids: HashSet<&str> = jids.map(|(_, jid)| jid).collect();
    added_jids.len() < added.len()
        || new.iter().filter(|contact| added_jids.contains(&*contact.jid)).count() > added_jids.len()
}
