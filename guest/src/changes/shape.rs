//! What stands around a contact's strings in the application's JSON.
//!
//! An application writes all its contacts alike: between the JID and the name of one stand the same bytes as between
//! those of the next. So what an entry looked like that was read as JSON is looked for in the next one: a few
//! comparisons of bytes, and no JSON is read. The result is the same, because none of the strings can end early (they
//! are [plain](crate::json::cursor::is_plain)) and everything else is byte for byte what has been read before.

use crate::json::cursor::Cursor;
use crate::json::text::same_bytes;
use crate::roster::packed::{PackedContact, PackedIter};

/// Contacts in more groups are always read as JSON.
const GROUPS: usize = 2;
/// The JID, the name and the groups.
const STRINGS: usize = GROUPS + 2;
/// Subscription and `ask`, the number of groups, and whether there is a name.
const KINDS: usize = 8 * (GROUPS + 1) * 2;

/// The last shape of each kind of contact.
pub(crate) struct Shapes<'b>([Option<Shape<'b>>; KINDS]);

#[derive(Clone, Copy, Default)]
struct Shape<'b> {
    /// What stands before each string, from the end of the string before it.
    before: [Glue<'b>; STRINGS],
    /// What stands after the last string.
    end: Glue<'b>,
    /// The name comes after the group, not before it.
    name_is_last: bool,
}

/// A text that is looked for: the first 16 bytes as a number, whatever its length.
#[derive(Clone, Copy, Default)]
struct Glue<'b> {
    head: u128,
    mask: u128,
    text: &'b [u8],
}

impl<'b> Glue<'b> {
    /// What stands in a text at these places. `None`: it has fewer than 16 bytes from there on.
    fn new(text: &'b [u8], from: usize, to: usize) -> Option<Self> {
        let head = u128::from_le_bytes(*text.get(from..)?.first_chunk()?);
        let text = text.get(from..to)?;
        // All bits if there are 16 bytes or more.
        let mask = u128::MAX.checked_shr(128 - 8 * text.len().min(16) as u32).unwrap_or_default();
        Some(Self { head, mask, text })
    }

    /// What follows if the JSON begins with this.
    #[inline(always)]
    fn strip(&self, json: &'b [u8]) -> Option<&'b [u8]> {
        let head = u128::from_le_bytes(*json.first_chunk()?);
        if (head ^ self.head) & self.mask != 0 {
            return None;
        }
        if self.text.len() > 16 {
            return strip(json, self.text);
        }
        json.get(self.text.len()..)
    }
}

#[inline(always)]
fn strip<'b>(json: &'b [u8], text: &[u8]) -> Option<&'b [u8]> {
    let (found, rest) = json.split_at_checked(text.len())?;
    same_bytes(found, text).then_some(rest)
}

impl<'b> Shapes<'b> {
    pub(crate) const fn new() -> Self {
        Self([const { None }; KINDS])
    }

    /// Is the next entry the host's next contact, in a shape that has been seen? Moves both on if it is, and neither if
    /// not: it may be the same contact in another shape.
    #[inline]
    pub(crate) fn next_is_same(&self, json: &mut Cursor<'b>, left: &mut PackedIter<'_>) -> Option<()> {
        let (text, layout) = left.left();
        let (&[jid, name, flags, groups], lengths) = layout.split_first_chunk::<4>()?;
        let groups = usize::try_from(groups).ok()?;
        let shape = self.0.get(kind(flags, groups, name > 0)?)?.as_ref()?;
        let [first, second, third, others @ ..] = &shape.before;
        let (jid, mut strings) = take(text.as_bytes(), jid)?;
        let mut rest = strip(first.strip(json.rest())?, jid)?;
        let mut lengths = lengths.get(..groups)?;
        let mut before = shape.before.get(1..)?;
        if name > 0 {
            // The name and a group: without a loop as far as most contacts go.
            let (name, after) = take(strings, name - 1)?;
            strings = after;
            if let [group, more @ ..] = lengths {
                let (group, after) = take_group(strings, *group)?;
                (strings, lengths, before) = (after, more, others);
                let (one, other) = if shape.name_is_last { (group, name) } else { (name, group) };
                rest = strip(third.strip(strip(second.strip(rest)?, one)?)?, other)?;
            } else {
                rest = strip(second.strip(rest)?, name)?;
            }
        }
        if !lengths.is_empty() {
            (rest, strings) = more(before, lengths, rest, strings)?;
        }
        rest = shape.end.strip(rest)?;
        left.pass(text.len() - strings.len(), 4 + groups)?;
        *json = Cursor::new(rest);
        Some(())
    }

