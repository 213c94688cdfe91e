use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;

/// A receiver on a free port, and what ends it.
struct Running {
    address: SocketAddr,
    receiver: Receiver,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Served>,
}

async fn start(store: &Store, options: ReceiverOptions) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let receiver = Receiver::new(store.clone(), options);
    let (stop, stopped) = oneshot::channel::<()>();
    let until = async { drop(stopped.await) };
    let served = tokio::spawn(serve(receiver.clone(), listener, None, until, Duration::from_millis(500)));
    Running { address, receiver, stop, served }
}

/// A request of HTTP/1.1 that says it has so many bytes.
fn head(length: usize) -> String {
    format!(
        "POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: {length}\r\n\r\n"
    )
}

async fn status_line(client: &mut TcpStream) -> String {
    let mut answer = vec![0; 12];
    client.read_exact(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_slow_request_is_given_up() {
    let patience = Duration::from_millis(100);
    let options = ReceiverOptions { request_timeout: patience, ..ReceiverOptions::default() };
    let running = start(&store(), options).await;
    let mut client = TcpStream::connect(running.address).await.unwrap();
    client.write_all(head(100).as_bytes()).await.unwrap();
    assert_eq!(status_line(&mut client).await, "HTTP/1.1 408");
    assert_eq!(running.receiver.metrics().requests(), [("slow", 1)].into());
    assert_eq!(running.receiver.memory_bytes(), 0);
}

#[tokio::test]
async fn a_silent_connection_is_closed() {
    let options = ReceiverOptions { idle_timeout: Duration::from_millis(100), ..ReceiverOptions::default() };
    let running = start(&store(), options).await;
    for sent in ["", "P", "PRI * HTTP/2.0\r\n", "POST / HTTP"] {
        let mut client = TcpStream::connect(running.address).await.unwrap();
        client.write_all(sent.as_bytes()).await.unwrap();
        let closed = timeout(Duration::from_secs(5), client.read_to_end(&mut Vec::new())).await;
        assert!(closed.is_ok(), "{sent:?}: the connection is open still");
    }
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_nothing() {
    let running = start(&store(), ReceiverOptions::default()).await;
    let mut client = TcpStream::connect(running.address).await.unwrap();
    client.write_all((head(100) + "0123").as_bytes()).await.unwrap();
    while running.receiver.memory_bytes() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(client);
    while running.receiver.memory_bytes() > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn many_connections_are_served_and_more_wait() {
    let store = store();
    let options = ReceiverOptions { max_connections: 20, ..ReceiverOptions::default() };
    let running = start(&store, options).await;
    let body = request(1..3).encode_to_vec();
    let mut clients = Vec::new();
    for _ in 0..60 {
        let (address, body) = (running.address, body.clone());
        clients.push(tokio::spawn(async move {
            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(head(body.len()).as_bytes()).await.unwrap();
            client.write_all(&body).await.unwrap();
            status_line(&mut client).await
        }));
    }
    for client in clients {
        assert_eq!(client.await.unwrap(), "HTTP/1.1 200");
    }
    assert_eq!(running.receiver.metrics().stored(), 120);
}

#[tokio::test]
async fn what_is_under_way_is_answered_before_the_end() {
    let store = store();
    let running = start(&store, ReceiverOptions::default()).await;
    let body = request(1..3).encode_to_vec();
    let mut client = TcpStream::connect(running.address).await.unwrap();
    client.write_all(head(body.len()).as_bytes()).await.unwrap();
    while running.receiver.memory_bytes() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    running.stop.send(()).unwrap();
    while running.receiver.is_ready() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(TcpStream::connect(running.address).await.is_err(), "nobody else is let in");
    client.write_all(&body).await.unwrap();
    assert_eq!(status_line(&mut client).await, "HTTP/1.1 200");
    assert_eq!(running.served.await.unwrap(), Served { is_whole: true });
    assert_eq!(kept(&store), 2);
}

#[tokio::test]
async fn a_drain_has_an_end() {
    let running = start(&store(), ReceiverOptions::default()).await;
    let mut client = TcpStream::connect(running.address).await.unwrap();
    client.write_all(head(100).as_bytes()).await.unwrap();
    while running.receiver.memory_bytes() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    running.stop.send(()).unwrap();
    assert_eq!(running.served.await.unwrap(), Served { is_whole: false });
}
