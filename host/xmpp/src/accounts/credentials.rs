//! SCRAM credentials (RFC 5802, RFC 7677): a password can be checked with them, and they are not the password.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac, pbkdf2, rand};
use subtle::ConstantTimeEq;

/// How often the password is hashed for new credentials. RFC 7677 asks for 4,096 at least; 10,000 of SHA-256 take about 3 ms
/// here, and as long on the client.
pub const ITERATIONS: NonZeroU32 = match NonZeroU32::new(10_000) {
    Some(iterations) => iterations,
    None => NonZeroU32::MIN,
};
/// More would let whoever writes the file stall clients.
const MOST_ITERATIONS: u32 = 1_000_000;
/// Bytes of a new salt.
pub(super) const SALT: usize = 16;

/// The hash function of a SCRAM mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScramHash {
    /// SCRAM-SHA-1, RFC 5802: for clients that know no better.
    Sha1,
    /// SCRAM-SHA-256, RFC 7677.
    Sha256,
}

impl ScramHash {
    /// The mechanism, without `-PLUS`.
    pub fn mechanism(self) -> &'static str {
        match self {
            Self::Sha1 => "SCRAM-SHA-1",
            Self::Sha256 => "SCRAM-SHA-256",
        }
    }

    /// Bytes of a digest.
    pub fn length(self) -> usize {
        self.digest().output_len()
    }

    fn digest(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
        }
    }

    fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
        }
    }

    fn pbkdf2(self) -> pbkdf2::Algorithm {
        match self {
            Self::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
            Self::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
        }
    }

    /// HMAC of RFC 5802 section 2.2.
    pub(crate) fn sign(self, key: &[u8], text: &[u8]) -> Vec<u8> {
        hmac::sign(&hmac::Key::new(self.hmac(), key), text).as_ref().to_vec()
    }

    /// H of RFC 5802 section 2.2.
    pub(crate) fn hash(self, text: &[u8]) -> Vec<u8> {
        digest::digest(self.digest(), text).as_ref().to_vec()
    }
}

/// What a server keeps of a password (RFC 5802 section 3).
#[derive(Clone, PartialEq, Eq)]
pub struct ScramCredentials {
    /// Which mechanism they are for.
    pub hash: ScramHash,
    /// Random bytes.
    pub salt: Vec<u8>,
    /// How often the password was hashed.
    pub iterations: NonZeroU32,
    /// The client's proof is checked against it.
    pub stored_key: Vec<u8>,
    /// The server proves with it that it knows the account.
    pub server_key: Vec<u8>,
}

/// No credentials in the form of RFC 5803 section 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCredentials {
    /// Another mechanism, or no mechanism.
    #[error("credentials begin with SCRAM-SHA-256$ or SCRAM-SHA-1$")]
    Mechanism,
    /// Not `iterations:salt$stored:server`.
    #[error("credentials have the form MECHANISM$ITERATIONS:SALT$STORED-KEY:SERVER-KEY")]
    Form,
    /// Base64, or its length.
    #[error("salt and keys are base64, and the keys as long as the hash")]
    Base64,
    /// Out of range.
    #[error("the number of iterations is 1 to {MOST_ITERATIONS}")]
    Iterations,
}

impl ScramCredentials {
    /// Of a new password, with a new salt.
    ///
    /// Computes for milliseconds.
    pub fn new(hash: ScramHash, password: &str) -> Self {
        Self::derive(hash, password, &random::<SALT>(), ITERATIONS)
    }

    /// Of a password, with a given salt.
    pub fn derive(hash: ScramHash, password: &str, salt: &[u8], iterations: NonZeroU32) -> Self {
        // SASLprep knows Unicode 3.2; a password with later characters is taken as it is, as clients do.
        let prepared = stringprep::saslprep(password).unwrap_or(password.into());
        let mut salted = vec![0; hash.length()];
        pbkdf2::derive(hash.pbkdf2(), iterations, salt, prepared.as_bytes(), &mut salted);
        Self {
            hash,
            salt: salt.to_vec(),
            iterations,
            stored_key: hash.hash(&hash.sign(&salted, b"Client Key")),
            server_key: hash.sign(&salted, b"Server Key"),
        }
    }

    /// Whether they are those of `password`.
    ///
    /// Computes for milliseconds.
    pub fn is_of(&self, password: &str) -> bool {
        let other = Self::derive(self.hash, password, &self.salt, self.iterations);
        self.stored_key.ct_eq(&other.stored_key).into()
    }
}

