//! The client's side of SCRAM, written from RFC 5802 and not from the server's code.

use std::num::NonZeroU32;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac, pbkdf2};

pub struct Exchange {
    sha256: bool,
    gs2: String,
    bound: Vec<u8>,
    bare: String,
    password: String,
    signature: Vec<u8>,
}

impl Exchange {
    pub fn new(mechanism: &str, gs2: &str, exporter: Option<&[u8; 32]>, user: &str, password: &str) -> Self {
        let data = if gs2.starts_with("p=") { exporter.unwrap().to_vec() } else { Vec::new() };
        Self {
            sha256: mechanism.contains("256"),
            gs2: gs2.to_owned(),
            bound: [gs2.as_bytes(), &data].concat(),
            bare: format!("n={user},r=clientnonce"),
            password: password.to_owned(),
            signature: Vec::new(),
        }
    }

    pub fn first(&self) -> String {
        format!("{}{}", self.gs2, self.bare)
    }

    fn hmac(&self, key: &[u8], text: &[u8]) -> Vec<u8> {
        let algorithm = if self.sha256 { hmac::HMAC_SHA256 } else { hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY };
        hmac::sign(&hmac::Key::new(algorithm, key), text).as_ref().to_vec()
    }

    /// From the text of the challenge to the text of the response.
    pub fn second(&mut self, challenge: &str) -> String {
        let challenge = String::from_utf8(STANDARD.decode(challenge).unwrap()).unwrap();
        let get = |name: &str| challenge.split(',').find_map(|part| part.strip_prefix(name)).unwrap();
        let (nonce, salt) = (get("r="), STANDARD.decode(get("s=")).unwrap());
        assert!(nonce.starts_with("clientnonce") && nonce.len() > 20, "{nonce}");
        let iterations: NonZeroU32 = get("i=").parse().unwrap();
        let (algorithm, length) =
            if self.sha256 { (pbkdf2::PBKDF2_HMAC_SHA256, 32) } else { (pbkdf2::PBKDF2_HMAC_SHA1, 20) };
        let mut salted = vec![0; length];
        pbkdf2::derive(algorithm, iterations, &salt, self.password.as_bytes(), &mut salted);
        let client_key = self.hmac(&salted, b"Client Key");
        let hash = if self.sha256 { &digest::SHA256 } else { &digest::SHA1_FOR_LEGACY_USE_ONLY };
        let stored = digest::digest(hash, &client_key);
        let unproved = format!("c={},r={nonce}", STANDARD.encode(&self.bound));
        let signed = format!("{},{challenge},{unproved}", self.bare);
        let signature = self.hmac(stored.as_ref(), signed.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(signature).map(|(a, b)| a ^ b).collect();
        self.signature = self.hmac(&self.hmac(&salted, b"Server Key"), signed.as_bytes());
        STANDARD.encode(format!("{unproved},p={}", STANDARD.encode(proof)))
    }

    /// The server has to know the account too.
    pub fn verify(&self, success: &str) {
        let success = String::from_utf8(STANDARD.decode(success).unwrap()).unwrap();
        assert_eq!(success, format!("v={}", STANDARD.encode(&self.signature)));
    }
}
