use super::*;

fn whole() -> Counters {
    Counters { started: 4, finished: 4, exported: 4, attempted: 1, ..Counters::default() }
}

fn filter(counters: Counters) -> Evidence {
    Evidence { filter: Some(Seen::Found(counters)), ..Evidence::default() }
}

fn cluster(evidence: Evidence, cluster: Cluster) -> Evidence {
    let cluster = Cluster { name: "otel".to_owned(), exists: true, hosts: 1, ..cluster };
    Evidence { cluster: Some(cluster), ..evidence }
}

fn failed() -> Evidence {
    filter(Counters { exported: 0, failed: 1, ..whole() })
}

fn formats(header: &str) -> Formats {
    let line = format!(
        r#"{{"id":"1","source":"a","destination":"b","start":"2026-01-01T00:00:00Z",
        "request":{{"method":"GET","scheme":"http","authority":"b","path":"/","headers":[["{header}","x"]]}},
        "response":{{"status":200}},"timing_us":{{"request_end":0,"response_start":1,"response_end":2}}}}"#
    );
    let mut formats = Formats::default();
    formats.add(&serde_json::from_str(&line).unwrap());
    formats
}

#[test]
fn each_break_is_found_at_its_station_and_nothing_is_said_beyond() {
    let none = Counters::default();
    let visible = |traces, orphans| Evidence {
        visible: Some(Visible { traces, orphans, spans: 4, ..Visible::default() }),
        ..filter(whole())
    };
    let gone = Cluster { exists: false, ..cluster(failed(), Cluster::default()).cluster.unwrap() };
    let table = [
        (
            Evidence { filter: Some(Seen::Missing), ..Evidence::default() },
            Stage::Header,
            "no meshspan_* counters",
        ),
        (
            Evidence { formats: Some(formats("uber-trace-id")), ..filter(none) },
            Stage::Header,
            "1 uber-trace-id",
        ),
        (
            Evidence { formats: Some(formats("accept")), ..filter(none) },
            Stage::Header,
            "none of 1 request carries",
        ),
        (filter(Counters { invalid: 3, ..none }), Stage::Header, "invalid: all of 3 trace contexts"),
        (filter(none), Stage::Header, "no request has carried"),
        (filter(Counters { outbound_without_context: 2, ..none }), Stage::Header, "2 outbound ones"),
        (filter(Counters { sampled_out: 8, ..none }), Stage::Sampled, "sampled out: all of 8 spans"),
        (filter(Counters { started: 2, ..none }), Stage::Started, "none has ended"),
        (filter(Counters { queue_full: 1, ..whole() }), Stage::Queued, "of 4 spans, 1 found the queue full"),
        (filter(Counters { attempted: 0, queued: 4, ..whole() }), Stage::Sent, "in the queue: 4 spans"),
        (Evidence { cluster: Some(gone), ..failed() }, Stage::Accepted, "has no cluster \"otel\""),
        (
            cluster(failed(), Cluster { tls_failures: 1, ..Cluster::default() }),
            Stage::Accepted,
            "TLS handshakes",
        ),
        (
            cluster(failed(), Cluster { protocol_errors: 1, ..Cluster::default() }),
            Stage::Accepted,
            "else than HTTP",
        ),
        (
            cluster(failed(), Cluster { connect_failures: 1, ..Cluster::default() }),
            Stage::Accepted,
            "could not be made",
        ),
        (
            cluster(failed(), Cluster { timeouts: 1, ..Cluster::default() }),
            Stage::Accepted,
            "no answer in time",
        ),
        (
            cluster(failed(), Cluster { refusals: 1, ..Cluster::default() }),
            Stage::Accepted,
            "answered with an error",
        ),
        (filter(Counters { rejected: 1, ..whole() }), Stage::Accepted, "rejected 1 span in"),
        (failed(), Stage::Accepted, "of 1 export request, 1 failed"),
        (filter(Counters { exported: 0, ..whole() }), Stage::Accepted, "no answer yet"),
        (visible(0, 0), Stage::Visible, "has no"),
        (visible(1, 2), Stage::Visible, "of 4 spans, 2 cut off from what is above"),
    ];
    for (evidence, stage, words) in table {
        let diagnosis = Diagnosis::of(&evidence);
        let found = diagnosis.first_break().unwrap_or_else(|| panic!("{words}: {diagnosis:?}"));
        assert_eq!(found.stage, stage, "{words}: {}", found.seen);
        assert!(found.seen.contains(words), "{words}: {}", found.seen);
        assert!(found.advice.is_some(), "{words}");
        assert_eq!(diagnosis.steps.len(), stage as usize + 1, "{words}: nothing below the break");
    }
}

