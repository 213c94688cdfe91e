//! The application behind every Envoy: a short answer, or each chunk sent back as it comes.
//! A thread a connection, so that it costs little beside what is measured.

use std::io::{self, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use crate::connection::{Head, frame, read_chunk};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncache-control: no-store\r\n\
    content-length: 27\r\n\r\n{\"id\":42,\"name\":\"a kettle\"}";
const STREAM: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// A running application; ends with this process.
pub(crate) struct Application {
    port: u16,
}

impl Application {
    /// Starts on a free port of 127.0.0.1.
    pub(crate) fn start() -> Application {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                // Envoy closes its connections when it ends; that ends their threads.
                thread::spawn(move || serve(socket));
            }
        });
        Application { port }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

fn serve(socket: TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut reader = BufReader::new(socket.try_clone()?);
    let mut writer = socket;
    let mut chunk = Vec::new();
    loop {
        if !Head::read(&mut reader)?.chunked {
            writer.write_all(ANSWER)?;
            continue;
        }
        writer.write_all(STREAM)?;
        while read_chunk(&mut reader, &mut chunk)? > 0 {
            writer.write_all(&frame(&chunk))?;
        }
        writer.write_all(&frame(&[]))?;
    }
}
