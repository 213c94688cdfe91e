//! What was received, into a file: OTLP JSON Lines, a request a line.
//! Spec: <https://opentelemetry.io/docs/specs/otel/protocol/file-exporter/>

use std::io::{self, BufWriter, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use hyper::body::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use tokio::sync::mpsc;

use crate::collect::to_json_line;

/// Requests that may wait for the file; then those who hand them in wait.
const MAX_WAITING: usize = 64;

/// Writes requests to a file, on a thread of its own. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Saver {
    /// `None` is the end.
    requests: mpsc::Sender<Option<Bytes>>,
    writer: Arc<Mutex<Option<JoinHandle<io::Result<()>>>>>,
}

impl Saver {
    /// Writes to `file` from now on.
    ///
    /// # Errors
    /// If there is no thread for it.
    pub fn start(file: impl Write + Send + 'static) -> io::Result<Self> {
        let (requests, waiting) = mpsc::channel(MAX_WAITING);
        let thread = std::thread::Builder::new().name("meshspan-save".to_owned());
        let writer = thread.spawn(move || write(BufWriter::new(file), waiting))?;
        Ok(Self { requests, writer: Arc::new(Mutex::new(Some(writer))) })
    }

    /// Hands in an encoded request, which is valid.
    pub(super) async fn save(&self, request: Bytes) {
        // A writer that has failed says so in the end; the spans are stored.
        let _ = self.requests.send(Some(request)).await;
    }

    /// Waits until all that was handed in is written. To be called outside of any runtime.
    ///
    /// # Errors
    /// Why something could not be written.
    pub fn finish(&self) -> io::Result<()> {
        let _ = self.requests.blocking_send(None);
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        writer.map_or(Ok(()), |writer| {
            writer.join().unwrap_or_else(|_| Err(io::Error::other("the writer panicked")))
        })
    }
}

fn write(mut file: impl Write, mut requests: mpsc::Receiver<Option<Bytes>>) -> io::Result<()> {
    while let Some(Some(request)) = requests.blocking_recv() {
        let spans = ExportTraceServiceRequest::decode(request).map_err(io::Error::other)?;
        let line = to_json_line(&spans.resource_spans);
        file.write_all(line.as_bytes()).and_then(|()| file.write_all(b"\n")).inspect_err(complain)?;
        if requests.is_empty() {
            file.flush().inspect_err(complain)?;
        }
    }
    file.flush()
}

/// Now, as the end may be far.
fn complain(error: &io::Error) {
    tracing::error!("cannot save spans any more: {error}; they are stored and sent as before");
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use opentelemetry_proto::tonic::trace::v1::ResourceSpans;

    use super::*;
    use crate::collect::from_json_lines;

    /// A file that says what is written to it.
    struct File(Sender<Vec<u8>>);

    impl Write for File {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let sent = self.0.send(bytes.to_vec());
            sent.map(|()| bytes.len()).map_err(|_| io::Error::from(io::ErrorKind::StorageFull))
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn request(url: &str) -> ExportTraceServiceRequest {
        let spans = ResourceSpans { schema_url: url.to_owned(), ..ResourceSpans::default() };
        ExportTraceServiceRequest { resource_spans: vec![spans] }
    }

    fn hand_in(saver: &Saver, url: &str) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(saver.save(request(url).encode_to_vec().into()));
    }

    #[test]
    fn each_request_is_a_line_that_is_written_at_once() {
        let (file, written) = channel();
        let saver = Saver::start(File(file)).unwrap();
        hand_in(&saver, "a");
        let first = written.recv().unwrap();
        hand_in(&saver, "b");
        saver.finish().unwrap();
        let all: Vec<u8> = [first].into_iter().chain(written.iter()).flatten().collect();
        let lines = from_json_lines(std::str::from_utf8(&all).unwrap()).unwrap();
        assert_eq!(lines, [request("a").resource_spans, request("b").resource_spans].concat());
    }

    #[test]
    fn a_full_disk_is_told_in_the_end_and_holds_nobody_up() {
        let (file, written) = channel();
        drop(written);
        let saver = Saver::start(File(file)).unwrap();
        (0..2 * MAX_WAITING).for_each(|_| hand_in(&saver, "a"));
        assert_eq!(saver.finish().unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
