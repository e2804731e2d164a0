//! The primary host: whether it is there, by its own word on the STATE topic.

use crate::publish::payload::chain;

use super::incoming::HostState;

/// The host that births and data wait for.
#[derive(Debug, Default)]
pub(super) struct Host {
    newest_ms: Option<u64>,
    is_online: bool,
}

/// What a STATE message was.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Online,
    Offline,
    /// Older than what is known: a will that came late, or a host whose clock was set back.
    Stale,
    Unreadable(String),
}

impl Host {
    pub(super) fn is_online(&self) -> bool {
        self.is_online
    }

    /// On a new connection the host must say anew that it is there; what it said last stays known.
    pub(super) fn ask_anew(&mut self) {
        self.is_online = false;
    }

    pub(super) fn heard(&mut self, payload: &[u8]) -> Heard {
        let state = match HostState::parse(payload) {
            Ok(state) => state,
            Err(error) => return Heard::Unreadable(chain(&error)),
        };
        if self
            .newest_ms
            .is_some_and(|newest_ms| state.timestamp < newest_ms)
        {
            return Heard::Stale;
        }
        self.newest_ms = Some(state.timestamp);
        self.is_online = state.online;
        if state.online {
            Heard::Online
        } else {
            Heard::Offline
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::publish::payload::PAYLOAD_MAX;

    use super::*;

    #[test]
    fn an_older_word_of_the_host_counts_for_nothing() {
        let mut host = Host::default();
        assert_eq!(
            host.heard(br#"{"online":true,"timestamp":100}"#),
            Heard::Online
        );
        assert_eq!(
            host.heard(br#"{"online":false,"timestamp":99}"#),
            Heard::Stale
        );
        assert!(host.is_online());
        assert_eq!(
            host.heard(br#"{"timestamp":100,"online":false,"bdSeq":7}"#),
            Heard::Offline
        );
        assert_eq!(
            host.heard(br#"{"online":true,"timestamp":99}"#),
            Heard::Stale
        );
        assert!(!host.is_online());
        assert_eq!(
            host.heard(br#"{"online":true,"timestamp":100}"#),
            Heard::Online
        );
        host.ask_anew();
        assert!(!host.is_online());
        assert_eq!(
            host.heard(br#"{"online":true,"timestamp":99}"#),
            Heard::Stale
        );
    }

    #[test]
    fn what_is_no_state_changes_nothing() {
        let mut host = Host::default();
        host.heard(br#"{"online":true,"timestamp":1}"#);
        let large = format!(
            r#"{{"online":false,"timestamp":2{}}}"#,
            " ".repeat(PAYLOAD_MAX)
        );
        for bad in [
            &b"OFFLINE"[..],
            large.as_bytes(),
            b"",
            b"\xff",
            br#"{"online":0,"timestamp":2}"#,
            br#"{"online":false}"#,
        ] {
            assert!(matches!(host.heard(bad), Heard::Unreadable(_)), "{bad:?}");
        }
        assert!(host.is_online());
    }
}
