//! How a broker is reached: what the configuration says, checked and turned into rumqttc's options.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rumqttc::v5::mqttbytes::v5::{ConnectProperties, LastWill as LastWillV5};
use rumqttc::{LastWill, NetworkOptions, TlsConfiguration, Transport};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::link::{Client, Poller};
use super::post::{IN_FLIGHT_MAX, Message};

/// Largest packet taken from a broker in bytes: room to read an oversized trigger and say so.
const PACKET_MAX: u32 = 4 * 1024 * 1024;

/// So long a broker keeps what comes for us while we reconnect (MQTT 5). A trigger older than that
/// has been rejected by its line already.
const SESSION_S: u32 = 5;

/// Requests that the event loop has not yet taken; more than may be in flight, so it is never full.
const REQUESTS_MAX: usize = IN_FLIGHT_MAX * 2;

/// Which MQTT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// MQTT 5: verdicts expire in the broker.
    #[default]
    V5,
    /// MQTT 3.1.1: readers compare `expires_at_utc` themselves.
    V311,
}

/// The files that make a connection secret and both ends known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Certificates of those who may have signed the broker's, PEM.
    pub ca: PathBuf,
    /// Our own certificate (with its chain) and key, PEM, where the broker asks for them.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// Where the broker is and how we introduce ourselves.
#[derive(Clone, PartialEq, Eq)]
pub struct Connection {
    /// Name or IPv4 address.
    pub host: String,
    /// Usually 1883, with TLS 8883.
    pub port: u16,
    /// Unique at the broker: a second client of this name throws out the first.
    pub client_id: String,
    /// Which MQTT.
    pub protocol: Protocol,
    /// User and password.
    pub credentials: Option<(String, String)>,
    /// TLS, if any.
    pub tls: Option<Tls>,
    /// Whether another machine may be spoken to without TLS.
    pub plain_text: bool,
    /// How often a silent connection is proved; a dead one is noticed after twice that.
    pub keep_alive: Duration,
}

/// Why a connection cannot even be tried.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// An empty text where one is needed.
    #[error("the broker's `{key}` is empty; write one")]
    Empty {
        /// The key.
        key: &'static str,
    },
    /// Another machine without TLS.
    #[error(
        "the broker at `{host}` would get verdicts and passwords in plain text; write `[mqtt.tls]` with the `ca` of the plant, or `plain_text = true` if the network is closed"
    )]
    PlainText {
        /// The machine.
        host: String,
    },
    /// A keep-alive that does not work.
    #[error("`keep_alive_s = {found_s}` is out of range; write {min_s} to {max_s}")]
    KeepAlive {
        /// The number found.
        found_s: u64,
        /// The smallest accepted.
        min_s: u64,
        /// The largest accepted.
        max_s: u64,
    },
    /// A certificate or key file that cannot be used.
    #[error("`{path}` has no {what} in PEM that can be used")]
    Pem {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// The cause.
        source: rustls::pki_types::pem::Error,
    },
    /// A certificate file without certificates.
    #[error("`{path}` has no certificate in PEM that can be used")]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A certificate that can sign nothing.
    #[error("`{path}` has a certificate that cannot be used to check the broker's")]
    Authority {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: rustls::Error,
    },
    /// Certificate and key that do not work together.
    #[error("certificate `{certificate}` and key `{key}` cannot be used; do they belong together?")]
    Identity {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
        /// The cause.
        source: rustls::Error,
    },
    /// No cipher suites.
    #[error("TLS cannot be set up")]
    Provider {
        /// The cause.
        source: rustls::Error,
    },
    /// The network thread.
    #[error("the network thread does not start")]
    Thread {
        /// The cause.
        source: io::Error,
    },
}

impl Connection {
    const KEEP_ALIVE_MIN_S: u64 = 5;
    const KEEP_ALIVE_MAX_S: u64 = 3600;

