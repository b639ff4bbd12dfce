//! What operators want to know of clients: who has logged in, who could not, who was turned away.
//!
//! One line for each event, in a form that programs such as fail2ban can read and that no client can forge: the target is
//! [`TARGET`], then come the message and the address, and only after them whatever a client has said, as words without
//! white space, quotes or control characters. No password and nothing of a SASL exchange is among it.
//!
//! A client can cause events as fast as it can connect. So there are only so many lines in a minute ([`budget`]); the rest
//! is counted, and told in a line for each address.

mod budget;

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::config::ClientLimits;
use crate::stream::{StreamCondition, StreamError};
use budget::{Budget, Unlogged};

/// The target of these lines, for filters. It does not change with the module's place.
pub const TARGET: &str = "roster_xmpp::clients";

/// For so long a [`Budget`] lasts.
const WINDOW: Duration = Duration::from_secs(60);
/// Longest text of a client's in a line, characters.
const LONGEST: usize = 128;
/// A login that succeeded is nothing that strangers can cause: so many times as many lines as of other events.
const SUCCESSES: u32 = 10;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Somebody has logged in.
    LoginSucceeded,
    /// A password was wrong, or there is no such account.
    LoginFailed,
    /// A login was not looked at, because too many have failed.
    LoginThrottled,
    /// A login was not looked at, because as many as may fail were not over.
    LoginPostponed,
    /// A login that breaks the mechanism's rules, or wants what it cannot have.
    LoginRefused,
    /// Nobody can say now whether the password is right.
    LoginUnchecked,
    /// A connection too many.
    ConnectionRefused,
    /// TLS could not be agreed on.
    TlsFailed,
    /// A session too many.
    SessionRefused,
    /// A stream has ended with an error.
    StreamEnded,
}

const KINDS: usize = 10;

impl What {
    const ALL: [Self; KINDS] = [
        Self::LoginSucceeded,
        Self::LoginFailed,
        Self::LoginThrottled,
        Self::LoginPostponed,
        Self::LoginRefused,
        Self::LoginUnchecked,
        Self::ConnectionRefused,
        Self::TlsFailed,
        Self::SessionRefused,
        Self::StreamEnded,
    ];

    /// Programs read it: it must not change.
    fn message(self) -> &'static str {
        match self {
            Self::LoginSucceeded => "login succeeded",
            Self::LoginFailed => "login failed",
            Self::LoginThrottled => "login throttled",
            Self::LoginPostponed => "login postponed",
            Self::LoginRefused => "login refused",
            Self::LoginUnchecked => "login not checked",
            Self::ConnectionRefused => "connection refused",
            Self::TlsFailed => "tls failed",
            Self::SessionRefused => "session refused",
            Self::StreamEnded => "stream ended",
        }
    }

    fn is_warning(self) -> bool {
        !matches!(self, Self::LoginSucceeded | Self::TlsFailed | Self::StreamEnded)
    }
}

/// A client, as far as it is known.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    /// From where.
    pub(crate) address: IpAddr,
    /// `tcp`, `tls` or `websocket`.
    pub(crate) transport: &'static str,
    /// The domain its stream is for.
    pub(crate) domain: Option<String>,
    /// Who it is, or says it is.
    pub(crate) account: Option<String>,
}

impl Client {
    pub(crate) fn new(address: IpAddr, transport: &'static str) -> Self {
        Self { address, transport, domain: None, account: None }
    }
}

/// What else there is to say; nothing of it is said by the client, but for `text`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Detail<'a> {
    /// The SASL mechanism.
    pub(crate) mechanism: Option<&'static str>,
    /// Which limit it was, as operators can set it.
    pub(crate) limit: Option<&'a str>,
    /// Why, in a word.
    pub(crate) reason: Option<&'static str>,
    /// Why, in a sentence.
    pub(crate) text: Option<&'a str>,
    /// It is worth a warning, though such events are not as a rule.
    pub(crate) severe: bool,
}

/// Writes the lines; see the module.
pub(crate) struct ClientLog {
    budgets: [Mutex<Budget>; KINDS],
}

impl ClientLog {
    pub(crate) fn new(limits: &ClientLimits) -> Self {
        let budget = |what| {
            let lines = match what {
                What::LoginSucceeded => limits.log_lines.saturating_mul(SUCCESSES),
                _ => limits.log_lines,
            };
            Mutex::new(Budget::new(limits.log_lines_per_address, lines))
        };
        Self { budgets: What::ALL.map(budget) }
    }

