//! HTTP/1.1 by hand on kept connections: the client's side, and the chunks that both sides read.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use meshspan_tests::wait::PATIENCE;

use crate::load::{Body, Load, STREAMED_BYTES};

/// A client's connection, kept from one small request to the next.
pub(crate) struct Connection {
    port: u16,
    socket: BufReader<TcpStream>,
}

impl Connection {
    /// Connects to a port of 127.0.0.1.
    pub(crate) fn open(port: u16) -> io::Result<Connection> {
        let socket = TcpStream::connect(("127.0.0.1", port))?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Connection { port, socket: BufReader::new(socket) })
    }

    /// Sends a request and reads the whole answer, which has to be 200.
    pub(crate) fn exchange(&mut self, load: &Load, head: &[u8]) -> io::Result<()> {
        self.socket.get_mut().write_all(head)?;
        let answer = Head::read(&mut self.socket)?;
        assert_eq!(answer.start_line, "HTTP/1.1 200 OK");
        match load.body {
            Body::Small => self.socket.read_exact(&mut vec![0; answer.content_length]),
            Body::Streamed { chunks } => {
                self.stream(chunks)?;
                // Envoy closes an HTTP/1.1 connection whose answer began before the request had ended.
                *self = Connection::open(self.port)?;
                Ok(())
            }
        }
    }

    /// The chunks one by one, each when the one before is back.
    fn stream(&mut self, chunks: usize) -> io::Result<()> {
        let length = STREAMED_BYTES / chunks;
        let chunk = frame(&vec![b'm'; length]);
        let mut back = Vec::new();
        for _ in 0..chunks {
            self.socket.get_mut().write_all(&chunk)?;
            // The proxy may have cut it.
            let mut returned = 0;
            while returned < length {
                returned += read_chunk(&mut self.socket, &mut back)?;
            }
        }
        self.socket.get_mut().write_all(&frame(&[]))?;
        let rest = read_chunk(&mut self.socket, &mut back)?;
        assert_eq!(rest, 0, "bytes after the body's end");
        Ok(())
    }
}

/// What counts of a message's head.
pub(crate) struct Head {
    start_line: String,
    content_length: usize,
    pub(crate) chunked: bool,
}

impl Head {
    /// Reads to the empty line.
    pub(crate) fn read(reader: &mut impl BufRead) -> io::Result<Head> {
        let start_line = line(reader)?;
        let mut head = Head { start_line, content_length: 0, chunked: false };
        loop {
            let line = line(reader)?;
            match line.split_once(": ") {
                Some(("content-length", length)) => head.content_length = length.parse().expect("a number"),
                Some(("transfer-encoding", "chunked")) => head.chunked = true,
                Some(_) => {}
                None => return Ok(head),
            }
        }
    }
}

/// A body's chunk as it goes over the wire; one without bytes is the last.
pub(crate) fn frame(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

/// Reads one chunk into `bytes` and tells its length.
pub(crate) fn read_chunk(reader: &mut impl BufRead, bytes: &mut Vec<u8>) -> io::Result<usize> {
    let length = usize::from_str_radix(&line(reader)?, 16).map_err(io::Error::other)?;
    bytes.resize(length, 0);
    reader.read_exact(bytes)?;
    let end = line(reader)?;
    if end.is_empty() { Ok(length) } else { Err(io::Error::other("a chunk longer than it says")) }
}

fn line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let line = line.strip_suffix("\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(line.to_owned())
}