    /// A connection without TLS, for a broker on this machine, with MQTT 5, a keep-alive of 5 s and no password.
    pub fn plain(host: &str, port: u16, client_id: &str) -> Self {
        Self {
            host: host.to_owned(),
            port,
            client_id: client_id.to_owned(),
            protocol: Protocol::V5,
            credentials: None,
            tls: None,
            plain_text: false,
            keep_alive: Duration::from_secs(Self::KEEP_ALIVE_MIN_S),
        }
    }

    /// Checks everything that can be checked without the broker, the files of TLS included.
    ///
    /// # Errors
    /// [`ConnectionError`] says what to write instead.
    pub fn check(&self) -> Result<(), ConnectionError> {
        for (key, text) in [("host", &self.host), ("client_id", &self.client_id)] {
            if text.is_empty() {
                return Err(ConnectionError::Empty { key });
            }
        }
        self.check_secrecy()?;
        let found_s = self.keep_alive.as_secs();
        if !(Self::KEEP_ALIVE_MIN_S..=Self::KEEP_ALIVE_MAX_S).contains(&found_s) {
            return Err(ConnectionError::KeepAlive {
                found_s,
                min_s: Self::KEEP_ALIVE_MIN_S,
                max_s: Self::KEEP_ALIVE_MAX_S,
            });
        }
        self.transport().map(drop)
    }

    /// Checks that nothing leaves this machine in plain text, unless that is meant.
    ///
    /// # Errors
    /// [`ConnectionError::PlainText`].
    pub fn check_secrecy(&self) -> Result<(), ConnectionError> {
        let stays_here = ["127.0.0.1", "::1", "localhost"].contains(&self.host.as_str());
        if stays_here || self.tls.is_some() || self.plain_text {
            return Ok(());
        }
        Err(ConnectionError::PlainText {
            host: self.host.clone(),
        })
    }

    /// A fresh client and event loop; the files of TLS are read anew, so that renewed certificates
    /// work without a restart.
    pub(super) fn open(&self, will: Option<&Message>) -> Result<(Client, Poller), ConnectionError> {
        self.check()?;
        Ok(match self.protocol {
            Protocol::V5 => self.open_v5(will)?,
            Protocol::V311 => self.open_v311(will)?,
        })
    }

    fn open_v5(&self, will: Option<&Message>) -> Result<(Client, Poller), ConnectionError> {
        let mut options =
            rumqttc::v5::MqttOptions::new(self.client_id.as_str(), self.host.as_str(), self.port);
        let properties = ConnectProperties {
            session_expiry_interval: Some(SESSION_S),
            max_packet_size: Some(PACKET_MAX),
            ..ConnectProperties::default()
        };
        options
            .set_connect_properties(properties)
            .set_clean_start(false)
            .set_keep_alive(self.keep_alive)
            .set_network_options(network_options())
            .set_transport(self.transport()?)
            .set_outgoing_inflight_upper_limit(PACKET_IDS);
        if let Some((user, password)) = &self.credentials {
            options.set_credentials(user, password);
        }
        if let Some(will) = will {
            let qos = rumqttc::v5::mqttbytes::QoS::AtLeastOnce;
            options.set_last_will(LastWillV5::new(
                &will.topic,
                will.payload.clone(),
                qos,
                will.is_retained,
                None,
            ));
        }
        let (client, poller) = rumqttc::v5::AsyncClient::new(options, REQUESTS_MAX);
        Ok((Client::V5(client), Poller::V5(Box::new(poller))))
    }

    fn open_v311(&self, will: Option<&Message>) -> Result<(Client, Poller), ConnectionError> {
        let mut options =
            rumqttc::MqttOptions::new(self.client_id.as_str(), self.host.as_str(), self.port);
        let packet_max = usize::try_from(PACKET_MAX).unwrap_or(usize::MAX);
        options
            // A lasting session of 3.1.1 never ends: after a week it would bring a week's triggers.
            .set_clean_session(true)
            .set_keep_alive(self.keep_alive)
            .set_max_packet_size(packet_max, packet_max)
            .set_transport(self.transport()?)
            .set_inflight(PACKET_IDS);
        if let Some((user, password)) = &self.credentials {
            options.set_credentials(user, password);
        }
        if let Some(will) = will {
            let qos = rumqttc::QoS::AtLeastOnce;
            options.set_last_will(LastWill::new(
                &will.topic,
                will.payload.clone(),
                qos,
                will.is_retained,
            ));
        }
        let (client, mut poller) = rumqttc::AsyncClient::new(options, REQUESTS_MAX);
        poller.set_network_options(network_options());
        Ok((Client::V311(client), Poller::V311(Box::new(poller))))
    }

