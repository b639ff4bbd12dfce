//! Any messages of a client that logs in, with a zero byte between them: a first message that is taken is one that can be written
//! again and fits one kind of channel binding, and the only second message that is believed is the right one.

use std::num::NonZeroU32;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::pbkdf2;
use scram::{Binding, ClientFirst};

use crate::accounts::{ScramCredentials, ScramHash};
use crate::halves;

#[allow(dead_code, unreachable_pub)]
#[path = "../../host/xmpp/src/sasl/failure.rs"]
mod failure;
#[path = "../../host/xmpp/src/sasl/scram.rs"]
mod scram;

const ONCE: NonZeroU32 = NonZeroU32::MIN;
const SALT: &[u8] = b"salt";
const EXPORTED: &[u8] = b"exported";
const BINDINGS: [Binding<'static>; 3] =
    [Binding::None { plus_offered: false }, Binding::None { plus_offered: true }, Binding::Exporter(EXPORTED)];

/// The second half begins with which byte of the right message is changed, and how.
pub(crate) fn target(data: &[u8]) {
    let (first, second) = halves(data);
    let taken: Vec<_> =
        BINDINGS.iter().filter_map(|binding| Some((*binding, ClientFirst::parse(first, *binding).ok()?))).collect();
    for (binding, parsed) in taken {
        let text = str::from_utf8(first).expect("it was parsed");
        let bound = matches!(binding, Binding::Exporter(_));
        assert_eq!(text.starts_with("p=tls-exporter,"), bound, "{text}");
        let escaped = |name: &str| name.replace('=', "=3D").replace(',', "=2C");
        let authzid = parsed.authzid.as_deref().map(|name| format!("a={}", escaped(name))).unwrap_or_default();
        let flag = text.split(',').next().unwrap_or_default();
        let header = format!("{flag},{authzid},");
        assert!(text.starts_with(&format!("{header}n={},r=", escaped(&parsed.name))), "{text}");
        let hash = if second.len() % 2 == 0 { ScramHash::Sha256 } else { ScramHash::Sha1 };
        log_in(parsed, hash, text, &header, if bound { EXPORTED } else { &[] }, second);
    }
}

fn log_in(parsed: ClientFirst, hash: ScramHash, first: &str, header: &str, data: &[u8], second: &[u8]) {
    let (challenge, challenged) = parsed.challenge(ScramCredentials::derive(hash, "pencil", SALT, ONCE));
    let bare = first.strip_prefix(header).expect("the header was read");
    let nonce =
        challenge.strip_prefix("r=").and_then(|rest| rest.rsplit_once(",s=")).expect("a challenge has a nonce").0;
    let unproved = format!("c={},r={nonce}", STANDARD.encode([header.as_bytes(), data].concat()));
    let signed = format!("{bare},{challenge},{unproved}");
    let mut salted = vec![0; hash.length()];
    let algorithm = match hash {
        ScramHash::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
        ScramHash::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
    };
    pbkdf2::derive(algorithm, ONCE, SALT, b"pencil", &mut salted);
    let key = hash.sign(&salted, b"Client Key");
    let signature = hash.sign(&hash.hash(&key), signed.as_bytes());
    let proof: Vec<u8> = key.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
    let right = format!("{unproved},p={}", STANDARD.encode(proof));
    let mutual = format!("v={}", STANDARD.encode(hash.sign(&hash.sign(&salted, b"Server Key"), signed.as_bytes())));
    assert_eq!(challenged.verify(right.as_bytes()).as_ref(), Ok(&mutual));
    assert!(challenged.verify(second).is_err(), "the server's nonce cannot be known");
    if let [place, change, ..] = second
        && *change != 0
    {
        let mut wrong = right.into_bytes();
        let place = usize::from(*place) % wrong.len();
        wrong[place] ^= change;
        assert!(challenged.verify(&wrong).is_err(), "{}", wrong.escape_ascii());
    }
}
