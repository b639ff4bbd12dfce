//! What becomes of each part, and what is wrong with those that are none.

#![allow(clippy::unwrap_used)]

use roster_jid::{Fault, Jid, JidError, bare_jid, domainpart, localpart, resourcepart};

#[test]
fn localparts_are_usernames_case_mapped() {
    for (text, normal) in [
        ("john", "john"),
        ("John", "john"),
        ("ÉMILE", "émile"),
        ("straße", "straße"),
        ("STRAẞE", "straße"),
        ("ⴰⵎⴰⵣⵉⵖ", "ⴰⵎⴰⵣⵉⵖ"),
        // Encoded in Unicode 9, 13 and 17: names, whatever the registry of 2013 says. Adlam has upper case.
        ("𞤀𞤣𞤤𞤢𞤥", "𞤢𞤣𞤤𞤢𞤥"),
        ("𐺀𐺁", "𐺀𐺁"),
        ("Ｍarie", "marie"),
        ("ﾏﾘｰ", "マリー"),
        ("e\u{301}mile", "émile"),
        ("Å", "å"),
        ("İzmir", "i\u{307}zmir"),
        // RFC 8265 section 3.5, 5 to 7: capital sigma becomes the small one, the final one is another character.
        ("Σ", "σ"),
        ("ς", "ς"),
        ("π", "π"),
        ("Πέτρος", "πέτρος"),
        // Hebrew and Dhivehi write vowels as marks, in the middle of the word too.
        ("שָׁלוֹם", "שָׁלוֹם"),
        ("ދިވެހި", "ދިވެހި"),
        ("مريم1", "مريم1"),
        // Where the neighbours allow it.
        ("क्\u{200D}ष", "क्\u{200D}ष"),
        ("क्\u{200C}ष", "क्\u{200C}ष"),
        ("نامه\u{200C}ای", "نامه\u{200C}ای"),
        ("col·legi", "col·legi"),
        ("a!#$%()*+,-.;=?[\\]^_`{|}~1", "a!#$%()*+,-.;=?[\\]^_`{|}~1"),
    ] {
        assert_eq!(localpart(text).as_deref(), Ok(normal), "{text}");
        assert_eq!(localpart(normal).as_deref(), Ok(normal), "{text}");
    }
}

#[test]
fn what_is_no_localpart_is_refused_and_not_mapped_away() {
    for (text, fault) in [
        ("", Fault::Empty),
        (" ", Fault::Character(' ')),
        ("a b", Fault::Character(' ')),
        ("a\u{0}", Fault::Character('\0')),
        ("a\u{AD}b", Fault::Character('\u{AD}')),
        ("a\u{200B}b", Fault::Character('\u{200B}')),
        ("a\u{200D}b", Fault::Context('\u{200D}')),
        ("a\u{200C}b", Fault::Context('\u{200C}')),
        ("\u{200D}", Fault::Context('\u{200D}')),
        ("a\u{2028}b", Fault::Character('\u{2028}')),
        ("a\u{FE0F}", Fault::Character('\u{FE0F}')),
        ("☃", Fault::Character('☃')),
        ("john😀", Fault::Character('😀')),
        ("ﬁn", Fault::Character('ﬁ')),
        ("Ⅳ", Fault::Character('Ⅳ')),
        ("①", Fault::Character('①')),
        ("ª", Fault::Character('ª')),
        ("\u{212B}", Fault::Character('\u{212B}')),
        ("a\u{3000}b", Fault::Character(' ')),
        ("\u{378}", Fault::Character('\u{378}')),
        ("\u{E000}", Fault::Character('\u{E000}')),
        ("\u{FFFE}", Fault::Character('\u{FFFE}')),
        ("\u{FFFD}", Fault::Character('\u{FFFD}')),
        ("\u{1100}", Fault::Character('\u{1100}')),
        ("a·b", Fault::Context('·')),
        ("\u{661}\u{6F1}", Fault::Context('\u{661}')),
        ("・", Fault::Context('・')),
        ("a＠b", Fault::Character('@')),
        ("a／b", Fault::Character('/')),
        ("אa", Fault::Direction),
        ("aא", Fault::Direction),
        ("א1\u{661}", Fault::Direction),
        ("\u{661}", Fault::Direction),
    ] {
        assert_eq!(localpart(text), Err(JidError::Localpart(fault)), "{text:?}");
    }
    for excluded in "\"&'/:<>@".chars() {
        assert_eq!(localpart(&format!("a{excluded}é")), Err(JidError::Localpart(Fault::Character(excluded))));
        assert_eq!(localpart(&format!("a{excluded}")), Err(JidError::Localpart(Fault::Character(excluded))));
    }
}