#[test]
fn a_past_failure_of_the_cluster_is_none_while_spans_arrive() {
    let evidence = cluster(filter(whole()), Cluster { connect_failures: 3, ..Cluster::default() });
    assert_eq!(Diagnosis::of(&evidence).first_break(), None);
}

#[test]
fn what_nobody_looked_at_is_unknown_and_no_break() {
    let diagnosis = Diagnosis::of(&Evidence::default());
    assert!(diagnosis.steps.iter().all(|step| step.state == State::Unknown), "{diagnosis:?}");
    assert_eq!(diagnosis.steps.len(), Stage::ALL.len());
    let text = text(&diagnosis);
    assert!(text.contains("--proxy URL") && text.contains("--traces URL"), "{text}");
}

#[test]
fn what_only_linkerd_does_not_read_is_noted() {
    let evidence = Evidence { formats: Some(formats("b3")), ..filter(whole()) };
    let diagnosis = Diagnosis::of(&evidence);
    assert_eq!(diagnosis.first_break(), None);
    assert!(diagnosis.notes[0].contains("Linkerd's proxy does not"), "{:?}", diagnosis.notes);
}

#[test]
fn a_cluster_is_read_from_the_proxys_own_numbers() {
    let metrics = Metrics::parse(concat!(
        "envoy_cluster_membership_total{envoy_cluster_name=\"otel\"} 1\n",
        "envoy_cluster_membership_total{envoy_cluster_name=\"app\"} 9\n",
        "envoy_cluster_upstream_cx_connect_fail{envoy_cluster_name=\"otel\"} 2\n",
        "envoy_cluster_upstream_cx_connect_timeout{envoy_cluster_name=\"otel\"} 3\n",
        "envoy_cluster_ssl_fail_verify_san{envoy_cluster_name=\"otel\"} 4\n",
        "envoy_cluster_upstream_rq_xx{envoy_response_code_class=\"2\",envoy_cluster_name=\"otel\"} 5\n",
        "envoy_cluster_upstream_rq_xx{envoy_response_code_class=\"5\",envoy_cluster_name=\"otel\"} 6\n",
    ));
    let found = Cluster::read("otel", &metrics);
    let expected = Cluster { connect_failures: 5, tls_failures: 4, refusals: 6, ..Cluster::default() };
    assert_eq!(found, cluster(Evidence::default(), expected).cluster);
    assert!(!Cluster::read("other", &metrics).unwrap().exists);
    assert_eq!(Cluster::read("otel", &Metrics::default()), None, "no Envoy");
}

/// Istio calls the label otherwise, and leaves out all clusters but its own unless `proxyStatsMatcher` asks for them.
#[test]
fn of_istios_proxies_a_missing_cluster_says_nothing() {
    const NAME: &str = "outbound|4317||otel.tracing.svc.cluster.local";
    let usual = "envoy_cluster_membership_total{cluster_name=\"xds-grpc\"} 1\n";
    assert_eq!(Cluster::read(NAME, &Metrics::parse(usual)), None);

    let asked = format!(
        "{usual}envoy_cluster_membership_total{{cluster_name=\"{NAME}\"}} 2\n\
         envoy_cluster_upstream_cx_connect_fail{{cluster_name=\"{NAME}\"}} 3\n"
    );
    let found = Cluster::read(NAME, &Metrics::parse(&asked)).unwrap();
    assert_eq!((found.exists, found.hosts, found.connect_failures), (true, 2, 3));
}