    /// Something has happened.
    pub(crate) fn note(&self, what: What, client: &Client, detail: Detail<'_>) {
        // Those who have logged in are people: many of them may share an address.
        let account = client.account.as_deref().filter(|_| what == What::LoginSucceeded);
        let Some(budget) = self.budgets.get(what as usize) else { return };
        if !budget.lock().takes(client.address, account) {
            return;
        }
        let account = client.account.as_deref().map(word);
        let text = detail.text.map(sentence);
        let client = (Some(client.address), Some(client.transport), account, client.domain.as_deref());
        write(what, client, Detail { text: text.as_deref(), ..detail }, None);
    }

    /// TLS could not be agreed on.
    pub(crate) fn tls_failed(&self, client: &Client, text: &str) {
        self.note(What::TlsFailed, client, Detail { text: Some(text), ..Detail::default() });
    }

    /// A stream has ended with this error.
    pub(crate) fn stream_ended(&self, client: &Client, error: &StreamError) {
        if error.condition == StreamCondition::SystemShutdown {
            return;
        }
        let severe = matches!(error.condition, StreamCondition::PolicyViolation | StreamCondition::ResourceConstraint);
        let (reason, text) = (Some(error.condition.name()), error.text.as_deref());
        self.note(What::StreamEnded, client, Detail { reason, text, severe, ..Detail::default() });
    }

    /// Tells how many events had no line, and begins to count anew.
    pub(crate) fn sum_up(&self) {
        for (what, budget) in What::ALL.into_iter().zip(&self.budgets) {
            let Unlogged { by_address, elsewhere } = budget.lock().renew();
            for (address, more) in by_address {
                write(what, (Some(address), None, None, None), Detail::default(), Some(more));
            }
            if elsewhere > 0 {
                let text = Some("from other addresses; xmpp.limits.log_lines is the limit");
                write(what, (None, None, None, None), Detail { text, ..Detail::default() }, Some(elsewhere));
            }
        }
    }

    /// Sums up once a minute until `stop` returns.
    pub(crate) async fn sum_up_until(&self, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => return,
                () = sleep(WINDOW) => {}
            }
            self.sum_up();
        }
    }
}

/// Address, transport, account and domain of a client.
type Shown<'a> = (Option<IpAddr>, Option<&'a str>, Option<String>, Option<&'a str>);

/// One line. Without the span it happened in, which would stand before the message.
fn write(what: What, (address, transport, account, domain): Shown<'_>, detail: Detail<'_>, more: Option<u64>) {
    macro_rules! line {
        ($level:ident) => {
            $level!(
                target: TARGET,
                parent: None,
                address = address.map(|address| tracing::field::display(address.to_canonical())),
                limit = detail.limit.map(tracing::field::display),
                account = account.map(tracing::field::display),
                domain = domain.map(tracing::field::display),
                transport = transport.map(tracing::field::display),
                mechanism = detail.mechanism.map(tracing::field::display),
                reason = detail.reason.map(tracing::field::display),
                more,
                within_seconds = more.map(|_| WINDOW.as_secs()),
                text = detail.text.map(tracing::field::display),
                "{}",
                what.message()
            )
        };
    }
    if what.is_warning() || detail.severe { line!(warn) } else { line!(info) }
}

/// Text of a client's as one word: it can neither begin a line or a field nor change how the rest is shown.
fn word(text: &str) -> String {
    escaped(text, |c| c.is_alphanumeric() || (c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '=' | '\\')))
}

/// The same with spaces and quotes in it, at the end of a line.
fn sentence(text: &str) -> String {
    escaped(text, |c| c.is_alphanumeric() || c == ' ' || (c.is_ascii_graphic() && c != '\\'))
}

fn escaped(text: &str, is_plain: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len().min(LONGEST));
    for (n, c) in text.chars().enumerate() {
        if n == LONGEST {
            out.push_str("...");
            break;
        }
        if is_plain(c) {
            out.push(c);
        } else {
            let _ = write!(out, "{}", c.escape_unicode());
        }
    }
    out
}

#[cfg(test)]
mod tests;
