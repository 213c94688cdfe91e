//! Many streams of one connection, all open at once: none gets what is another's.

use h2::client::SendRequest;
use hyper::Request;
use hyper::body::Bytes;
use meshspan_tests::faulty_collector::Behaviour;
use meshspan_tests::ledger::Sent;
use meshspan_tests::load::Report;
use meshspan_tests::rig::{Protocol, Rig, plugin};
use meshspan_tests::situation::{Event, Seen, Times};
use meshspan_tests::wait;
use tokio::net::TcpStream;

const STREAMS: usize = 256;
/// The span that each request comes from.
const PARENT: &str = "00f067aa0ba902b7";

#[test]
fn many_streams_of_one_connection_keep_their_own_spans() {
    let rig = Rig::start(plugin("web", Protocol::Grpc, r#","max_delay_ms":100"#), Behaviour::Accept);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let without = runtime.block_on(fetch(rig.plain));
    let begin = wait::unix_nanos();
    let with = runtime.block_on(fetch(rig.port()));
    let times = Times { begin, end: wait::unix_nanos() };
    assert_eq!(with, without);
    let sent = |number: usize| Sent {
        method: "POST",
        trace_id: trace(number),
        parent: PARENT.to_owned(),
        onward: String::new(),
        service: Some("web".to_owned()),
        answered: with[number].status().unwrap(),
        times,
    };
    let (answered, failures) = (STREAMS as u64, Vec::new());
    rig.compare_load(&Report { answered, failures, sent: (0..STREAMS).map(sent).collect() });
    let spans = 2 * answered;
    assert_eq!(rig.settled(spans).exported, spans);
    rig.assert_spans();
    rig.assert_calm(0);
}

fn trace(number: usize) -> String {
    format!("5174{:028x}", number + 1)
}

/// All heads go first, then the bodies from the last to the first, so that all streams are open at once.
async fn fetch(port: u16) -> Vec<Seen> {
    let socket = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let (mut sender, connection) = h2::client::handshake(socket).await.unwrap();
    tokio::spawn(async { drop(connection.await) });
    let (mut bodies, mut responses) = (Vec::new(), Vec::new());
    for number in 0..STREAMS {
        sender = sender.ready().await.unwrap();
        let (response, body) = send(&mut sender, number);
        responses.push(response);
        bodies.push(body);
    }
    for (number, body) in bodies.iter_mut().enumerate().rev() {
        body.send_data(Bytes::from(vec![b'x'; number]), true).unwrap();
    }
    let mut answers = Vec::new();
    for response in responses {
        let (head, mut body) = response.await.unwrap().into_parts();
        let mut fields = vec![(":status".to_owned(), head.status.as_str().into())];
        fields.extend(head.headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())));
        let mut bytes = Vec::new();
        while let Some(data) = body.data().await {
            bytes.extend_from_slice(&data.unwrap());
        }
        let events = [Event::Head(fields), Event::Data(bytes), Event::End];
        answers.push(events.into_iter().collect::<Seen>().constant());
    }
    answers
}

fn send(
    sender: &mut SendRequest<Bytes>,
    number: usize,
) -> (h2::client::ResponseFuture, h2::SendStream<Bytes>) {
    let request = Request::post(format!("http://meshspan.test/streams/{number}"))
        .header("traceparent", format!("00-{}-{PARENT}-01", trace(number)))
        .body(())
        .unwrap();
    sender.send_request(request, false).unwrap()
}
