//! Accounts of the application: it checks the password, as it does on its own log-in page.
//!
//! Only PLAIN can work like that. The endpoint has no HTTP client: its host hands one in.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use parking_lot::Mutex;
use roster_model::Username;

use super::credentials::random;
use super::{Accounts, AccountsUnavailable, ScramHash, Verdict};

/// Passwords remembered; 60 bytes each.
const MOST_REMEMBERED: usize = 10_000;

/// Asks the application.
#[async_trait]
pub trait CheckPassword: Send + Sync + 'static {
    /// A `GET` with the username and the password as Basic credentials (RFC 7617): `true` if it is answered 200, `false` if
    /// 401 or 403. Anything else, and no answer within the host's deadline, is an error.
    async fn check(&self, user: &Username, password: &str) -> Result<bool, AccountsUnavailable>;
}

/// Accounts whose passwords somebody else knows.
pub struct HttpAccounts {
    application: Box<dyn CheckPassword>,
    /// How long a right password is taken for right without asking.
    remember: Duration,
    key: [u8; 32],
    /// Keyed digests of right passwords, and until when they are good. Wrong ones are not remembered: a password may have
    /// been changed to what was wrong a moment ago.
    right: Mutex<HashMap<Vec<u8>, Instant>>,
}

impl HttpAccounts {
    /// Zero for `remember` asks every time.
    pub fn new(application: Box<dyn CheckPassword>, remember: Duration) -> Self {
        Self { application, remember, key: random(), right: Mutex::default() }
    }

    fn digest(&self, user: &Username, password: &str) -> Vec<u8> {
        // A username has no zero byte, so no two pairs have one text.
        ScramHash::Sha256.sign(&self.key, format!("{user}\0{password}").as_bytes())
    }

    fn is_remembered(&self, digest: &[u8]) -> bool {
        self.right.lock().get(digest).is_some_and(|until| *until > Instant::now())
    }

    fn remember(&self, digest: Vec<u8>) {
        if self.remember.is_zero() {
            return;
        }
        let now = Instant::now();
        let mut right = self.right.lock();
        if right.len() >= MOST_REMEMBERED {
            right.retain(|_, until| *until > now);
        }
        if right.len() < MOST_REMEMBERED {
            right.insert(digest, now + self.remember);
        }
    }
}

#[async_trait]
impl Accounts for HttpAccounts {
    async fn verify_plain(&self, user: &Username, password: &str) -> Result<Verdict, AccountsUnavailable> {
        let digest = self.digest(user, password);
        if self.is_remembered(&digest) {
            return Ok(Verdict::Accepted);
        }
        if !self.application.check(user, password).await? {
            return Ok(Verdict::Refused);
        }
        self.remember(digest);
        Ok(Verdict::Accepted)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    struct Application(Arc<AtomicUsize>);

    #[async_trait]
    impl CheckPassword for Application {
        async fn check(&self, user: &Username, password: &str) -> Result<bool, AccountsUnavailable> {
            self.0.fetch_add(1, Ordering::Relaxed);
            match user.as_str() {
                "down" => Err(AccountsUnavailable { reason: "no answer".to_owned() }),
                _ => Ok(password == "right"),
            }
        }
    }

    #[tokio::test]
    async fn right_passwords_are_remembered_and_wrong_ones_are_not() {
        for (remember, asked) in [(Duration::from_secs(60), 4), (Duration::ZERO, 5)] {
            let count = Arc::new(AtomicUsize::new(0));
            let accounts = HttpAccounts::new(Box::new(Application(Arc::clone(&count))), remember);
            let user = |name| Username::new(name).unwrap();
            for (name, password, expected) in [
                ("john", "right", Ok(Verdict::Accepted)),
                ("john", "right", Ok(Verdict::Accepted)),
                ("john", "wrong", Ok(Verdict::Refused)),
                ("john", "wrong", Ok(Verdict::Refused)),
                ("down", "right", Err(AccountsUnavailable { reason: "no answer".to_owned() })),
            ] {
                assert_eq!(accounts.verify_plain(&user(name), password).await, expected);
            }
            assert_eq!(count.load(Ordering::Relaxed), asked);
            assert!(!accounts.has_credentials());
        }
    }

    #[tokio::test]
    async fn what_is_remembered_is_bounded() {
        let accounts = HttpAccounts::new(Box::new(Application(Arc::default())), Duration::from_secs(60));
        for number in 0..MOST_REMEMBERED + 10 {
            accounts.verify_plain(&Username::new(&format!("u{number}")).unwrap(), "right").await.unwrap();
        }
        assert_eq!(accounts.right.lock().len(), MOST_REMEMBERED);
    }
}
