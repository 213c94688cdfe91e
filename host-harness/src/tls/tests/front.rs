//! TLS in front of a server that speaks plain text.

use std::net::SocketAddr;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};

use crate::tls::{Acceptor, ServerFiles};

/// Takes TLS and passes what is inside on to `server`; its port.
pub(crate) async fn front(files: ServerFiles, versions: &[&[u8]], server: SocketAddr) -> u16 {
    let acceptor = std::sync::Arc::new(Acceptor::new(files, versions).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok((mut client, _)) = acceptor.accept(client).await else { return };
                let mut server = TcpStream::connect(server).await.unwrap();
                // Either may hang up.
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    port
}
