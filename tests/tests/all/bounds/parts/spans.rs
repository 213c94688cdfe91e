//! Bounds of what receives, keeps, sends on and shows spans.

use std::time::Duration;

use super::{Most, Row, row};

pub(super) const RECEIVING: &[Row] = &[
    row!(
        "receive/connections.rs",
        GREETING,
        Time(Duration::from_secs(10)),
        "a TLS handshake, a request's head",
        "the connection ends"
    ),
    row!("receive/connections.rs", MAX_STREAMS, Count(256), "calls at once on a connection", "they wait"),
    row!("receive/connections.rs", STREAM_WINDOW, Bytes(1 << 20), "a call's bytes ahead", "the sender waits"),
    row!(
        "receive/connections.rs",
        CONNECTION_WINDOW,
        Bytes(4 << 20),
        "a connection's bytes ahead",
        "the sender waits"
    ),
    row!(
        "receive/intake.rs",
        MAX_MESSAGES,
        Count(1 << 20),
        "messages within a request",
        "refused as invalid"
    ),
    row!("collect/scan.rs", MAX_DEPTH, Count(64), "messages in each other", "refused as invalid"),
    row!("collect/decode.rs", MAX_BODY_BYTES, Bytes(64 << 20), "a filter's export, unpacked", "refused"),
    row!("receive/save.rs", MAX_WAITING, Count(64), "requests that wait for `--save`", "senders wait"),
    row!("tls/identity.rs", MAX_SPIFFE_BYTES, Bytes(2048), "a SPIFFE id", "refused"),
];

pub(super) const KEEPING: &[Row] = &[
    row!("store.rs", MAX_WAITING, Count(256), "requests that wait for the writer", "senders wait"),
    row!("store.rs", MAX_MEMORY_BYTES, Bytes(896 << 20), "a store in memory", "the oldest spans go"),
    row!(
        "store.rs",
        PATIENCE,
        Time(Duration::from_secs(10)),
        "a search's wait for the newest spans",
        "answered without"
    ),
    row!(
        "store.rs",
        SHORT_PATIENCE,
        Time(Duration::from_secs(1)),
        "the same where the disk is full",
        "answered without"
    ),
    row!(
        "store.rs",
        READER_PATIENCE,
        Time(Duration::from_secs(1)),
        "the same of one who may only read",
        "answered without"
    ),
    row!("store/writer.rs", MAX_GROUP_BYTES, Bytes(8 << 20), "requests of one transaction", "the next one"),
    row!(
        "store/writer.rs",
        MAX_UNINDEXED_BYTES,
        Bytes(64 << 20),
        "what no search finds yet",
        "the writer waits"
    ),
    row!("store/writer.rs", PATIENCE, Time(Duration::from_secs(1)), "that wait", "written all the same"),
    row!("store/writer.rs", MAX_LOG_BYTES, Bytes(64 << 20), "the log that begins anew", "cut"),
    row!("store/upkeep.rs", MAX_LOGGED_BYTES, Bytes(16 << 20), "the log", "moved to the file"),
    row!(
        "store/index.rs",
        MAX_LAST_STEPS,
        Count(1 << 10),
        "transactions that index what is left as a store closes",
        "the next start goes on"
    ),
    row!("store/index.rs", MAX_REQUESTS, Count(64), "requests indexed in one transaction", "the next one"),
    row!("store/index.rs", MAX_BYTES, Bytes(4 << 20), "their bytes", "the next one"),
    row!(
        "store/index/traces.rs",
        MAX_WEIGHT,
        Count(1_000_000),
        "spans and attributes of traces in memory",
        "read from the file"
    ),
    row!("store/names.rs", MAX_KNOWN, Count(100_000), "names in memory", "read from the file"),
    row!(
        "store/recent.rs",
        MAX_BYTES,
        Bytes(32 << 20),
        "requests in memory to be sent on",
        "read from the file"
    ),
    row!("store/recent.rs", MAX_REQUESTS, Count(4_096), "their number", "read from the file"),
    row!("store/evict.rs", MAX_REQUESTS, Count(256), "requests removed in one transaction", "the next one"),
    row!("store/evict.rs", MAX_BYTES, Bytes(16 << 20), "their bytes", "the next one"),
    row!("store/search.rs", MAX_COUNTED, Count(20), "traces counted beyond those wanted", "\"more\""),
];

pub(super) const SENDING: &[Row] = &[
    row!("export/grpc.rs", MAX_REQUEST_BYTES, Bytes(64 << 20), "a request", "dropped and counted"),
    row!("export/config.rs", MAX_BATCH_SPANS, Count(512), "spans of a batch", "the next one"),
    row!("export/config.rs", MAX_BATCH_BYTES, Bytes((4 << 20) - (64 << 10)), "a batch", "the next one"),
    row!("export/config.rs", MAX_IN_FLIGHT, Count(4), "requests under way", "the next one waits"),
    row!(
        "export/config.rs",
        DEFAULT_TIMEOUT,
        Time(Duration::from_secs(10)),
        "one attempt, unless configured",
        "tried again"
    ),
    row!(
        "export/retry.rs",
        MAX_ASKED,
        Time(Duration::from_secs(60 * 60)),
        "the wait that a collector asks for",
        "tried again"
    ),
    row!("export.rs", MAX_RESPONSE_BYTES, Bytes(4 << 20), "an answer", "an error"),
    row!("export.rs", MAX_WARNINGS, Count(10), "different warnings in a report", "left out"),
    row!("export/http/answer.rs", MAX_QUOTE_CHARS, Count(200), "characters of an answer quoted", "cut"),
    row!(
        "forward/destination.rs",
        MAX_BACKOFF,
        Time(Duration::from_secs(30)),
        "the wait between attempts of `--forward`",
        "tried again"
    ),
    row!(
        "forward/sending.rs",
        MAX_MERGED_BYTES,
        Bytes(512 << 10),
        "small requests sent as one",
        "the next one"
    ),
];

pub(super) const SHOWING: &[Row] = &[
    row!(
        "serve.rs",
        MAX_UPLOAD_BYTES,
        Bytes(256 << 20),
        "a file opened or imported, a line of it",
        "refused"
    ),
    row!("serve/answers.rs", MAX_LIMIT, Count(1_500), "traces of one search", "400"),
    row!("serve/refusals.rs", MAX_MESSAGE_BYTES, Bytes(64 << 10), "a refusal's text", "left out"),
    row!("cli/doctor/fetch.rs", MAX_ANSWER_BYTES, Bytes(64 << 20), "an answer to `doctor`", "an error"),
    row!("cli/doctor/fetch.rs", TIMEOUT, Time(Duration::from_secs(10)), "waiting for it", "an error"),
    row!("cli/doctor/stored.rs", MAX_TRACES, Count(200), "stored traces that `doctor` looks at", "left out"),
    row!("cli/doctor/live.rs", MAX_SERVICES, Count(20), "services whose traces it looks at", "left out"),
    row!("cli/doctor/live.rs", MAX_TRACES, Count(20), "traces of each", "left out"),
];
