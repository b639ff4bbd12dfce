//! The exchange of one stream.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use roster_jid::Jid;
use roster_model::Username;

use super::failure::SaslFailure;
use super::scram::{Binding, Challenged, ClientFirst};
use super::throttle::{Limit, Throttle};
use crate::accounts::{Accounts, AccountsUnavailable, ScramCredentials, ScramHash, Verdict};
use crate::client_log::{Client, ClientLog, Detail, What};
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
    pub(crate) client: Client,
    pub(crate) throttle: Arc<Throttle>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) log: Arc<ClientLog>,
    /// Makes up credentials of those who do not exist.
    pub(crate) secret: [u8; 32],
}

/// One stream's login.
pub(crate) struct Login {
    around: Surroundings,
    state: State,
    /// Of the try that is under way.
    mechanism: Option<Mechanism>,
    /// The same: what the client says it is called.
    account: Option<String>,
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

/// What to send next.
#[derive(Debug)]
pub(crate) enum Step {
    /// `<challenge/>`, base64.
    Challenge(String),
    /// `<success/>`, with the last data of the mechanism.
    Success(Username, Option<String>),
    /// `<failure/>`.
    Failure(SaslFailure),
}

/// Why a try does not succeed.
enum Denial {
    /// The client breaks the mechanism's rules, or asks for what it cannot have.
    Refused(SaslFailure),
    /// No such account, or not its password; or its password, and the account may not be used.
    Failed { user: Option<Username>, disabled: bool },
    /// Too many have failed before.
    Throttled(Limit),
    /// Nobody can say.
    Unchecked(AccountsUnavailable),
}

impl From<SaslFailure> for Denial {
    fn from(failure: SaslFailure) -> Self {
        Self::Refused(failure)
    }
}

impl From<AccountsUnavailable> for Denial {
    fn from(error: AccountsUnavailable) -> Self {
        Self::Unchecked(error)
    }
}

impl Login {
    pub(crate) fn new(around: Surroundings) -> Self {
        Self { around, state: State::Idle, mechanism: None, account: None }
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
        (self.state, self.mechanism, self.account) = (State::Idle, None, None);
        let step = self.choose(mechanism, data).await;
        self.told(step)
    }

    /// `<response/>`.
    pub(crate) async fn respond(&mut self, data: &str) -> Step {
        let step = self.go_on(data).await;
        self.told(step)
    }

    /// `<abort/>`.
    pub(crate) fn abort(&mut self) -> Step {
        self.state = State::Idle;
        self.told(Err(SaslFailure::Aborted.into()))
    }

    async fn choose(&mut self, mechanism: &str, data: &str) -> Result<Step, Denial> {
        let known = ALL.into_iter().find(|known| known.name() == mechanism);
        self.mechanism = known;
        if !self.around.allowed {
            return Err(SaslFailure::EncryptionRequired.into());
        }
        let mechanism = known.ok_or(SaslFailure::InvalidMechanism)?;
        if mechanism == Mechanism::Plain && !self.around.plain {
            return Err(SaslFailure::EncryptionRequired.into());
        }
        if !self.offers(mechanism) {
            return Err(SaslFailure::InvalidMechanism.into());
        }
        // No text is no initial response, and "=" is an empty one (RFC 6120 section 6.4.2).
        if data.is_empty() {
            self.state = State::Chosen(mechanism);
            return Ok(Step::Challenge(String::new()));
        }
        self.first(mechanism, &decode(data)?).await
    }

    async fn go_on(&mut self, data: &str) -> Result<Step, Denial> {
        match (std::mem::replace(&mut self.state, State::Idle), decode(data)?) {
            (State::Idle, _) => Err(SaslFailure::MalformedRequest.into()),
            (State::Chosen(mechanism), message) => self.first(mechanism, &message).await,
            (State::Challenged { scram, user, disabled }, message) => match (scram.verify(&message), user) {
                (Ok(signature), Some(user)) if !disabled => Ok(Step::Success(user, Some(STANDARD.encode(signature)))),
                (Ok(_), user) => Err(Denial::Failed { user, disabled }),
                (Err(SaslFailure::NotAuthorized), user) => Err(Denial::Failed { user, disabled: false }),
                (Err(failure), _) => Err(failure.into()),
            },
        }
    }

    async fn first(&mut self, mechanism: Mechanism, message: &[u8]) -> Result<Step, Denial> {
        match mechanism {
            Mechanism::Plain => self.plain(message).await,
            Mechanism::Scram { hash, plus } => self.scram(hash, plus, message).await,
        }
    }

