//! NATS as the engine: messages over its core, the list of nodes in a stream of JetStream, of which the last message of each
//! subject is kept.
//!
//! Values are read from the stream's leader and written by compare-and-set on the subject's sequence. Nothing rests on a watch.

use std::time::Duration;

use async_nats::connection::State as Connection;
use async_nats::jetstream::context::{CreateStreamErrorKind, PublishErrorKind};
use async_nats::jetstream::stream::{Config as Stream, LastRawMessageErrorKind};
use async_nats::jetstream::{self, Context, ErrorCode};
use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, HeaderMap, header};
use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::cluster::Incoming;
use crate::cluster::engine::{Engine, EngineError, Entry};
use crate::cluster::member::NodeName;
use crate::config::{ClusterConfig, NatsCredentials};

/// How long a start waits for NATS. Without it the host serves alone, and joins later.
const START: Duration = Duration::from_secs(5);
/// The oldest server that is known to do.
const OLDEST: (u32, u32) = (2, 9);
/// Messages that wait to be looked at: each is half a megabyte at most.
const WAITING: usize = 2048;

/// NATS cannot be used. Each is one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClusterError {
    /// The options do not fit together.
    #[error("[cluster]: {reason}")]
    Options {
        /// Why.
        reason: String,
    },
    /// The server turns this host away.
    #[error("[cluster]: NATS ({servers}) turns this host away: {reason}; look at its token, user or key")]
    Refused {
        /// `servers`
        servers: String,
        /// Why.
        reason: String,
    },
    /// The server is too old.
    #[error("[cluster]: NATS ({servers}) is version {version}; 2.9 or newer is needed")]
    TooOld {
        /// `servers`
        servers: String,
        /// What it says.
        version: String,
    },
    /// JetStream is off, or this account may not use it.
    #[error(
        "[cluster]: JetStream at NATS ({servers}) cannot be used: {reason}; switch it on for the server and the account (jetstream {{}}), \
         and give the permissions of docs/cluster.md"
    )]
    JetStream {
        /// `servers`
        servers: String,
        /// Why.
        reason: String,
    },
}

/// A connection to NATS.
pub(in crate::cluster) struct Nats {
    client: Client,
    jetstream: Context,
    prefix: String,
    stream: String,
    replicas: usize,
    /// How long one operation may take.
    request_timeout: Duration,
    made: tokio::sync::Mutex<bool>,
}