#[test]
fn resourceparts_are_opaque_strings() {
    for (text, normal) in [
        ("phone", "phone"),
        ("Phone", "Phone"),
        ("a@b/c", "a@b/c"),
        ("😀 phone", "😀 phone"),
        // Encoded in Unicode 9, 13 and 15.
        ("🤣🫠🫨", "🤣🫠🫨"),
        (" ", " "),
        ("a\u{3000}b\u{A0}c", "a b c"),
        ("e\u{301}", "é"),
        ("ﬁ Ⅳ ① ＡB", "ﬁ Ⅳ ① ＡB"),
        ("אa", "אa"),
    ] {
        assert_eq!(resourcepart(text).as_deref(), Ok(normal), "{text}");
    }
    for (text, fault) in [
        ("", Fault::Empty),
        ("a\tb", Fault::Character('\t')),
        ("a\u{7F}", Fault::Character('\u{7F}')),
        ("a\u{AD}b", Fault::Character('\u{AD}')),
        ("a\u{200D}b", Fault::Context('\u{200D}')),
        ("\u{FFFF}", Fault::Character('\u{FFFF}')),
        ("\u{378}", Fault::Character('\u{378}')),
    ] {
        assert_eq!(resourcepart(text), Err(JidError::Resourcepart(fault)), "{text:?}");
    }
}

#[test]
fn domains_are_idna2008_in_u_labels() {
    for (text, normal) in [
        ("example.com", "example.com"),
        ("Example.COM", "example.com"),
        ("example.com.", "example.com"),
        ("example。com。", "example.com"),
        ("ｅｘａｍｐｌｅ．ｃｏｍ", "example.com"),
        ("bücher.example", "bücher.example"),
        ("BÜCHER.example", "bücher.example"),
        ("bu\u{308}cher.example", "bücher.example"),
        ("xn--bcher-kva.example", "bücher.example"),
        ("XN--BCHER-KVA.example.", "bücher.example"),
        ("ｘn--bcher-kva.example", "bücher.example"),
        ("straße.example", "straße.example"),
        ("STRAẞE.example", "straße.example"),
        ("xn--strae-oqa.example", "straße.example"),
        ("βόλος.com", "βόλος.com"),
        ("ΒΌΛΟΣ.com", "βόλοσ.com"),
        ("xn--nxasmm1c.com", "βόλος.com"),
        ("क्\u{200C}ष.example", "क्\u{200C}ष.example"),
        ("ⴰⵎⴰⵣⵉⵖ.example", "ⴰⵎⴰⵣⵉⵖ.example"),
        ("Ꭰꭰ.example", "ᎠᎠ.example"),
        ("שָׁלוֹם.example", "שָׁלוֹם.example"),
        ("under_score", "under_score"),
        ("1.2.3.4", "1.2.3.4"),
        ("[2001:DB8::1]", "[2001:db8::1]"),
        ("[::FFFF:1.2.3.4]", "[::ffff:1.2.3.4]"),
        ("a-b.c--d", "a-b.c--d"),
    ] {
        assert_eq!(domainpart(text).as_deref(), Ok(normal), "{text}");
        assert_eq!(domainpart(normal).as_deref(), Ok(normal), "{text}");
    }
}

#[test]
fn what_is_no_domain_is_refused() {
    let label = "x".repeat(63);
    let long_name = format!("{label}.{label}.{label}.{label}");
    for (text, fault) in [
        ("", Fault::Empty),
        (".", Fault::Empty),
        ("a..b", Fault::EmptyLabel),
        (".a", Fault::EmptyLabel),
        ("a..", Fault::EmptyLabel),
        ("a b", Fault::Character(' ')),
        ("a:5222", Fault::Character(':')),
        ("a@b", Fault::Character('@')),
        ("a/b", Fault::Character('/')),
        ("a\u{0}", Fault::Character('\0')),
        ("-a", Fault::Hyphen),
        ("a-", Fault::Hyphen),
        ("ab--c", Fault::Hyphen),
        ("é-", Fault::Hyphen),
        ("☃.example", Fault::Character('☃')),
        ("xn--n3h.example", Fault::Character('☃')),
        ("😀.example", Fault::Character('😀')),
        ("ﬁ.example", Fault::Character('ﬁ')),
        ("exam\u{AD}ple.com", Fault::Character('\u{AD}')),
        ("exam\u{200B}ple.com", Fault::Character('\u{200B}')),
        ("a\u{200D}b.example", Fault::Context('\u{200D}')),
        ("a·b.example", Fault::Context('·')),
        ("・.example", Fault::Context('・')),
        ("\u{301}a.example", Fault::Context('\u{301}')),
        ("a\u{20D0}.example", Fault::Character('\u{20D0}')),
        ("\u{378}.example", Fault::Character('\u{378}')),
        ("xn--.example", Fault::Hyphen),
        ("xn--a.example", Fault::Encoding),
        ("xn--abc-.example", Fault::Hyphen),
        // Punycode of what no mapping leaves as it is: a capital ü, a ligature, a soft hyphen.
        ("xn--bcher-2pa.example", Fault::Encoding),
        ("xn--x-sy8h.example", Fault::Encoding),
        ("xn--ab-5da.example", Fault::Encoding),
        ("xn--é.example", Fault::Encoding),
        ("אa.example", Fault::Direction),
        ("1.א", Fault::Direction),
        ("[::g]", Fault::IpAddress),
        ("[::1", Fault::IpAddress),
        ("[]", Fault::IpAddress),
        ("[1.2.3.4]", Fault::IpAddress),
        ("[::1%eth0]", Fault::IpAddress),
        (&format!("{label}x.example"), Fault::LongName),
        (&long_name, Fault::LongName),
        (&"é".repeat(63), Fault::LongName),
        (&"x".repeat(10_000), Fault::TooLong),
    ] {
        assert_eq!(domainpart(text), Err(JidError::Domainpart(fault)), "{text:?}");
    }
}