    async fn scram(&mut self, hash: ScramHash, plus: bool, message: &[u8]) -> Result<Step, Denial> {
        let binding = match &self.around.exporter {
            Some(data) if plus => Binding::Exporter(data),
            _ => Binding::None { plus_offered: self.offers_binding() },
        };
        let first = ClientFirst::parse(message, binding)?;
        // A name nobody can have is treated like one nobody has.
        let user = self.named(&first.name);
        self.check_authzid(first.authzid.as_deref(), user.as_ref())?;
        self.check_throttle(user.as_ref())?;
        let stored = match &user {
            None => None,
            Some(user) => self.around.accounts.credentials(user, hash).await?,
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
    async fn plain(&mut self, message: &[u8]) -> Result<Step, Denial> {
        let message = std::str::from_utf8(message).map_err(|_| SaslFailure::MalformedRequest)?;
        let mut parts = message.split('\0');
        let (Some(authzid), Some(name), Some(password), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(SaslFailure::MalformedRequest.into());
        };
        if name.is_empty() || password.is_empty() {
            return Err(SaslFailure::MalformedRequest.into());
        }
        let Some(user) = self.named(name) else { return Err(Denial::Failed { user: None, disabled: false }) };
        self.check_authzid(Some(authzid).filter(|authzid| !authzid.is_empty()), Some(&user))?;
        self.check_throttle(Some(&user))?;
        match self.around.accounts.verify_plain(&user, password).await? {
            Verdict::Accepted => Ok(Step::Success(user, None)),
            Verdict::Refused => Err(Denial::Failed { user: Some(user), disabled: false }),
            Verdict::Disabled => Err(Denial::Failed { user: Some(user), disabled: true }),
        }
    }

    /// The user with that name, if there can be one.
    fn named(&mut self, name: &str) -> Option<Username> {
        let user = Username::new(name).ok();
        self.account = Some(user.as_ref().map_or(name, Username::as_str).to_owned());
        user
    }

    /// Nobody may be anybody else: who to be is left out, or the address of the account (RFC 6120 section 6.3.8).
    fn check_authzid(&self, authzid: Option<&str>, user: Option<&Username>) -> Result<(), SaslFailure> {
        let Some(authzid) = authzid else { return Ok(()) };
        let is_own = |jid: Jid<'_>| {
            jid.localpart.as_deref() == user.map(Username::as_str)
                && jid.domainpart == self.around.domain
                && jid.resourcepart.is_none()
        };
        match user {
            Some(_) if Jid::parse(authzid).is_ok_and(is_own) => Ok(()),
            _ => Err(SaslFailure::InvalidAuthzid),
        }
    }

    fn check_throttle(&self, user: Option<&Username>) -> Result<(), Denial> {
        let Surroundings { throttle, client, domain, .. } = &self.around;
        throttle.check(client.address, domain, user).map_err(Denial::Throttled)
    }

    /// Counts and logs what has become of a try. What the client is told of a denial does not say whether there is such an
    /// account, nor whether it is disabled.
    fn told(&self, step: Result<Step, Denial>) -> Step {
        let Surroundings { throttle, counters, client, domain, .. } = &self.around;
        let address = client.address;
        let (what, detail, step) = match step {
            Ok(Step::Challenge(data)) => return Step::Challenge(data),
            Ok(step) => {
                counters.logins.increase();
                (What::LoginSucceeded, Detail::default(), step)
            }
            Err(Denial::Refused(failure)) => {
                let detail = Detail { reason: Some(failure.name()), ..Detail::default() };
                (What::LoginRefused, detail, Step::Failure(failure))
            }
            Err(Denial::Failed { user, disabled }) => {
                counters.login_failures.increase();
                throttle.failed(address, domain, user.as_ref());
                let failure = SaslFailure::NotAuthorized;
                let reason = Some(if disabled { "account-disabled" } else { failure.name() });
                (What::LoginFailed, Detail { reason, ..Detail::default() }, Step::Failure(failure))
            }
            Err(Denial::Throttled(limit)) => {
                counters.logins_throttled.increase();
                let detail = Detail { limit: Some(limit.key()), ..Detail::default() };
                (What::LoginThrottled, detail, Step::Failure(SaslFailure::TemporaryAuthFailure))
            }
            Err(Denial::Unchecked(error)) => {
                let text = error.to_string();
                self.note(What::LoginUnchecked, Detail { text: Some(&text), ..Detail::default() });
                return Step::Failure(SaslFailure::TemporaryAuthFailure);
            }
        };
        self.note(what, detail);
        step
    }

    fn note(&self, what: What, detail: Detail<'_>) {
        let client = Client { account: self.account.clone(), ..self.around.client.clone() };
        let mechanism = self.mechanism.map(Mechanism::name);
        self.around.log.note(what, &client, Detail { mechanism, ..detail });
    }
}

/// RFC 6120 section 6.4.2: base64, or "=" for nothing.
fn decode(data: &str) -> Result<Vec<u8>, SaslFailure> {
    if data == "=" || data.is_empty() {
        return Ok(Vec::new());
    }
    STANDARD.decode(data).map_err(|_| SaslFailure::IncorrectEncoding)
}
