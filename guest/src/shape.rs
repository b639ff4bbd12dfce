//! What stands around a contact's strings in the application's JSON.
//!
//! An application writes all its contacts alike: between the JID and the name of one stand the same bytes as between
//! those of the next. So what an entry looked like that was read as JSON is looked for in the next one: a few
//! comparisons of bytes, and no JSON is read. The result is the same, because none of the strings can end early (they
//! are [plain](crate::cursor::is_plain)) and everything else is byte for byte what has been read before.

use crate::cursor::Cursor;
use crate::packed::{PackedContact, PackedIter};

/// Contacts in more groups are always read as JSON.
const GROUPS: usize = 3;
/// The JID, the name and the groups.
const STRINGS: usize = GROUPS + 2;
/// Subscription and `ask`, the number of groups, and whether there is a name.
const KINDS: usize = 8 * (GROUPS + 1) * 2;

/// The last shape of each kind of contact.
pub(crate) struct Shapes<'b>([Option<Shape<'b>>; KINDS]);

#[derive(Clone, Copy, Default)]
struct Shape<'b> {
    /// What stands before each string, from the end of the string before it.
    before: [&'b [u8]; STRINGS],
    /// What stands after the last string.
    end: &'b [u8],
    /// The name comes after the groups, not before them.
    name_is_last: bool,
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
        let (mut seen, mut strings) = (*json, text.as_bytes());
        let mut before = shape.before.iter();
        seen.bytes(before.next()?)?;
        seen.bytes(take(&mut strings, jid)?)?;
        let named = name.checked_sub(1);
        let name = take(&mut strings, named.unwrap_or(0))?;
        if named.is_some() && !shape.name_is_last {
            seen.bytes(before.next()?)?;
            seen.bytes(name)?;
        }
        for length in lengths.get(..groups)? {
            seen.bytes(before.next()?)?;
            seen.bytes(take(&mut strings, *length)?)?;
        }
        if named.is_some() && shape.name_is_last {
            seen.bytes(before.next()?)?;
            seen.bytes(name)?;
        }
        seen.bytes(shape.end)?;
        left.pass(text.len() - strings.len(), 4 + groups)?;
        *json = seen;
        Some(())
    }

    /// Keeps the shape of a contact that has been read.
    pub(crate) fn keep(&mut self, known: &PackedContact<'_>, draft: &Draft<'b>, json: &Cursor<'b>) {
        let named = usize::from(known.name.is_some());
        let flags = known.subscription as u32 | if known.ask { 4 } else { 0 };
        // A field that is there twice has more strings.
        if draft.strings == 1 + named + known.groups.len()
            && let Some(kind) = kind(flags, known.groups.len(), known.name.is_some())
            && let Some(place) = self.0.get_mut(kind)
        {
            *place = draft.finish(json);
        }
    }
}

#[inline]
fn kind(flags: u32, groups: usize, named: bool) -> Option<usize> {
    (flags < 8 && groups <= GROUPS).then_some((flags as usize * (GROUPS + 1) + groups) * 2 + usize::from(named))
}

/// Cuts `length` bytes off the front. What equals the text between two quotes ends with a whole character.
#[inline]
fn take<'a>(text: &mut &'a [u8], length: u32) -> Option<&'a [u8]> {
    let (taken, rest) = text.split_at_checked(usize::try_from(length).ok()?)?;
    *text = rest;
    Some(taken)
}

/// The shape of an entry while it is read.
pub(crate) struct Draft<'b> {
    entry: &'b [u8],
    /// How much of the entry belongs to the shape so far.
    to: usize,
    strings: usize,
    shape: Shape<'b>,
}

impl<'b> Draft<'b> {
    /// At the beginning of an entry.
    pub(crate) fn new(json: &Cursor<'b>) -> Self {
        Self { entry: json.rest(), to: 0, strings: 0, shape: Shape::default() }
    }

    /// The cursor stands behind this string of the contact and its quote.
    pub(crate) fn string(&mut self, json: &Cursor<'b>, string: &str) {
        let end = self.entry.len() - json.rest().len() - 1;
        let before = self.entry.get(self.to..end - string.len());
        if let (Some(place), Some(before)) = (self.shape.before.get_mut(self.strings), before) {
            *place = before;
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
        let end = self.entry.get(self.to..self.entry.len() - json.rest().len())?;
        Some(Shape { end, ..self.shape })
    }
}
