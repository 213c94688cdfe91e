//! A real disk of a few megabytes that is full. Where nobody may mount one, only what the store does at a limit on its
//! file is tested, beside this.

use meshspan_tests::disk::Disk;
use prost::Message;

use super::*;

const MIB: u64 = 1 << 20;

/// Traces that surely do not fit.
const MANY: u128 = 2_000;

fn start(disk: &Disk) -> Collect {
    let store = disk.path("spans.db");
    Collect::run_by(Ports::default(), &["--store", &store], |command| disk.inside(command))
}

/// How many bytes more fit.
fn room(disk: &Disk) -> u64 {
    let mut command = Command::new("stat");
    command.args(["--file-system", "--format=%a %S"]).arg(disk.from_outside(""));
    let said = String::from_utf8(command.output().expect("stat is there, from coreutils").stdout).unwrap();
    said.split_whitespace().map(|number| number.parse::<u64>().expect("a number")).product()
}

#[test]
fn a_full_disk_costs_nothing_that_was_acknowledged() {
    let disk = match Disk::of(8 * MIB) {
        Ok(disk) => disk,
        Err(refused) => {
            eprintln!("left out: {refused}");
            return;
        }
    };
    let other = disk.from_outside("other");
    std::fs::write(&other, vec![0; 3 << 20]).unwrap();
    let (senders, mut collect) = (Senders::new(), start(&disk));
    let fitting: Vec<u128> = (1..MANY).take_while(|trace| senders.send(&collect, *trace) == "0").collect();
    assert!((10..500).contains(&fitting.len()), "{} requests of 32 KB fit in 5 MB", fitting.len());
    assert!(room(&disk) < MIB, "{} bytes are left", room(&disk));

    for again in 0..5 {
        let (status, problem) = ready(&collect);
        assert_eq!(status, 503, "{again}: {problem}");
        assert!(
            problem.contains("/mnt/spans.db: ") && problem.contains("make room on the disk"),
            "{problem}"
        );
        assert_eq!(senders.send(&collect, MANY + again), UNAVAILABLE, "{again}");
    }
    let request = request((1..=SPANS).map(|number| span(MANY, number)).collect());
    let http =
        Request::new("POST", "localhost", "/v1/traces").header("content-type", "application/x-protobuf");
    let answer = http.body(request.encode_to_vec()).send_http1(collect.ports().http);
    assert_eq!(answer.status, 503, "{}", String::from_utf8_lossy(&answer.body));
    let failed = collect.metrics()["meshspan_receiver_spans_total{outcome=\"failed\"}"];
    assert_eq!(failed, (7 * SPANS) as f64, "one at the end of those that fit, five, one over HTTP");
    let log = collect.process().stderr();
    assert_eq!(log.matches("senders are told to come again").count(), 1, "it is said once: {log}");
    let warned = "--max-bytes and the store's log may take 1.1 GiB, but the disk has room for 5.0 MiB";
    assert_eq!(log.matches(warned).count(), 1, "it is said before, once: {log}");
    assert_eq!(Request::get("/healthz").send_http1(collect.ports().metrics).status, 200);

    collect.process().kill();
    drop(collect);
    let collect = start(&disk);
    assert_eq!(senders.send(&collect, MANY), UNAVAILABLE, "still full");
    std::fs::remove_file(other).unwrap();
    wait::until("it to be ready", || (ready(&collect).0 == 200).then_some(()));
    assert_eq!(senders.send(&collect, MANY), "0");
    wait::until("all to be shown", || {
        fitting.iter().chain([&MANY]).all(|trace| is_shown(&collect, *trace)).then_some(())
    });
    let stored = collect.metrics()["meshspan_store_spans"];
    assert_eq!(stored, ((fitting.len() as u64 + 1) * SPANS) as f64, "each once, and none that was refused");
    assert!(collect.end().0.success());
}
