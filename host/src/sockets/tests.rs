#![allow(clippy::unwrap_used)]

use std::net::{SocketAddr, TcpListener};

use super::{InheritedSockets, Purpose, Sockets};

const ANY: &str = "127.0.0.1:0";

fn holder() -> (TcpListener, SocketAddr) {
    let holder = TcpListener::bind(ANY).unwrap();
    let address = holder.local_addr().unwrap();
    (holder, address)
}

#[tokio::test]
async fn every_address_that_is_taken_is_named_and_then_none_is_listened_on() {
    let ((_one, first), (_other, second)) = (holder(), holder());
    let (free, at_free) = holder();
    drop(free);
    let wanted = [(Purpose::Http, first), (Purpose::Admin, at_free), (Purpose::XmppTls, second)];
    let refused = Sockets::open(wanted, InheritedSockets::default()).await.err().unwrap();
    let expected = [(first, "http.listen (--http-listen)"), (second, "xmpp.tls_listen (--xmpp-tls-listen)")]
        .map(|(address, with)| format!("cannot listen on {address}: address in use; choose another with {with}"));
    assert_eq!(refused.lines(), expected);
    TcpListener::bind(at_free).unwrap();
}

#[tokio::test]
async fn a_socket_that_is_given_is_listened_on_and_one_that_nobody_wants_is_named() {
    let ((one, first), (other, second)) = (holder(), holder());
    let kept = one.try_clone().unwrap();
    let given = InheritedSockets::of([other, one]).unwrap();
    let refused = Sockets::open([(Purpose::Http, first)], given).await.err().unwrap().lines();
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert!(refused.iter().all(|line| line.contains(&second.to_string()) && line.contains("ListenStream=")));

    // An address is taken, so it has to be this socket.
    let given = InheritedSockets::of([kept.try_clone().unwrap()]).unwrap();
    let any = ANY.parse().unwrap();
    let sockets = Sockets::open([(Purpose::Http, any), (Purpose::Admin, first)], given).await.unwrap();
    assert_eq!(sockets.address(Purpose::Admin), Some(first));
    assert_ne!(sockets.address(Purpose::Http), Some(first));
}

#[test]
fn a_socket_that_does_not_listen_cannot_be_given() {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    assert!(super::inherited::usable(socket.into()).is_err());
}
