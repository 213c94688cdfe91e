//! `meshspan view`: traces of files, listed, drawn or served.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use meshspan::{
    collect::records,
    serve::spans_of_file,
    view::{
        Library, Query, Trace,
        document::Document,
        library::SearchResult,
        query::{parse_attributes, parse_duration},
        table, text, traces,
    },
};
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;

use super::{
    args::{Output, ViewArgs},
    error::CliError,
    output, print, viewer,
};

/// Shows what was asked for.
pub(crate) fn view(args: &ViewArgs, quiet: bool) -> Result<(), CliError> {
    let query = query(args)?;
    let spans: Vec<Vec<ResourceSpans>> =
        args.files.iter().map(PathBuf::as_path).map(read).collect::<Result<_, _>>()?;
    let spans: Vec<ResourceSpans> = spans.into_iter().flatten().collect();
    if args.serve {
        return viewer::serve(spans, args.listen.listen(), quiet);
    }
    let library = Library::new(traces(records(&spans)));
    match &args.trace {
        Some(id) => draw(find(&library, id)?, args.output),
        None => list(&library.search(&query), args.output),
    }
}

fn read(path: &Path) -> Result<Vec<ResourceSpans>, CliError> {
    let bytes = if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(path)
    };
    let bytes = bytes.map_err(|error| CliError::read(path, &error))?;
    spans_of_file(&bytes).map_err(|error| {
        CliError::bad_configuration(format!("{}: {error}", path.display()))
            .help("`meshspan replay --save FILE` writes such a file; so does the OpenTelemetry Collector's file exporter")
    })
}

fn query(args: &ViewArgs) -> Result<Query, CliError> {
    let length = |flag: &str, text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => parse_duration(text).map(Some).ok_or_else(|| {
            CliError::bad_configuration(format!(
                "{flag} is {text:?}, expected a length of time such as 250us, 100ms or 1.5s"
            ))
        }),
    };
    let mut attributes = Vec::new();
    for text in &args.attributes {
        // Quotes are the shell's affair here.
        let pair =
            text.split_once('=').filter(|(key, _)| !key.is_empty() && !key.contains(char::is_whitespace));
        let (key, value) = pair.ok_or_else(|| {
            let error = parse_attributes(text).err().map_or_else(String::new, |error| error.to_string());
            CliError::bad_configuration(format!("--attribute: {error}"))
        })?;
        attributes.push((key.to_owned(), value.to_owned()));
    }
    Ok(Query {
        service: args.service.clone(),
        operation: args.operation.clone(),
        attributes,
        from: None,
        to: None,
        min: length("--min", &args.min)?,
        max: length("--max", &args.max)?,
        errors: args.errors,
        orphans: args.orphans,
        limit: args.limit,
    })
}

/// The only trace whose id begins so.
fn find<'a>(library: &'a Library, id: &str) -> Result<&'a Trace, CliError> {
    let wanted = id.to_ascii_lowercase();
    let mut fitting =
        library.traces().iter().filter(|trace| hex::encode(trace.trace_id).starts_with(&wanted));
    match (fitting.next(), fitting.count()) {
        (Some(trace), 0) => Ok(trace),
        (None, _) => Err(CliError::runtime(format!("no trace id begins with {id:?}"))
            .help("without --trace, the traces are listed with their ids")),
        (Some(_), more) => Err(CliError::runtime(format!("{} trace ids begin with {id:?}", more + 1))
            .help("write more of the id's digits")),
    }
}

fn draw(trace: &Trace, output: Output) -> Result<(), CliError> {
    match output {
        Output::Table => print(&text::waterfall(trace, output::width())),
        Output::Json => json(&Document::from(trace)),
    }
}

fn list(found: &SearchResult, output: Output) -> Result<(), CliError> {
    match output {
        Output::Table => print(&table::traces(found)),
        Output::Json => json(found),
    }
}

fn json(value: &impl serde::Serialize) -> Result<(), CliError> {
    let json = serde_json::to_string_pretty(value)
        .map_err(|error| CliError::runtime(format!("cannot write the result: {error}")))?;
    print(&format!("{json}\n"))
}
