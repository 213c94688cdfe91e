//! The export of a command's spans, and what its outcome means for the exit code.

use meshspan::{
    collect::span_count,
    export::{ExportReport, Exporter, ExporterConfig},
};
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use tokio::runtime::Runtime;

use super::{
    args::RunArgs,
    clock,
    error::{CliError, Exit},
    interrupt::Interrupt,
    progress,
};

/// Where to export to; `None` if nobody named an endpoint.
pub(crate) fn configuration(args: &RunArgs, seed: u64) -> Result<Option<ExporterConfig>, CliError> {
    if std::env::var_os("OTEL_CONFIG_FILE").is_some() {
        tracing::warn!("OTEL_CONFIG_FILE is not read; the other OTEL_EXPORTER_OTLP_* variables are");
    }
    let config = ExporterConfig::from_env(&args.export_flags(), clock::now)
        .map_err(|error| CliError::bad_configuration(error.to_string()))?;
    Ok(config.map(|config| ExporterConfig { seed, ..config }))
}

/// Sends `spans`; once interrupted, for no longer than one attempt may take.
pub(crate) fn run(
    runtime: &Runtime,
    interrupt: &Interrupt,
    config: ExporterConfig,
    spans: Vec<ResourceSpans>,
    quiet: bool,
) -> Result<ExportReport, CliError> {
    let limit = config.timeout;
    let bar = progress::bar("exporting", Some(span_count(&spans)), quiet);
    let interrupt = interrupt.clone();
    let report = runtime.block_on(async {
        let mut exporter = Exporter::connect(config)?;
        let flush = exporter.flush_handle();
        tokio::spawn(async move {
            interrupt.requested().await;
            flush.flush_within(limit);
        });
        Ok(exporter.export(spans, &mut |settled| bar.inc(settled)).await)
    });
    bar.finish_and_clear();
    report.map_err(|error: meshspan::export::ExportError| CliError::bad_configuration(error.to_string()))
}

/// An error if spans were lost on the way.
pub(crate) fn judge(report: &ExportReport) -> Result<(), CliError> {
    let dropped = report.dropped_total();
    if dropped == 0 && report.rejected == 0 {
        return Ok(());
    }
    let exit = if report.unreachable { Exit::CollectorUnreachable } else { Exit::Runtime };
    let counts =
        format!("{dropped} spans were not exported, {} were rejected by the collector", report.rejected);
    Err(match &report.failure {
        Some(failure) => CliError::new(exit, format!("{counts}: {}", failure.what)).help(&failure.advice),
        None => CliError::new(exit, counts).help("see the collector's log"),
    })
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