    fn transport(&self) -> Result<Transport, ConnectionError> {
        let Some(tls) = &self.tls else {
            return Ok(Transport::Tcp);
        };
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&tls.ca)? {
            roots
                .add(certificate)
                .map_err(|source| ConnectionError::Authority {
                    path: tls.ca.clone(),
                    source,
                })?;
        }
        // Our own provider, not the process's: no order of start-up can take it away.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|source| ConnectionError::Provider { source })?
            .with_root_certificates(roots);
        let config = match &tls.client {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => builder
                .with_client_auth_cert(certificates(certificate)?, private_key(key)?)
                .map_err(|source| ConnectionError::Identity {
                    certificate: certificate.clone(),
                    key: key.clone(),
                    source,
                })?,
        };
        Ok(Transport::tls_with_config(TlsConfiguration::from(config)))
    }
}

/// Packet ids to go round with: far more than are in flight, so that a broker that acknowledges out
/// of order does not make two messages meet on one id (rumqtt #1056).
const PACKET_IDS: u16 = 1024;

// Without it two messages in a row wait 40 ms for each other's acknowledgement.
fn network_options() -> NetworkOptions {
    let mut options = NetworkOptions::new();
    options.set_tcp_nodelay(true);
    options
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ConnectionError> {
    let found = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|source| ConnectionError::Pem {
            path: path.to_owned(),
            what: "certificate",
            source,
        })?;
    if found.is_empty() {
        return Err(ConnectionError::NoCertificate {
            path: path.to_owned(),
        });
    }
    Ok(found)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, ConnectionError> {
    PrivateKeyDer::from_pem_file(path).map_err(|source| ConnectionError::Pem {
        path: path.to_owned(),
        what: "private key",
        source,
    })
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The password never reaches a log.
        f.debug_struct("Connection")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("client_id", &self.client_id)
            .field("protocol", &self.protocol)
            .field("user", &self.credentials.as_ref().map(|(user, _)| user))
            .field("tls", &self.tls)
            .field("plain_text", &self.plain_text)
            .field("keep_alive", &self.keep_alive)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_cannot_work_is_refused_before_it_is_tried() {
        let good = Connection::plain("localhost", 1883, "st-07");
        good.check().unwrap();
        let nameless = Connection {
            client_id: String::new(),
            ..good.clone()
        };
        assert_eq!(
            nameless.check().unwrap_err().to_string(),
            "the broker's `client_id` is empty; write one"
        );
        let hasty = Connection {
            keep_alive: Duration::from_secs(1),
            ..good.clone()
        };
        assert_eq!(
            hasty.check().unwrap_err().to_string(),
            "`keep_alive_s = 1` is out of range; write 5 to 3600"
        );
        let open = Connection {
            host: "10.0.0.5".to_owned(),
            ..good.clone()
        };
        let refused = open.check().unwrap_err().to_string();
        assert!(refused.contains("`10.0.0.5` would get"), "{refused}");
        let meant = Connection {
            plain_text: true,
            ..open
        };
        meant.check().unwrap();
        let tls = Some(Tls {
            ca: PathBuf::from("/nowhere/ca.pem"),
            client: None,
        });
        let blind = Connection { tls, ..good };
        assert_eq!(
            blind.check().unwrap_err().to_string(),
            "`/nowhere/ca.pem` has no certificate in PEM that can be used"
        );
    }

    #[test]
    fn a_password_is_not_printed() {
        let credentials = Some(("taktgate".to_owned(), "secret".to_owned()));
        let connection = Connection {
            credentials,
            ..Connection::plain("h", 1, "c")
        };
        assert!(!format!("{connection:?}").contains("secret"));
    }
}