/// Bytes nobody can guess.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // The operating system's generator fails only before it was ever seeded; then no key is safe at all.
    while rand::SecureRandom::fill(&rand::SystemRandom::new(), &mut bytes).is_err() {
        std::thread::yield_now();
    }
    bytes
}

impl fmt::Display for ScramCredentials {
    /// RFC 5803 section 3: `SCRAM-SHA-256$10000:salt$stored:server`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encode = |bytes: &[u8]| STANDARD.encode(bytes);
        let (name, iterations) = (self.hash.mechanism(), self.iterations);
        let (salt, stored, server) = (encode(&self.salt), encode(&self.stored_key), encode(&self.server_key));
        write!(f, "{name}${iterations}:{salt}${stored}:{server}")
    }
}

impl fmt::Debug for ScramCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramCredentials").field("hash", &self.hash).finish_non_exhaustive()
    }
}

impl FromStr for ScramCredentials {
    type Err = InvalidCredentials;

    fn from_str(text: &str) -> Result<Self, InvalidCredentials> {
        let (mechanism, rest) = text.split_once('$').ok_or(InvalidCredentials::Mechanism)?;
        let hash = [ScramHash::Sha1, ScramHash::Sha256]
            .into_iter()
            .find(|hash| hash.mechanism() == mechanism)
            .ok_or(InvalidCredentials::Mechanism)?;
        let (parameters, keys) = rest.split_once('$').ok_or(InvalidCredentials::Form)?;
        let (iterations, salt) = parameters.split_once(':').ok_or(InvalidCredentials::Form)?;
        let (stored, server) = keys.split_once(':').ok_or(InvalidCredentials::Form)?;
        let decode = |text: &str| STANDARD.decode(text).map_err(|_| InvalidCredentials::Base64);
        let (salt, stored_key, server_key) = (decode(salt)?, decode(stored)?, decode(server)?);
        if salt.is_empty() || stored_key.len() != hash.length() || server_key.len() != hash.length() {
            return Err(InvalidCredentials::Base64);
        }
        let iterations: NonZeroU32 = iterations.parse().map_err(|_| InvalidCredentials::Iterations)?;
        if iterations.get() > MOST_ITERATIONS {
            return Err(InvalidCredentials::Iterations);
        }
        Ok(Self { hash, salt, iterations, stored_key, server_key })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn credentials_are_written_and_read_in_the_form_of_rfc_5803() {
        for hash in [ScramHash::Sha1, ScramHash::Sha256] {
            let credentials = ScramCredentials::new(hash, "pencil");
            let text = credentials.to_string();
            assert!(text.starts_with(&format!("{}$10000:", hash.mechanism())), "{text}");
            assert_eq!(text.parse(), Ok(credentials.clone()));
            assert!(credentials.is_of("pencil"));
            assert!(!credentials.is_of("Pencil"));
            assert!(!format!("{credentials:?}").contains(&STANDARD.encode(&credentials.stored_key)));
        }
        let salt = "W22ZaJ0SNY7soEsUEjb6gQ==";
        for (text, expected) in [
            ("", InvalidCredentials::Mechanism),
            ("SCRAM-SHA-512$1:AAAA$AAAA:AAAA", InvalidCredentials::Mechanism),
            ("SCRAM-SHA-1$1", InvalidCredentials::Form),
            ("SCRAM-SHA-1$4096:AAAA$AAAA", InvalidCredentials::Form),
            ("SCRAM-SHA-1$4096:AAAA$AAAA:AAAA", InvalidCredentials::Base64),
            (
                "SCRAM-SHA-1$4096:*$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE=",
                InvalidCredentials::Base64,
            ),
        ] {
            assert_eq!(text.parse::<ScramCredentials>(), Err(expected), "{text}");
        }
        for iterations in ["0", "-1", "x", "1000001"] {
            let text =
                format!("SCRAM-SHA-1${iterations}:{salt}$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE=");
            assert_eq!(text.parse::<ScramCredentials>(), Err(InvalidCredentials::Iterations), "{text}");
        }
    }

    #[test]
    fn the_keys_are_those_of_the_rfcs_example() {
        // RFC 5802 section 5: user "user", password "pencil".
        let salt = STANDARD.decode("QSXCR+Q6sek8bf92").unwrap();
        let credentials = ScramCredentials::derive(ScramHash::Sha1, "pencil", &salt, NonZeroU32::new(4096).unwrap());
        assert_eq!(STANDARD.encode(&credentials.stored_key), "6dlGYMOdZcOPutkcNY8U2g7vK9Y=");
        assert_eq!(STANDARD.encode(&credentials.server_key), "D+CSWLOshSulAsxiupA+qs2/fTE=");
    }
}
