//! The server's side of SCRAM (RFC 5802, RFC 7677; with `-PLUS` the channel binding of RFC 9266).
//!
//! Written out here rather than taken from a crate: the messages are four, `sasl` refuses the `n,,` that most clients send,
//! and `rsasl` brings a framework of callbacks for mechanisms nobody offers. The primitives are those of `ring`, which TLS
//! uses anyway.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;

use super::failure::SaslFailure;
use crate::accounts::ScramCredentials;
use crate::accounts::credentials::random;

/// Longest nonce of a client that is taken, bytes.
const LONGEST_NONCE: usize = 256;

/// What the connection has to bind to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Binding<'a> {
    /// The mechanism is one without `-PLUS`; whether one with it was offered.
    None { plus_offered: bool },
    /// The mechanism is one with `-PLUS`: what both sides have exported (`tls-exporter`).
    Exporter(&'a [u8]),
}

/// The client's first message.
#[derive(Debug)]
pub(super) struct ClientFirst {
    /// Who it wants to be, if it says so.
    pub(super) authzid: Option<String>,
    /// Whose password it has.
    pub(super) name: String,
    nonce: String,
    bare: String,
    /// What the client has to repeat in its second message, decoded.
    bound: Vec<u8>,
}

impl ClientFirst {
    /// RFC 5802 section 7, `client-first-message`.
    pub(super) fn parse(message: &[u8], binding: Binding<'_>) -> Result<Self, SaslFailure> {
        let message = std::str::from_utf8(message).map_err(|_| SaslFailure::MalformedRequest)?;
        let (flag, rest) = message.split_once(',').ok_or(SaslFailure::MalformedRequest)?;
        let (authzid, bare) = rest.split_once(',').ok_or(SaslFailure::MalformedRequest)?;
        let data: &[u8] = match (flag, binding) {
            ("n", Binding::None { .. }) | ("y", Binding::None { plus_offered: false }) => &[],
            // The client could bind, and believes that this server cannot: somebody has taken -PLUS off the list.
            ("y", Binding::None { plus_offered: true }) => return Err(SaslFailure::NotAuthorized),
            ("p=tls-exporter", Binding::Exporter(data)) => data,
            _ => return Err(SaslFailure::MalformedRequest),
        };
        let authzid = match authzid.strip_prefix("a=") {
            Some(name) => Some(decode_name(name)?),
            None if authzid.is_empty() => None,
            None => return Err(SaslFailure::MalformedRequest),
        };
        // Attributes after the nonce are extensions to ignore; `m=` before the name is one that must be understood.
        let mut attributes = bare.split(',');
        let name = attributes.next().and_then(|a| a.strip_prefix("n=")).ok_or(SaslFailure::MalformedRequest)?;
        let nonce = attributes.next().and_then(|a| a.strip_prefix("r=")).ok_or(SaslFailure::MalformedRequest)?;
        let printable = nonce.bytes().all(|b| matches!(b, 0x21..=0x7e));
        if nonce.is_empty() || nonce.len() > LONGEST_NONCE || !printable {
            return Err(SaslFailure::MalformedRequest);
        }
        let header = message.strip_suffix(bare).unwrap_or_default();
        Ok(Self {
            authzid,
            name: decode_name(name)?,
            nonce: nonce.to_owned(),
            bare: bare.to_owned(),
            bound: [header.as_bytes(), data].concat(),
        })
    }

    /// The server's first message, and what waits for the client's second.
    pub(super) fn challenge(self, credentials: ScramCredentials) -> (String, Challenged) {
        self.challenge_with(credentials, &STANDARD.encode(random::<18>()))
    }

    fn challenge_with(self, credentials: ScramCredentials, own: &str) -> (String, Challenged) {
        let nonce = format!("{}{own}", self.nonce);
        let message = format!("r={nonce},s={},i={}", STANDARD.encode(&credentials.salt), credentials.iterations);
        let signed = format!("{},{message},", self.bare);
        (message, Challenged { nonce, signed, bound: self.bound, credentials })
    }
}

/// `=2C` is a comma and `=3D` an equals sign; no other escapes exist.
fn decode_name(text: &str) -> Result<String, SaslFailure> {
    let mut name = String::with_capacity(text.len());
    let mut parts = text.split('=');
    name.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (c, rest) = match (part.strip_prefix("2C"), part.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (_, Some(rest)) => ('=', rest),
            _ => return Err(SaslFailure::MalformedRequest),
        };
        name.push(c);
        name.push_str(rest);
    }
    if name.is_empty() { Err(SaslFailure::MalformedRequest) } else { Ok(name) }
}

/// Between the server's first message and the client's second.
pub(super) struct Challenged {
    nonce: String,
    /// The authentication message up to the client's second message.
    signed: String,
    bound: Vec<u8>,
    credentials: ScramCredentials,
}