    /// Keeps the shape of a contact that has been read.
    pub(crate) fn keep(&mut self, known: &PackedContact<'_>, draft: &Draft<'b>, json: &Cursor<'b>) {
        let (named, groups) = (known.name.is_some(), known.groups.len());
        let flags = known.subscription as u32 | if known.ask { 4 } else { 0 };
        // A field that is there twice has more strings.
        let once = draft.strings == 1 + usize::from(named) + groups;
        let in_order = groups < 2 || !draft.shape.name_is_last;
        if once
            && in_order
            && let Some(place) = kind(flags, groups, named).and_then(|kind| self.0.get_mut(kind))
        {
            *place = draft.finish(json);
        }
    }
}

/// Looks for more groups.
#[inline(never)]
fn more<'b, 'k>(
    before: &[Glue<'b>],
    lengths: &[u32],
    mut json: &'b [u8],
    mut strings: &'k [u8],
) -> Option<(&'b [u8], &'k [u8])> {
    for (at, length) in lengths.iter().enumerate() {
        let (group, after) = take_group(strings, *length)?;
        (json, strings) = (strip(before.get(at)?.strip(json)?, group)?, after);
    }
    Some((json, strings))
}

#[inline]
fn kind(flags: u32, groups: usize, named: bool) -> Option<usize> {
    (flags < 8 && groups <= GROUPS).then_some((flags as usize * (GROUPS + 1) + groups) * 2 + usize::from(named))
}

/// Cuts `length` bytes off the front. What equals the text between two quotes ends with a whole character.
#[inline(always)]
fn take(text: &[u8], length: u32) -> Option<(&[u8], &[u8])> {
    text.split_at_checked(usize::try_from(length).ok()?)
}

/// The same of a group, unless it may be a number: as the key of an object that takes a warning.
#[inline(always)]
fn take_group(text: &[u8], length: u32) -> Option<(&[u8], &[u8])> {
    if text.first().is_some_and(u8::is_ascii_digit) { None } else { take(text, length) }
}

/// The shape of an entry while it is read.
pub(crate) struct Draft<'b> {
    entry: &'b [u8],
    /// How much of the entry belongs to the shape so far.
    to: usize,
    strings: usize,
    /// There was room for each string, and text enough behind what stands before it.
    is_whole: bool,
    shape: Shape<'b>,
}

impl<'b> Draft<'b> {
    /// At the beginning of an entry.
    pub(crate) fn new(json: &Cursor<'b>) -> Self {
        Self { entry: json.rest(), to: 0, strings: 0, is_whole: true, shape: Shape::default() }
    }

    /// The cursor stands behind this string of the contact and its quote.
    pub(crate) fn string(&mut self, json: &Cursor<'b>, string: &str) {
        let end = self.entry.len() - json.rest().len() - 1;
        match (self.shape.before.get_mut(self.strings), Glue::new(self.entry, self.to, end - string.len())) {
            (Some(place), Some(before)) => *place = before,
            _ => self.is_whole = false,
        }
        self.to = end;
        self.strings += 1;
    }

    /// The same of the name.
    pub(crate) fn name(&mut self, json: &Cursor<'b>, name: &str) {
        self.shape.name_is_last = self.strings > 1;
        self.string(json, name);
    }

    /// The cursor stands behind the entry.
    fn finish(&self, json: &Cursor<'b>) -> Option<Shape<'b>> {
        let end = Glue::new(self.entry, self.to, self.entry.len() - json.rest().len())?;
        self.is_whole.then_some(Shape { end, ..self.shape })
    }
}
