//! The exchange of one stream.

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jid::BareJid;
use roster_model::Username;
use tracing::{debug, warn};

use super::failure::SaslFailure;
use super::scram::{Binding, Challenged, ClientFirst};
use super::throttle::Throttle;
use crate::accounts::{Accounts, AccountsUnavailable, ScramCredentials, ScramHash, Verdict};
use crate::counters::Counters;

/// The mechanisms, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mechanism {
    Scram { hash: ScramHash, plus: bool },
    Plain,
}

const ALL: [Mechanism; 5] = [
    Mechanism::Scram { hash: ScramHash::Sha256, plus: true },
    Mechanism::Scram { hash: ScramHash::Sha1, plus: true },
    Mechanism::Scram { hash: ScramHash::Sha256, plus: false },
    Mechanism::Scram { hash: ScramHash::Sha1, plus: false },
    Mechanism::Plain,
];

impl Mechanism {
    fn name(self) -> &'static str {
        match self {
            Self::Scram { hash: ScramHash::Sha256, plus: true } => "SCRAM-SHA-256-PLUS",
            Self::Scram { hash: ScramHash::Sha1, plus: true } => "SCRAM-SHA-1-PLUS",
            Self::Scram { hash, plus: false } => hash.mechanism(),
            Self::Plain => "PLAIN",
        }
    }
}

/// What a login depends on beside what the client says.
pub(crate) struct Surroundings {
    /// The domain.
    pub(crate) domain: String,
    /// Its accounts.
    pub(crate) accounts: Arc<dyn Accounts>,
    /// What channel binding binds to, where TLS 1.3 runs.
    pub(crate) exporter: Option<[u8; 32]>,
    /// Whether the connection is encrypted, or good enough for the operator.
    pub(crate) allowed: bool,
    /// Whether a password may cross the connection.
    pub(crate) plain: bool,
    /// From where.
    pub(crate) address: IpAddr,
    pub(crate) throttle: Arc<Throttle>,
    pub(crate) counters: Arc<Counters>,
    /// Makes up credentials of those who do not exist.
    pub(crate) secret: [u8; 32],
}

/// One stream's login.
pub(crate) struct Login {
    around: Surroundings,
    state: State,
}

enum State {
    Idle,
    /// The mechanism was chosen without an initial response.
    Chosen(Mechanism),
    Challenged {
        scram: Box<Challenged>,
        user: Option<Username>,
        disabled: bool,
    },
}

/// What to tell the client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// `<challenge/>`.
    Challenge(String),
    /// `<success/>`, with the last data of the mechanism.
    Success(Username, Option<String>),
    /// `<failure/>`.
    Failure(SaslFailure),
}

impl From<SaslFailure> for Step {
    fn from(failure: SaslFailure) -> Self {
        Self::Failure(failure)
    }
}

impl Login {
    pub(crate) fn new(around: Surroundings) -> Self {
        Self { around, state: State::Idle }
    }