impl Challenged {
    /// Checks the client's second message; the answer is the server's second.
    pub(super) fn verify(&self, message: &[u8]) -> Result<String, SaslFailure> {
        let message = std::str::from_utf8(message).map_err(|_| SaslFailure::MalformedRequest)?;
        let (unproved, proof) = message.rsplit_once(",p=").ok_or(SaslFailure::MalformedRequest)?;
        let mut attributes = unproved.split(',');
        let bound = attributes.next().and_then(|a| a.strip_prefix("c=")).ok_or(SaslFailure::MalformedRequest)?;
        let nonce = attributes.next().and_then(|a| a.strip_prefix("r=")).ok_or(SaslFailure::MalformedRequest)?;
        let bound = STANDARD.decode(bound).map_err(|_| SaslFailure::MalformedRequest)?;
        let proof = STANDARD.decode(proof).map_err(|_| SaslFailure::MalformedRequest)?;
        let ScramCredentials { hash, stored_key, server_key, .. } = &self.credentials;
        if proof.len() != hash.length() {
            return Err(SaslFailure::MalformedRequest);
        }
        let signed = format!("{}{unproved}", self.signed);
        let signature = hash.sign(stored_key, signed.as_bytes());
        let client_key: Vec<u8> = proof.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
        let proved = hash.hash(&client_key).ct_eq(stored_key);
        let same = nonce.as_bytes().ct_eq(self.nonce.as_bytes()) & bound.ct_eq(&self.bound);
        if !bool::from(proved & same) {
            return Err(SaslFailure::NotAuthorized);
        }
        Ok(format!("v={}", STANDARD.encode(hash.sign(server_key, signed.as_bytes()))))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::num::NonZeroU32;

    use super::*;
    use crate::accounts::ScramHash;

    const NO_PLUS: Binding<'_> = Binding::None { plus_offered: false };

    fn pencil(hash: ScramHash, salt: &str) -> ScramCredentials {
        ScramCredentials::derive(hash, "pencil", &STANDARD.decode(salt).unwrap(), NonZeroU32::new(4096).unwrap())
    }

    #[test]
    fn the_exchanges_of_the_rfcs_are_played_back() {
        // RFC 5802 section 5, RFC 7677 section 3.
        let cases = [
            (
                pencil(ScramHash::Sha1, "QSXCR+Q6sek8bf92"),
                "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
                "3rfcNHYJY1ZVvWVs7j",
                "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
                "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
                "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
            ),
            (
                pencil(ScramHash::Sha256, "W22ZaJ0SNY7soEsUEjb6gQ=="),
                "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
                "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
                "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
                "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
                "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
            ),
        ];
        for (credentials, first, own, challenge, second, success) in cases {
            let first = ClientFirst::parse(first.as_bytes(), NO_PLUS).unwrap();
            assert_eq!((first.name.as_str(), first.authzid.as_deref()), ("user", None));
            let (message, challenged) = first.challenge_with(credentials, own);
            assert_eq!(message, challenge);
            assert_eq!(challenged.verify(second.as_bytes()), Ok(success.to_owned()));
            for wrong in [second.replace("c=biws", "c=eSws"), second.replace(own, "x"), second.replace("p=", "p=A")] {
                assert!(challenged.verify(wrong.as_bytes()).is_err(), "{wrong}");
            }
        }
    }

    #[test]
    fn a_first_message_is_taken_or_refused_by_the_rfc() {
        let plus = Binding::Exporter(b"data");
        let offered = Binding::None { plus_offered: true };
        type Found<'a> = Result<(&'a str, Option<&'a str>), SaslFailure>;
        let cases: &[(&[u8], Binding<'_>, Found<'_>)] = &[
            (b"n,,n=a,r=b", NO_PLUS, Ok(("a", None))),
            (b"n,,n=a,r=b", offered, Ok(("a", None))),
            (b"y,,n=a,r=b", NO_PLUS, Ok(("a", None))),
            (b"y,,n=a,r=b", offered, Err(SaslFailure::NotAuthorized)),
            (b"y,,n=a,r=b", plus, Err(SaslFailure::MalformedRequest)),
            (b"n,,n=a,r=b", plus, Err(SaslFailure::MalformedRequest)),
            (b"p=tls-exporter,,n=a,r=b", plus, Ok(("a", None))),
            (b"p=tls-exporter,,n=a,r=b", offered, Err(SaslFailure::MalformedRequest)),
            (b"p=tls-unique,,n=a,r=b", plus, Err(SaslFailure::MalformedRequest)),
            (b"n,a=c@d,n=a,r=b", NO_PLUS, Ok(("a", Some("c@d")))),
            (b"n,,n=a=2Cb=3Dc,r=b,x=y", NO_PLUS, Ok(("a,b=c", None))),
            (b"n,,n=a=2cb,r=b", NO_PLUS, Err(SaslFailure::MalformedRequest)),
            (b"n,,n=a=,r=b", NO_PLUS, Err(SaslFailure::MalformedRequest)),
            (b"n,,m=x,n=a,r=b", NO_PLUS, Err(SaslFailure::MalformedRequest)),
            (b"n,,n=,r=b", NO_PLUS, Err(SaslFailure::MalformedRequest)),
            (b"n,,n=a,r=", NO_PLUS, Err(SaslFailure::MalformedRequest)),
            (b"n,,n=a", NO_PLUS, Err(SaslFailure::MalformedRequest)),
            (b"n,c@d,n=a,r=b", NO_PLUS, Err(SaslFailure::MalformedRequest)),
            (b"z,,n=a,r=b", NO_PLUS, Err(SaslFailure::MalformedRequest)),
            (b"n", NO_PLUS, Err(SaslFailure::MalformedRequest)),
            (b"", NO_PLUS, Err(SaslFailure::MalformedRequest)),
            (b"n,,n=\xff,r=b", NO_PLUS, Err(SaslFailure::MalformedRequest)),
        ];
        for (message, binding, expected) in cases {
            let parsed = ClientFirst::parse(message, *binding);
            let found = parsed.as_ref().map(|first| (first.name.as_str(), first.authzid.as_deref())).map_err(|e| *e);
            assert_eq!(found, *expected, "{}", String::from_utf8_lossy(message));
        }
    }
}
