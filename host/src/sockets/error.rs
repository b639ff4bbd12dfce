//! Why the host cannot listen.

use std::io;
use std::net::SocketAddr;

use super::Purpose;

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {}; choose another with {} ({})", reason(source), purpose.named_by().0, purpose.named_by().1)]
pub struct Refused {
    /// What was to listen there.
    pub purpose: Purpose,
    /// The address.
    pub address: SocketAddr,
    /// Why not.
    pub source: io::Error,
}

/// At least one fault, each a line.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.lines().join("; "))]
pub struct SocketsError {
    refused: Vec<Refused>,
    unwanted: Vec<SocketAddr>,
}

impl SocketsError {
    pub(super) fn of(refused: Vec<Refused>, unwanted: Vec<SocketAddr>) -> Option<Self> {
        (!refused.is_empty() || !unwanted.is_empty()).then_some(Self { refused, unwanted })
    }

    /// A line for each.
    pub fn lines(&self) -> Vec<String> {
        let unwanted = self.unwanted.iter().map(|address| {
            format!(
                "the service manager has opened {address}, and no listener of the configuration has this address; make \
                 ListenStream= of the socket unit and the key that is meant (such as http.listen) say the same"
            )
        });
        self.refused.iter().map(Refused::to_string).chain(unwanted).collect()
    }
}

/// Why an address cannot be had, as it is said to people.
pub(crate) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "address in use".into(),
        io::ErrorKind::AddrNotAvailable => "this machine does not have the address".into(),
        io::ErrorKind::PermissionDenied => "permission denied".into(),
        _ => error.to_string(),
    }
}