    /// The names of the mechanisms that are offered, best first.
    pub(crate) fn mechanisms(&self) -> Vec<&'static str> {
        ALL.into_iter().filter(|mechanism| self.offers(*mechanism)).map(Mechanism::name).collect()
    }

    /// Whether a mechanism with channel binding is offered.
    pub(crate) fn offers_binding(&self) -> bool {
        self.around.allowed && self.around.exporter.is_some() && self.around.accounts.has_credentials()
    }

    fn offers(&self, mechanism: Mechanism) -> bool {
        match mechanism {
            Mechanism::Scram { plus: true, .. } => self.offers_binding(),
            Mechanism::Scram { plus: false, .. } => self.around.allowed && self.around.accounts.has_credentials(),
            Mechanism::Plain => self.around.allowed && self.around.plain,
        }
    }

    /// `<auth mechanism='…'>`. `data` is the text in it, as it came.
    pub(crate) async fn start(&mut self, mechanism: &str, data: &str) -> Step {
        self.state = State::Idle;
        if !self.around.allowed {
            return SaslFailure::EncryptionRequired.into();
        }
        let Some(mechanism) = ALL.into_iter().find(|known| known.name() == mechanism) else {
            return SaslFailure::InvalidMechanism.into();
        };
        if mechanism == Mechanism::Plain && !self.around.plain {
            return SaslFailure::EncryptionRequired.into();
        }
        if !self.offers(mechanism) {
            return SaslFailure::InvalidMechanism.into();
        }
        // No text is no initial response, and "=" is an empty one (RFC 6120 section 6.4.2).
        if data.is_empty() {
            self.state = State::Chosen(mechanism);
            return Step::Challenge(String::new());
        }
        match decode(data) {
            Ok(message) => self.first(mechanism, &message).await,
            Err(failure) => failure.into(),
        }
    }

    /// `<response/>`.
    pub(crate) async fn respond(&mut self, data: &str) -> Step {
        let message = match decode(data) {
            Ok(message) => message,
            Err(failure) => {
                self.state = State::Idle;
                return failure.into();
            }
        };
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Idle => SaslFailure::MalformedRequest.into(),
            State::Chosen(mechanism) => self.first(mechanism, &message).await,
            State::Challenged { scram, user, disabled } => match scram.verify(&message) {
                Err(failure) => self.failed(user.as_ref(), failure),
                Ok(signature) => match user {
                    None => self.failed(None, SaslFailure::NotAuthorized),
                    Some(_) if disabled => SaslFailure::AccountDisabled.into(),
                    Some(user) => self.succeeded(user, Some(signature)),
                },
            },
        }
    }

    /// `<abort/>`.
    pub(crate) fn abort(&mut self) -> Step {
        self.state = State::Idle;
        SaslFailure::Aborted.into()
    }

    async fn first(&mut self, mechanism: Mechanism, message: &[u8]) -> Step {
        let step = match mechanism {
            Mechanism::Plain => self.plain(message).await,
            Mechanism::Scram { hash, plus } => self.scram(hash, plus, message).await,
        };
        step.unwrap_or_else(Step::Failure)
    }

    async fn scram(&mut self, hash: ScramHash, plus: bool, message: &[u8]) -> Result<Step, SaslFailure> {
        let binding = match &self.around.exporter {
            Some(data) if plus => Binding::Exporter(data),
            _ => Binding::None { plus_offered: self.offers_binding() },
        };
        let first = ClientFirst::parse(message, binding)?;
        // A name nobody can have is treated like one nobody has.
        let user = Username::new(&first.name).ok();
        self.check_authzid(first.authzid.as_deref(), user.as_ref())?;
        self.check_throttle(user.as_ref())?;
        let stored = match &user {
            None => None,
            Some(user) => {
                self.around.accounts.credentials(user, hash).await.map_err(|error| self.unavailable(&error))?
            }
        };
        let (user, credentials, disabled) = match stored {
            Some(stored) => (user, stored.credentials, stored.disabled),
            None => (user, ScramCredentials::of_nobody(hash, &self.around.secret, &first.name), false),
        };
        let (challenge, challenged) = first.challenge(credentials);
        self.state = State::Challenged { scram: Box::new(challenged), user, disabled };
        Ok(Step::Challenge(STANDARD.encode(challenge)))
    }

    /// RFC 4616: who to be, whose password, the password; zero bytes between.
    async fn plain(&mut self, message: &[u8]) -> Result<Step, SaslFailure> {
        let message = std::str::from_utf8(message).map_err(|_| SaslFailure::MalformedRequest)?;
        let mut parts = message.split('\0');
        let (Some(authzid), Some(name), Some(password), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(SaslFailure::MalformedRequest);
        };
        if name.is_empty() || password.is_empty() {
            return Err(SaslFailure::MalformedRequest);
        }
        let Ok(user) = Username::new(name) else { return Ok(self.failed(None, SaslFailure::NotAuthorized)) };
        self.check_authzid(Some(authzid).filter(|authzid| !authzid.is_empty()), Some(&user))?;
        self.check_throttle(Some(&user))?;
        let verdict = self.around.accounts.verify_plain(&user, password).await;
        Ok(match verdict.map_err(|error| self.unavailable(&error))? {
            Verdict::Accepted => self.succeeded(user, None),
            Verdict::Refused => self.failed(Some(&user), SaslFailure::NotAuthorized),
            Verdict::Disabled => SaslFailure::AccountDisabled.into(),
        })
    }

    /// Nobody may be anybody else: who to be is left out, or the address of the account (RFC 6120 section 6.3.8).
    fn check_authzid(&self, authzid: Option<&str>, user: Option<&Username>) -> Result<(), SaslFailure> {
        let Some(authzid) = authzid else { return Ok(()) };
        let own = user.and_then(|user| BareJid::new(&format!("{user}@{}", self.around.domain)).ok());
        match BareJid::new(authzid) {
            Ok(wanted) if Some(&wanted) == own.as_ref() => Ok(()),
            _ => Err(SaslFailure::InvalidAuthzid),
        }
    }

    fn check_throttle(&self, user: Option<&Username>) -> Result<(), SaslFailure> {
        if self.around.throttle.allows(self.around.address, &self.around.domain, user) {
            return Ok(());
        }
        self.around.counters.logins_throttled.increase();
        debug!(address = %self.around.address, "a login was turned away: too many have failed");
        Err(SaslFailure::TemporaryAuthFailure)
    }

    fn unavailable(&self, error: &AccountsUnavailable) -> SaslFailure {
        warn!(domain = %self.around.domain, %error, "logins cannot be checked");
        SaslFailure::TemporaryAuthFailure
    }

    fn failed(&self, user: Option<&Username>, failure: SaslFailure) -> Step {
        if failure == SaslFailure::NotAuthorized {
            self.around.counters.login_failures.increase();
            self.around.throttle.failed(self.around.address, &self.around.domain, user);
            debug!(address = %self.around.address, domain = %self.around.domain, "a login has failed");
        }
        failure.into()
    }

    fn succeeded(&self, user: Username, signature: Option<String>) -> Step {
        self.around.counters.logins.increase();
        Step::Success(user, signature.map(|signature| STANDARD.encode(signature)))
    }
}

/// RFC 6120 section 6.4.2: base64, or "=" for nothing.
fn decode(data: &str) -> Result<Vec<u8>, SaslFailure> {
    if data == "=" || data.is_empty() {
        return Ok(Vec::new());
    }
    STANDARD.decode(data).map_err(|_| SaslFailure::IncorrectEncoding)
}
