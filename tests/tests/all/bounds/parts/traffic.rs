//! Bounds of what reads, replays and passes on traffic, the filter among it.

use std::time::Duration;

use super::{Most, Row, row};

pub(super) const READING: &[Row] = &[
    row!("traffic/open.rs", MAX_HEAD_BYTES, Bytes(64 << 10), "what tells a file's format", "not looked at"),
    row!("traffic/jsonl.rs", MAX_LINE_BYTES, Bytes(16 << 20), "a line of a recording", "skipped and counted"),
    row!(
        "traffic/access_log.rs",
        MAX_LINE_BYTES,
        Bytes(1 << 20),
        "a line of an access log",
        "skipped and counted"
    ),
    row!("traffic/har.rs", MAX_ENTRY_BYTES, Bytes(64 << 20), "an entry of a HAR file", "skipped and counted"),
    row!(
        "traffic/tap.rs",
        MAX_TRACE_BYTES,
        Bytes(64 << 20),
        "a trace or segment of a tap",
        "skipped and counted"
    ),
    row!(
        "traffic/tap/segments.rs",
        MAX_WAITING,
        Count(1_024),
        "streamed traces that wait for their ends",
        "the oldest is taken as it is"
    ),
    row!(
        "traffic/tap/segments.rs",
        MAX_WAITING_BYTES,
        Bytes(64 << 20),
        "their bodies",
        "the oldest is taken as it is"
    ),
    row!(
        "traffic/gor.rs",
        MAX_MESSAGE_BYTES,
        Bytes(64 << 20),
        "a message of GoReplay",
        "skipped and counted"
    ),
    row!(
        "traffic/gor.rs",
        MAX_WAITING,
        Count(1_024),
        "requests that wait for their responses",
        "the oldest goes without"
    ),
    row!("traffic/gor.rs", MAX_WAITING_BYTES, Bytes(64 << 20), "their messages", "the oldest goes without"),
    row!(
        "traffic/http1.rs",
        MAX_HEADERS,
        Count(256),
        "headers of one of its messages",
        "skipped and counted"
    ),
    row!(
        "traffic/vegeta.rs",
        MAX_LINE_BYTES,
        Bytes(16 << 20),
        "a line of vegeta's targets",
        "skipped and counted"
    ),
    row!("traffic/vegeta.rs", MAX_TARGET_LINES, Count(1_000), "lines of one target", "skipped and counted"),
    row!(
        "traffic/exchange.rs",
        MAX_DURATION_US,
        Micros(86_400_000_000),
        "an exchange",
        "skipped and counted"
    ),
];

pub(super) const REPLAYING: &[Row] = &[
    row!(
        "replay/link.rs",
        MAX_WAITING_BYTES,
        Bytes(64 << 20),
        "exchanges that wait for the window",
        "the oldest goes before its time"
    ),
    row!("replay/crew.rs", MAX_ROUNDS, Count(3), "rounds of exchanges read ahead", "reading waits"),
    row!(
        "replay/pass.rs",
        PATIENCE,
        Time(Duration::from_secs(15)),
        "holding a message",
        "504, as Envoy's route"
    ),
    row!(
        "replay/letter.rs",
        MAX_CHUNK_BYTES,
        Bytes(16 << 10),
        "a chunk of a body not recorded in chunks",
        "the next chunk"
    ),
    row!("replay/application.rs", MAX_BATCH_SPANS, Count(512), "spans of an application's batch", "exported"),
    row!("replay/application.rs", MAX_BATCH_AGE, Time(Duration::from_secs(1)), "their waiting", "exported"),
    row!(
        "replay/engine.rs",
        DRAIN,
        Time(Duration::from_secs(60)),
        "exporting after the last exchange",
        "the replay ends"
    ),
    row!(
        "replay/engine.rs",
        MAX_FINISHES,
        Count(64),
        "requests to a VM to finish",
        "given up, a line in the log"
    ),
    row!("replay/stats.rs", MAX_LOG_LINES, Count(10_000), "log lines kept", "counted"),
    row!("compare.rs", AHEAD, Count(2), "pieces of one replay ahead of the other", "it waits"),
    row!(
        "compare/messages.rs",
        MAX_WAITING,
        Count(1 << 16),
        "messages without their like",
        "the oldest is given up and counted"
    ),
    row!(
        "compare/spans.rs",
        MAX_WAITING,
        Count(1 << 18),
        "spans without their like",
        "the oldest is given up and counted"
    ),
    row!("explain.rs", MOST_ZEROS, Bytes(1 << 20), "zeros for a body that was not recorded", "left out"),
    row!(
        "view/tally.rs",
        MAX_OPEN_SPANS,
        Count(65_536),
        "spans of traces that go on",
        "the oldest trace is settled"
    ),
    row!("view/tally.rs", MAX_WHOLE_SPANS, Count(1_024), "spans kept to be shown", "figures only"),
    row!("view/tally.rs", MAX_SHOWN, Count(8), "traces kept to be shown", "figures only"),
    row!("cli/export.rs", MAX_WAITING, Count(16), "pieces that wait to be sent", "the replay waits"),
    row!("testing/sweep.rs", MOST_PIECES, Count(16_384), "pieces of a body in a sweep", "larger pieces only"),
];

