//! How connections come in: [`tcp`], with TLS at once or not, and [`websocket`] (RFC 7395), with how clients find it (XEP-0156).

pub(crate) mod tcp;
pub(crate) mod websocket;