impl Nats {
    /// Connects. NATS that is not there is no error.
    pub(in crate::cluster) async fn connect(config: &ClusterConfig) -> Result<(Self, Incoming), ClusterError> {
        let servers = config.servers.join(", ");
        // Once without a second try: what is wrong with the configuration is to end the start, and NATS that is not there is not.
        let first = options(config)?.connect(config.servers.clone()).await;
        let client = match first {
            Ok(client) => client,
            Err(error) => match error.kind() {
                ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
                    return Err(ClusterError::Refused { servers, reason: error.to_string() });
                }
                ConnectErrorKind::Tls | ConnectErrorKind::ServerParse => {
                    return Err(ClusterError::Options { reason: error.to_string() });
                }
                _ => {
                    warn!(servers, %error, "NATS cannot be reached (cluster.servers): this host serves logins alone, and joins the others when it can be");
                    let again = options(config)?.retry_on_initial_connect();
                    let client = again.connect(config.servers.clone()).await;
                    client.map_err(|error| ClusterError::Options { reason: error.to_string() })?
                }
            },
        };
        let request_timeout = (config.node_timeout / 5).clamp(Duration::from_millis(200), Duration::from_secs(2));
        let mut jetstream = jetstream::new(client.clone());
        jetstream.set_timeout(request_timeout);
        let nats = Self {
            jetstream,
            stream: format!("{}-nodes", config.prefix),
            prefix: config.prefix.clone(),
            replicas: config.replicas,
            client,
            request_timeout,
            made: tokio::sync::Mutex::new(false),
        };
        let incoming = nats.listen(&NodeName::new(&config.node)).await?;
        match timeout(START, nats.check(&servers)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(error),
            Err(_) => warn!(
                servers,
                "NATS does not answer (cluster.servers): this host serves logins alone, and joins the others when it does"
            ),
        }
        Ok((nats, incoming))
    }

    /// Waits for a connection, and makes sure that the server will do.
    async fn check(&self, servers: &str) -> Result<(), ClusterError> {
        while self.client.connection_state() != Connection::Connected {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let version = self.client.server_info().version;
        let mut numbers = version.split('.').map(|part| part.parse::<u32>().unwrap_or_default());
        let number = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
        if number < OLDEST {
            return Err(ClusterError::TooOld { servers: servers.to_owned(), version });
        }
        loop {
            match self.make_stream().await {
                Ok(()) => break,
                Err(StreamFault::Wait(_)) => tokio::time::sleep(Duration::from_millis(200)).await,
                Err(StreamFault::Refused(reason)) => {
                    return Err(ClusterError::JetStream { servers: servers.to_owned(), reason });
                }
            }
        }
        info!(servers, version, "connected to NATS");
        Ok(())
    }

    /// The stream with the list of nodes.
    async fn make_stream(&self) -> Result<(), StreamFault> {
        let mut made = self.made.lock().await;
        if *made {
            return Ok(());
        }
        let stream = Stream {
            name: self.stream.clone(),
            subjects: vec![format!("{}.state.>", self.prefix)],
            max_messages_per_subject: 1,
            max_message_size: 1 << 20,
            num_replicas: self.replicas,
            description: Some("roster-host: which nodes there are".to_owned()),
            ..Stream::default()
        };
        match timeout(self.request_timeout * 2, self.jetstream.get_or_create_stream(stream)).await {
            Ok(Ok(_)) => {
                *made = true;
                Ok(())
            }
            Ok(Err(error)) => Err(match error.kind() {
                // A cluster that has no leader yet answers so, too.
                CreateStreamErrorKind::JetStream(fault)
                    if fault.code() == 503 || fault.error_code() == ErrorCode::CLUSTER_NO_PEERS =>
                {
                    StreamFault::Wait(error.to_string())
                }
                CreateStreamErrorKind::JetStream(_) | CreateStreamErrorKind::JetStreamUnavailable => {
                    StreamFault::Refused(error.to_string())
                }
                _ => StreamFault::Wait(error.to_string()),
            }),
            Err(_) => Err(StreamFault::Wait("no answer in time".to_owned())),
        }
    }

    async fn ready(&self) -> Result<(), EngineError> {
        self.make_stream().await.map_err(|fault| match fault {
            StreamFault::Wait(reason) | StreamFault::Refused(reason) => EngineError::Unavailable(reason),
        })
    }

    /// What is sent to this node and to all.
    async fn listen(&self, me: &NodeName) -> Result<Incoming, ClusterError> {
        let failed = |error: async_nats::SubscribeError| ClusterError::Options { reason: error.to_string() };
        let own = self.client.subscribe(self.node(me)).await.map_err(failed)?;
        let all = self.client.subscribe(format!("{}.all", self.prefix)).await.map_err(failed)?;
        let (sender, incoming) = mpsc::channel(WAITING);
        tokio::spawn(async move {
            let mut messages = futures::stream::select(own, all);
            while let Some(message) = messages.next().await {
                if sender.send(message.payload).await.is_err() {
                    return;
                }
            }
        });
        Ok(incoming)
    }

    fn node(&self, name: &NodeName) -> String {
        format!("{}.node.{}", self.prefix, token(name.as_str()))
    }

    fn subject(&self, key: &str) -> String {
        match key.split_once('.') {
            Some((kind, name)) => format!("{}.state.{kind}.{}", self.prefix, token(name)),
            None => format!("{}.state.{key}", self.prefix),
        }
    }

    async fn in_time<T, E: ToString>(&self, work: impl Future<Output = Result<T, E>>) -> Result<T, EngineError> {
        match timeout(self.request_timeout, work).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(EngineError::Unavailable(error.to_string())),
            Err(_) => Err(EngineError::Unavailable("NATS did not answer in time".to_owned())),
        }
    }
}

/// Why the stream is not there.
enum StreamFault {
    /// It may be later.
    Wait(String),
    /// It will not be.
    Refused(String),
}

