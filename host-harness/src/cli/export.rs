//! The export of a command's spans, and what its outcome means for the exit code.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use meshspan::counted::counted;
use meshspan::export::{ExportReport, Exporter, ExporterConfig};
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use tokio::{runtime::Runtime, sync::mpsc, task::JoinHandle};

use super::{
    args::RunArgs,
    error::{CliError, Exit},
    interrupt::Interrupt,
    progress,
};

/// Pieces that may wait; then the replay waits.
const MAX_WAITING: usize = 16;

/// How often the progress is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Where to export to; `None` if nobody named an endpoint.
pub(crate) fn configuration(args: &RunArgs, seed: u64) -> Result<Option<ExporterConfig>, CliError> {
    Ok(args.otlp.config()?.map(|config| ExporterConfig { seed, ..config }))
}

/// An export under way.
pub(crate) struct Export {
    /// What is handed in here is sent.
    pub(crate) spans: mpsc::Sender<Vec<ResourceSpans>>,
    report: JoinHandle<ExportReport>,
    sent: Arc<AtomicU64>,
}

impl Export {
    /// Begins to send; once interrupted, for no longer than one attempt may take.
    pub(crate) fn start(
        runtime: &Runtime,
        interrupt: &Interrupt,
        config: ExporterConfig,
    ) -> Result<Self, CliError> {
        let limit = config.timeout;
        let _guard = runtime.enter();
        let mut exporter =
            Exporter::connect(config).map_err(|error| CliError::bad_configuration(error.to_string()))?;
        let (flush, interrupt) = (exporter.flush_handle(), interrupt.clone());
        tokio::spawn(async move {
            interrupt.requested().await;
            flush.flush_within(limit);
        });
        let (spans, waiting) = mpsc::channel(MAX_WAITING);
        let sent = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&sent);
        let report = tokio::spawn(async move {
            let mut count = |settled| {
                counter.fetch_add(settled, Ordering::Relaxed);
            };
            exporter.export_stream(waiting, &mut count).await
        });
        Ok(Self { spans, report, sent })
    }

    /// Waits until all is sent or given up, and says what became of it.
    pub(crate) fn finish(self, runtime: &Runtime, quiet: bool) -> Result<ExportReport, CliError> {
        let Self { spans, mut report, sent } = self;
        drop(spans);
        let bar = progress::bar("exporting", None, quiet);
        let report = runtime.block_on(async {
            loop {
                match tokio::time::timeout(LOOK, &mut report).await {
                    Ok(report) => return report,
                    Err(_) => bar.set_position(sent.load(Ordering::Relaxed)),
                }
            }
        });
        bar.finish_and_clear();
        report.map_err(|error| CliError::runtime(format!("the export failed: {error}")))
    }
}

/// An error if spans were lost on the way.
pub(crate) fn judge(report: &ExportReport) -> Result<(), CliError> {
    let dropped = report.dropped_total();
    if dropped == 0 && report.rejected == 0 {
        return Ok(());
    }
    let exit = if report.unreachable { Exit::CollectorUnreachable } else { Exit::Runtime };
    let counts = format!(
        "{} {} not exported, {} {} rejected by the collector",
        counted(dropped, "span"),
        was(dropped),
        report.rejected,
        was(report.rejected)
    );
    Err(match &report.failure {
        Some(failure) => CliError::new(exit, format!("{counts}: {}", failure.what)).help(&failure.advice),
        None => CliError::new(exit, counts).help("see the collector's log"),
    })
}

fn was(count: u64) -> &'static str {
    if count == 1 { "was" } else { "were" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_spans_decide_the_exit_code() {
        let dropped =
            ExportReport { dropped: [("HTTP 400".to_owned(), 1)].into(), ..ExportReport::default() };
        let unreachable = ExportReport { unreachable: true, ..dropped.clone() };
        let rejected = ExportReport { rejected: 1, ..ExportReport::default() };
        for (report, expected) in [
            (ExportReport { exported: 5, ..ExportReport::default() }, None),
            (dropped, Some(Exit::Runtime)),
            (unreachable, Some(Exit::CollectorUnreachable)),
            (rejected, Some(Exit::Runtime)),
        ] {
            assert_eq!(judge(&report).err().map(|error| error.exit), expected, "{report:?}");
        }
    }
}
