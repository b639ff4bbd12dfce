//! What a component says of itself.

/// The longest version that is shown, bytes.
const LONGEST: usize = 100;
/// A component and a core module begin with eight bytes.
const PREAMBLE: usize = 8;
/// The custom section that holds the version, as the tools of the component model write it.
const VERSION: &[u8] = b"version";

/// The component's own version: the custom section `version` at its top, if there is one that makes sense.
pub(in crate::plugin) fn version(component: &[u8]) -> Option<String> {
    let mut rest = component.get(PREAMBLE..)?;
    while let Some((id, after)) = rest.split_first() {
        let (size, after) = leb128(after)?;
        let content = after.get(..size)?;
        rest = after.get(size..)?;
        // Sections of components have ids as those of modules have; 0 is a custom one, which begins with its name.
        if *id == 0
            && let Some((length, named)) = leb128(content)
            && named.get(..length) == Some(VERSION)
        {
            let text = std::str::from_utf8(named.get(length..)?).ok()?;
            let fits = !text.is_empty() && text.len() <= LONGEST && !text.chars().any(char::is_control);
            return fits.then(|| text.to_owned());
        }
    }
    None
}

/// A length as WebAssembly writes it, and what follows.
fn leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value: usize = 0;
    for (at, byte) in bytes.iter().enumerate().take(5) {
        value |= usize::from(byte & 0x7f).checked_shl(7 * u32::try_from(at).ok()?)?;
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(at + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(sections: &[(u8, &[u8])]) -> Vec<u8> {
        let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
        for (id, content) in sections {
            bytes.push(*id);
            // Two bytes, as tools that fill in the length later write them.
            bytes.extend([
                u8::try_from(content.len() % 128).unwrap_or(0) | 0x80,
                u8::try_from(content.len() / 128).unwrap_or(0),
            ]);
            bytes.extend_from_slice(content);
        }
        bytes
    }

    #[test]
    fn the_version_is_found_between_other_sections() {
        let long = [&b"\x07version"[..], &[b'1'; 101]].concat();
        assert_eq!(version(&component(&[(0, &long)])), None, "too long");
        type Sections = &'static [(u8, &'static [u8])];
        let cases: [(&str, Sections, Option<&str>); 7] = [
            ("nothing", &[], None),
            ("only it", &[(0, b"\x07version1.2.3")], Some("1.2.3")),
            ("after others", &[(1, &[0; 300]), (0, b"\x04nameabc"), (0, b"\x07version7")], Some("7")),
            ("another name", &[(0, b"\x08versions7")], None),
            ("another section", &[(1, b"\x07version7")], None),
            ("empty", &[(0, b"\x07version")], None),
            ("two lines", &[(0, b"\x07version1\n2")], None),
        ];
        for (what, sections, expected) in cases {
            assert_eq!(version(&component(sections)).as_deref(), expected, "{what}");
        }
        let whole = component(&[(0, b"\x07version1.2.3")]);
        for end in 0..whole.len() {
            assert_eq!(version(whole.get(..end).unwrap_or_default()), None, "cut off at {end}");
        }
    }
}
