//! The limits of `[xmpp]` in the words of the crate `roster-xmpp`.

use roster_xmpp::config::{ClientLimits, LoginLimits, Resumption, Timeouts};
use roster_xmpp::stream::StanzaLimits;

use crate::config;

pub(super) fn clients(limits: &config::ClientLimits) -> ClientLimits {
    // How deep elements may be is not for operators to say.
    let default = ClientLimits::default();
    ClientLimits {
        connections: limits.max_connections,
        connections_per_address: limits.max_connections_per_address,
        connections_per_second: limits.connections_per_second,
        handshakes: limits.max_handshakes,
        stanza_before_login: StanzaLimits { bytes: limits.max_stanza_before_login, ..default.stanza_before_login },
        stanza: StanzaLimits { bytes: limits.max_stanza, ..default.stanza },
        bytes_per_second: limits.bytes_per_second,
        bytes_burst: limits.bytes_burst,
        stanzas_per_second: limits.stanzas_per_second,
        stanzas_burst: limits.stanzas_burst,
        outbound_queue: limits.outbound_queue,
        outbound_bytes: limits.outbound_bytes,
        memory: limits.memory,
        log_lines_per_address: limits.log_lines_per_address,
        log_lines: limits.log_lines,
    }
}

pub(super) fn timeouts(timeouts: &config::Timeouts) -> Timeouts {
    Timeouts {
        login: timeouts.login,
        stanza: timeouts.stanza,
        idle: timeouts.idle,
        idle_websocket: timeouts.idle_websocket,
        ping: timeouts.ping,
        write: timeouts.write,
        close: timeouts.close,
        shutdown: timeouts.shutdown,
    }
}

pub(super) fn login(login: &config::LoginLimits) -> LoginLimits {
    LoginLimits {
        attempts_per_stream: login.attempts_per_stream,
        failures_per_address: login.failures_per_address,
        failures_per_account: login.failures_per_account,
        forgotten_after: login.forgotten_after,
    }
}

pub(super) fn resumption(resumption: &config::Resumption) -> Resumption {
    Resumption {
        window: resumption.window,
        unacknowledged: resumption.unacknowledged,
        unacknowledged_bytes: resumption.unacknowledged_bytes,
        hibernating: resumption.hibernating,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_without_a_configuration_has_the_same_limits_as_one_whose_keys_are_left_out() {
        assert_eq!(clients(&config::ClientLimits::default()), ClientLimits::default());
        assert_eq!(timeouts(&config::Timeouts::default()), Timeouts::default());
        assert_eq!(login(&config::LoginLimits::default()), LoginLimits::default());
        assert_eq!(resumption(&config::Resumption::default()), Resumption::default());
    }
}