/// A name as one token of a subject: dots divide tokens.
fn token(name: &str) -> String {
    name.replace('.', "%2E")
}

fn options(config: &ClusterConfig) -> Result<ConnectOptions, ClusterError> {
    let options = ConnectOptions::new()
        .name(format!("roster-host {}", config.node))
        .connection_timeout(config.node_timeout.min(Duration::from_secs(5)))
        .ping_interval(config.node_timeout / 2)
        .subscription_capacity(WAITING)
        .reconnect_delay_callback(|attempt| {
            Duration::from_millis(50).saturating_mul(u32::try_from(attempt.min(20)).unwrap_or(20))
        })
        .event_callback(async |event| match event {
            Event::Connected => info!("the connection to NATS is there"),
            Event::Disconnected => warn!("the connection to NATS is lost; it is made again by itself"),
            Event::SlowConsumer(_) => warn!("messages of other nodes come faster than they are read; some are lost"),
            Event::ServerError(error) => warn!(%error, "NATS refuses something"),
            Event::ClientError(error) => info!(%error, "NATS cannot be reached"),
            Event::LameDuckMode | Event::Draining | Event::Closed => {}
        });
    let options = match &config.credentials {
        NatsCredentials::Nobody => options,
        NatsCredentials::Token(token) => options.token(token.reveal().to_owned()),
        NatsCredentials::User(user, password) => options.user_and_password(user.clone(), password.reveal().to_owned()),
        NatsCredentials::Nkey(seed) => options.nkey(seed.reveal().trim().to_owned()),
        NatsCredentials::Credentials(text) => options
            .credentials(text.reveal())
            .map_err(|error| ClusterError::Options { reason: format!("credentials_file: {error}") })?,
    };
    let options = match &config.ca_file {
        Some(ca) => options.add_root_certificates(ca.clone()),
        None => options,
    };
    Ok(match &config.certificate {
        Some((certificate, key)) => options.add_client_certificate(certificate.clone(), key.clone()),
        None => options,
    })
}

#[async_trait]
impl Engine for Nats {
    async fn send(&self, to: &NodeName, message: Bytes) -> Result<(), EngineError> {
        self.in_time(self.client.publish(self.node(to), message)).await
    }

    async fn send_all(&self, message: Bytes) -> Result<(), EngineError> {
        self.in_time(self.client.publish(format!("{}.all", self.prefix), message)).await
    }

    async fn read(&self, key: &str) -> Result<Option<Entry>, EngineError> {
        self.ready().await?;
        let read = async {
            let stream = self.jetstream.get_stream_no_info(&self.stream).await.map_err(|error| error.to_string())?;
            match stream.get_last_raw_message_by_subject(&self.subject(key)).await {
                Ok(message) => Ok(Some(Entry { value: message.payload, revision: message.sequence })),
                Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
                Err(error) => Err(error.to_string()),
            }
        };
        let entry = self.in_time(read).await;
        if entry.is_err() {
            // Whoever has lost all data has lost the stream.
            *self.made.lock().await = false;
        }
        entry
    }

    async fn write(&self, key: &str, value: Bytes, expected: Option<u64>) -> Result<(), EngineError> {
        self.ready().await?;
        let mut headers = HeaderMap::new();
        if let Some(revision) = expected {
            headers.insert(header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, revision.to_string().as_str());
        }
        let write = async {
            let sent = self.jetstream.publish_with_headers(self.subject(key), headers, value).await;
            let written = match sent {
                Ok(taken) => taken.await,
                Err(error) => Err(error),
            };
            match written {
                Ok(_) => Ok(true),
                Err(error) if matches!(error.kind(), PublishErrorKind::WrongLastSequence) => Ok(false),
                Err(error) => Err(error.to_string()),
            }
        };
        match self.in_time(write).await? {
            true => Ok(()),
            false => Err(EngineError::Conflict),
        }
    }

    async fn remove(&self, key: &str) -> Result<(), EngineError> {
        let subject = self.subject(key);
        let remove = async {
            let stream = self.jetstream.get_stream_no_info(&self.stream).await.map_err(|error| error.to_string())?;
            stream.purge().filter(subject).await.map(|_| ()).map_err(|error| error.to_string())
        };
        self.in_time(remove).await
    }
}
