//! What the XMPP endpoints of the nodes tell each other.

use super::Cluster;
use super::view::{Member, View};

impl Cluster {
    /// What the endpoint of another node says to that of this one.
    pub(super) fn endpoint_message(&self, _domain: &str, _from: &Member, _message: String) {}

    /// The list of nodes has changed.
    pub(super) fn endpoints_changed(&self, _view: &View) {}
}