pub(super) const PROXY: &[Row] = &[
    row!(
        "flow/options.rs",
        DEFAULT_BUFFER_LIMIT_BYTES,
        Bytes(1024 * 1024),
        "a body that the filter holds",
        "413 or 500, as Envoy"
    ),
    row!(
        "proxy/worker.rs",
        HEAD_TIMEOUT,
        Time(Duration::from_secs(60)),
        "a TLS handshake, a request's head",
        "the connection ends"
    ),
    row!(
        "proxy/upstream.rs",
        CONNECT_TIMEOUT,
        Time(Duration::from_secs(5)),
        "a connection to the upstream",
        "503"
    ),
    row!(
        "proxy/limits.rs",
        MAX_HEAD_BYTES,
        Bytes(60 * 1024),
        "a head",
        "431, or a reset over HTTP/2; a response's 502"
    ),
    row!(
        "proxy/limits.rs",
        MAX_HEAD_FIELDS,
        Count(100),
        "its fields",
        "431, or a reset over HTTP/2; a response's 502"
    ),
    row!(
        "proxy/limits.rs",
        MAX_LIST_BYTES,
        Bytes(256 * 1024),
        "a head over HTTP/2, 32 for each field included",
        "431 by the HTTP library"
    ),
    row!("proxy/upstream.rs", MAX_IDLE, Count(64), "idle connections of a worker", "closed"),
    row!("proxy/upstream.rs", IDLE_FOR, Time(Duration::from_secs(50)), "idling", "closed"),
    row!("proxy/body.rs", CHANNEL, Count(2), "chunks that wait for a slow reader", "the sender waits"),
    row!("proxy/tunnel.rs", CHANNEL, Count(2), "pieces of a tunnel that wait, each way", "the sender waits"),
    row!(
        "proxy/callout.rs",
        MAX_ANSWER_BYTES,
        Bytes(16 * 1024 * 1024),
        "an answer to the filter's call",
        "the call fails"
    ),
    row!(
        "proxy/calls.rs",
        MAX_WAITING_MESSAGES,
        Count(1024),
        "a gRPC stream's messages that wait",
        "the stream ends"
    ),
    row!(
        "proxy/record.rs",
        QUEUE,
        Count(1024),
        "exchanges that wait to be recorded",
        "not recorded, counted"
    ),
    row!(
        "proxy/worker.rs",
        REPLACED_LIMIT,
        Time(Duration::from_secs(60)),
        "what a replaced filter has begun",
        "it is ended"
    ),
    row!("proxy/worker.rs", FINISH_LIMIT, Time(Duration::from_secs(10)), "a filter's end", "it is ended"),
    row!(
        "proxy/worker.rs",
        RESTART_AT_MOST,
        Time(Duration::from_secs(60)),
        "waiting for a filter's restart",
        "started anew"
    ),
    row!("mesh/process.rs", MAX_LINE_BYTES, Bytes(64 * 1024), "a line of an application", "told in pieces"),
];

pub(super) const FILTER: &[Row] = &[
    row!(filter "batch.rs", MAX_BATCH_BYTES, Bytes((4 << 20) - (64 << 10)), "a batch", "the next one; one span: dropped, counted"),
    row!(filter "retry.rs", MAX_BACKOFF, Time(Duration::from_secs(30)), "the wait between attempts", "tried again"),
    row!(filter "plugin/export.rs", ANSWER_GRACE, Time(Duration::from_secs(5)), "an answer beyond `export.timeout_ms`", "counts as failed"),
    row!(filter "plugin/export.rs", MAX_MESSAGE_CHARS, Count(200), "characters of a collector's message logged", "cut"),
    row!(filter "config/check.rs", MAX_RESOURCE_BYTES, Bytes(48 << 10), "resource attributes", "refused"),
    row!(filter "config/node.rs", MAX_BYTES, Bytes(16 << 10), "attributes from the proxy's node", "left out, a line in the log"),
    row!(filter "config/json/reader.rs", MAX_DEPTH, Count(100), "lists and objects in each other", "refused"),
    row!(filter "config/protobuf_struct.rs", MAX_DEPTH, Count(100), "the node's structs in each other", "not read"),
    row!(filter "config/check/sampling.rs", MAX_RULES, Count(100), "sampling rules", "refused"),
    row!(filter "config/check/sampling.rs", MAX_NAME, Count(64), "characters of a rule's name", "refused"),
    row!(filter "config/check/sampling.rs", MAX_TEXT, Bytes(256), "a text to compare with", "refused"),
    row!(filter "propagation/tracestate.rs", MAX_MEMBERS, Count(32), "entries of `tracestate`", "the whole is invalid"),
    row!(filter "propagation/tracestate.rs", MAX_LEN, Bytes(512), "`tracestate` sent onward", "loses entries, long ones first"),
    row!(filter "propagation/tracestate.rs", MAX_PART, Bytes(256), "a key, a value of it", "the whole is invalid"),
    row!(filter "sampler/ot.rs", MAX_LEN, Bytes(256), "its entry `ot`", "goes without `th`"),
];
