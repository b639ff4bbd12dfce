//! The exchange of one stream.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use roster_jid::Jid;
use roster_model::Username;
use tokio::time::{sleep, timeout};

use super::failure::SaslFailure;
use super::scram::{Binding, Challenged, ClientFirst};
use super::throttle::{Attempt, Throttle, TurnedAway};
use crate::accounts::decoy::Decoys;
use crate::accounts::{Accounts, AccountsUnavailable, ScramHash, Verdict};
use crate::client_log::{Client, ClientLog, Detail, What};
use crate::counters::Counters;

/// As a part of the time that accounts may take, after an answer that nobody can say: a second with the defaults.
const PAUSES: u32 = 15;

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
    /// Makes up credentials of those who do not exist, where the accounts do not.
    pub(crate) decoys: Arc<Decoys>,
    /// So long the accounts may take to say what they know.
    pub(crate) accounts_timeout: Duration,
}

/// One stream's login.
pub(crate) struct Login {
    around: Surroundings,
    state: State,
    /// Of the try that is under way.
    mechanism: Option<Mechanism>,
    /// The same: what the client says it is called.
    account: Option<String>,
    /// The same: its place. Whatever becomes of it, it has failed unless it is given back.
    attempt: Option<Attempt>,
}

enum State {
    Idle,
    /// The mechanism was chosen without an initial response.
    Chosen(Mechanism),
    Challenged {
        scram: Box<Challenged>,
        /// `None` if there is no such account.
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
    Failed { disabled: bool },
    /// Too many have failed before, or are not over.
    Throttled(TurnedAway),
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
        Self { around, state: State::Idle, mechanism: None, account: None, attempt: None }
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
        if !matches!(std::mem::replace(&mut self.state, State::Idle), State::Idle) {
            // A client that has changed its mind aborts first; else a question would cost nothing.
            return self.told(Err(SaslFailure::MalformedRequest.into()));
        }
        (self.mechanism, self.account) = (None, None);
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
                (Ok(_), _) => Err(Denial::Failed { disabled }),
                (Err(SaslFailure::NotAuthorized), _) => Err(Denial::Failed { disabled: false }),
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
        self.begin(user.as_ref()).await?;
        let Surroundings { domain, accounts, decoys, .. } = &self.around;
        let name = user.as_ref().map_or(first.name.as_str(), Username::as_str);
        // Also for those who exist, so that it takes the same time.
        let decoy = accounts.decoy(domain, name, hash).unwrap_or_else(|| decoys.credentials(domain, name, hash));
        let stored = match &user {
            None => None,
            Some(user) => self.in_time(accounts.credentials(user, hash)).await?,
        };
        let (user, credentials, disabled) = match stored {
            Some(stored) => (user, stored.credentials, stored.disabled),
            None => (None, decoy, false),
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
        let user = self.named(name);
        if user.is_some() {
            self.check_authzid(Some(authzid).filter(|authzid| !authzid.is_empty()), user.as_ref())?;
        }
        self.begin(user.as_ref()).await?;
        let Some(user) = user else { return Err(Denial::Failed { disabled: false }) };
        match self.in_time(self.around.accounts.verify_plain(&user, password)).await? {
            Verdict::Accepted => Ok(Step::Success(user, None)),
            Verdict::Refused => Err(Denial::Failed { disabled: false }),
            Verdict::Disabled => Err(Denial::Failed { disabled: true }),
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

    async fn begin(&mut self, user: Option<&Username>) -> Result<(), Denial> {
        let Surroundings { throttle, client, domain, .. } = &self.around;
        self.attempt = Some(throttle.begin(client.address, domain, user).await.map_err(Denial::Throttled)?);
        Ok(())
    }

    /// What the accounts say, if they say it before the connection's deadline: who is kept waiting has not failed.
    async fn in_time<T>(
        &self,
        answer: impl Future<Output = Result<T, AccountsUnavailable>>,
    ) -> Result<T, AccountsUnavailable> {
        let accounts_timeout = self.around.accounts_timeout;
        match timeout(accounts_timeout, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                // It is no failure, so only that its place is taken keeps a client from asking as fast as it can.
                sleep(accounts_timeout / PAUSES).await;
                Err(error)
            }
            Err(_) => {
                Err(AccountsUnavailable { reason: format!("nobody said within {accounts_timeout:?} who may log in") })
            }
        }
    }

    /// Counts and logs what has become of a try. What the client is told of a denial does not say whether there is such an
    /// account, nor whether it is disabled.
    fn told(&mut self, step: Result<Step, Denial>) -> Step {
        if let Ok(Step::Challenge(data)) = step {
            return Step::Challenge(data);
        }
        let attempt = self.attempt.take();
        let counters = &self.around.counters;
        let (what, detail, step) = match step {
            Ok(step) => {
                attempt.into_iter().for_each(Attempt::give_back);
                counters.logins.increase();
                (What::LoginSucceeded, Detail::default(), step)
            }
            // In the middle of an exchange, where the client has learned something already.
            Err(Denial::Refused(failure)) if attempt.is_some() => {
                counters.login_failures.increase();
                let detail = Detail { reason: Some(failure.name()), ..Detail::default() };
                (What::LoginFailed, detail, Step::Failure(failure))
            }
            Err(Denial::Refused(failure)) => {
                let detail = Detail { reason: Some(failure.name()), ..Detail::default() };
                (What::LoginRefused, detail, Step::Failure(failure))
            }
            Err(Denial::Failed { disabled }) => {
                counters.login_failures.increase();
                let failure = SaslFailure::NotAuthorized;
                let reason = Some(if disabled { "account-disabled" } else { failure.name() });
                (What::LoginFailed, Detail { reason, ..Detail::default() }, Step::Failure(failure))
            }
            Err(Denial::Throttled(TurnedAway::Failed(limit))) => {
                counters.logins_throttled.increase();
                let detail = Detail { limit: Some(limit.key()), ..Detail::default() };
                (What::LoginThrottled, detail, Step::Failure(SaslFailure::TemporaryAuthFailure))
            }
            Err(Denial::Throttled(TurnedAway::UnderWay(limit))) => {
                counters.logins_throttled.increase();
                let (limit, reason) = (Some(limit.key()), Some("too-many-at-once"));
                (
                    What::LoginPostponed,
                    Detail { limit, reason, ..Detail::default() },
                    Step::Failure(SaslFailure::TooManyAtOnce),
                )
            }
            Err(Denial::Unchecked(error)) => {
                attempt.into_iter().for_each(Attempt::give_back);
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

impl Drop for Login {
    /// The connection is gone, or its time is over, in the middle of an exchange.
    fn drop(&mut self) {
        if self.attempt.take().is_some() {
            self.around.counters.login_failures.increase();
            self.note(What::LoginFailed, Detail { reason: Some("abandoned"), ..Detail::default() });
        }
    }
}

/// RFC 6120 section 6.4.2: base64, or "=" for nothing.
fn decode(data: &str) -> Result<Vec<u8>, SaslFailure> {
    if data == "=" || data.is_empty() {
        return Ok(Vec::new());
    }
    STANDARD.decode(data).map_err(|_| SaslFailure::IncorrectEncoding)
}