#[test]
fn parts_are_as_long_as_rfc_7622_has_them() {
    assert!(localpart(&"x".repeat(1023)).is_ok());
    assert!(resourcepart(&"x".repeat(1023)).is_ok());
    // What counts is the normalised form: three bytes each before, one after.
    assert!(localpart(&"Ｍ".repeat(1023)).is_ok());
    for long in ["x".repeat(1024), "é".repeat(512), "Ｍ".repeat(1024), "x".repeat(1 << 20)] {
        assert_eq!(localpart(&long), Err(JidError::Localpart(Fault::TooLong)));
        assert_eq!(resourcepart(&long), Err(JidError::Resourcepart(Fault::TooLong)));
    }
}

#[test]
fn addresses_are_taken_apart_at_the_first_slash_and_the_first_at() {
    for (text, local, domain, resource) in [
        ("example.com", None, "example.com", None),
        ("John@Example.com/Phone", Some("john"), "example.com", Some("Phone")),
        ("a@b/c@d/e", Some("a"), "b", Some("c@d/e")),
        ("example.com/a@b", None, "example.com", Some("a@b")),
        ("a@b./x", Some("a"), "b", Some("x")),
        ("a@[::1]/x", Some("a"), "[::1]", Some("x")),
    ] {
        let jid = Jid::parse(text).unwrap();
        assert_eq!(
            (jid.localpart.as_deref(), &*jid.domainpart, jid.resourcepart.as_deref()),
            (local, domain, resource)
        );
        assert_eq!(bare_jid(text).unwrap(), jid.bare(), "{text}");
        assert_eq!(Jid::parse(&jid.to_string()).unwrap(), jid, "{text}");
    }
    for (text, error) in [
        ("", JidError::Domainpart(Fault::Empty)),
        ("@", JidError::Localpart(Fault::Empty)),
        ("@example.com", JidError::Localpart(Fault::Empty)),
        ("john@", JidError::Domainpart(Fault::Empty)),
        ("a@b@c", JidError::Domainpart(Fault::Character('@'))),
        ("@@bad", JidError::Localpart(Fault::Empty)),
        ("a@b/", JidError::Resourcepart(Fault::Empty)),
        ("a@b\nc", JidError::Domainpart(Fault::Character('\n'))),
    ] {
        assert_eq!(bare_jid(text), Err(error), "{text:?}");
        assert_eq!(Jid::parse(text), Err(error), "{text:?}");
    }
}

#[test]
fn errors_name_the_part_and_the_character() {
    for (text, message) in [
        ("a b@c", "its localpart (before the @) has the character U+0020, which is not allowed there"),
        ("a'b@c", "its localpart (before the @) has the character ' (U+0027), which is not allowed there"),
        ("a\u{AD}b@c", "its localpart (before the @) has the character U+00AD, which is not allowed there"),
        ("☃@c", "its localpart (before the @) has the character ☃ (U+2603), which is not allowed there"),
        ("a\u{200D}@c", "its localpart (before the @) has the character U+200D in a place where it is not allowed"),
        ("a@", "its domain is empty"),
        ("a@xn--a", "its domain has a label that begins with \"xn--\" and encodes no domain name"),
        ("a@b/", "its resource (after the /) is empty"),
    ] {
        assert_eq!(bare_jid(text).unwrap_err().to_string(), message);
    }
}
