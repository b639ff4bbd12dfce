//! Text of others (a plugin's, an application's, a file's) as people and programs may be shown it.
//!
//! Some characters do something instead of being seen: control characters clear a terminal or begin a line, the
//! bidirectional ones let a text be read in another order than it has, two separators end a line for some programs. They are
//! shown by their number. And [`counted`], how many of something there are.

use std::borrow::Cow;

/// It is seen as it is, whatever is around it.
pub fn is_plain(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// So many of what is called `one`: `1 contact`, `2 contacts`.
pub fn counted(many: usize, one: &str) -> String {
    format!("{many} {one}{}", if many == 1 { "" } else { "s" })
}

/// For one line: what is not plain by its number, `\u{7}`.
pub fn escaped(text: &str) -> Cow<'_, str> {
    replaced(text, is_plain, |c, out| out.extend(c.escape_default()))
}

/// The same for text of several lines, whose ends it keeps.
pub fn escaped_lines(text: &str) -> Cow<'_, str> {
    replaced(text, |c| is_plain(c) || c == '\n', |c, out| out.extend(c.escape_default()))
}

/// For a document in JSON, in which such characters are only within texts: as JSON escapes them.
pub fn escaped_json(document: &str) -> Cow<'_, str> {
    replaced(
        document,
        |c| is_plain(c) || c == '\n',
        |c, out| {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| *out += &format!("\\u{unit:04x}"));
        },
    )
}

fn replaced(text: &str, is_kept: impl Fn(char) -> bool, replace: impl Fn(char, &mut String)) -> Cow<'_, str> {
    let Some(first) = text.find(|c| !is_kept(c)) else { return Cow::Borrowed(text) };
    let (kept, rest) = text.split_at(first);
    let mut out = String::with_capacity(text.len() + 16);
    out.push_str(kept);
    for c in rest.chars() {
        if is_kept(c) {
            out.push(c);
        } else {
            replace(c, &mut out);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_something_instead_of_being_seen_is_shown_by_its_number() {
        for (text, line, lines, json) in [
            ("plain ü ☃ العربية", "plain ü ☃ العربية", "plain ü ☃ العربية", "plain ü ☃ العربية"),
            ("a\u{1b}[2Jb", "a\\u{1b}[2Jb", "a\\u{1b}[2Jb", "a\\u001b[2Jb"),
            ("a\nb\r", "a\\nb\\r", "a\nb\\r", "a\nb\\u000d"),
            ("\u{9b}2J\u{7f}", "\\u{9b}2J\\u{7f}", "\\u{9b}2J\\u{7f}", "\\u009b2J\\u007f"),
            ("\u{202e}x\u{202c}", "\\u{202e}x\\u{202c}", "\\u{202e}x\\u{202c}", "\\u202ex\\u202c"),
            (
                "\u{2066}\u{2069}\u{200e}",
                "\\u{2066}\\u{2069}\\u{200e}",
                "\\u{2066}\\u{2069}\\u{200e}",
                "\\u2066\\u2069\\u200e",
            ),
            ("\u{200f}\u{61c}", "\\u{200f}\\u{61c}", "\\u{200f}\\u{61c}", "\\u200f\\u061c"),
            ("\u{2028}\u{2029}", "\\u{2028}\\u{2029}", "\\u{2028}\\u{2029}", "\\u2028\\u2029"),
        ] {
            assert_eq!((&*escaped(text), &*escaped_lines(text), &*escaped_json(text)), (line, lines, json));
        }
    }
}
