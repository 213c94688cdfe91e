//! `meshspan view`: traces of files or of the store, listed, drawn or served.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use meshspan::{
    collect::records,
    serve::spans_of_file,
    store::Store,
    view::{
        Query, Trace, document::Document, library::SearchResult, query::parse_attributes, table, text, traces,
    },
};
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;

use super::{
    args::{Output, ViewArgs},
    error::CliError,
    input, output, print, stored, values, viewer,
};

/// Shows what was asked for.
pub(crate) fn view(args: &ViewArgs, quiet: bool) -> Result<(), CliError> {
    let query = query(args)?;
    let store = store(args)?;
    if args.serve {
        return viewer::serve(store, args.listen.listen(), quiet);
    }
    match &args.trace {
        Some(id) => draw(&find(&store, id)?, args.output),
        None => list(&store.search(&query).map_err(|error| stored::refused(&error))?, args.output),
    }
}

/// The files' spans, or the store.
fn store(args: &ViewArgs) -> Result<Store, CliError> {
    if args.files.is_empty() {
        return args.store.open_to_read();
    }
    let spans: Vec<Vec<ResourceSpans>> =
        args.files.iter().map(PathBuf::as_path).map(read).collect::<Result<_, _>>()?;
    viewer::in_memory(spans.into_iter().flatten().collect())
}

fn read(path: &Path) -> Result<Vec<ResourceSpans>, CliError> {
    let mut bytes = Vec::new();
    let read = input::open(path).and_then(|mut input| input.read_to_end(&mut bytes));
    read.map_err(|error| CliError::read(path, &error))?;
    spans_of_file(&bytes).map_err(|error| {
        CliError::bad_configuration(format!("{}: {error}", path.display()))
            .help("`meshspan replay --save FILE` writes such a file; so does the OpenTelemetry Collector's file exporter")
    })
}

fn query(args: &ViewArgs) -> Result<Query, CliError> {
    let length = |flag: &str, text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => values::length(text).map(Some).ok_or_else(|| {
            CliError::bad_configuration(format!(
                "{flag} is {text:?}, expected a length of time with its unit, such as 250us, 100ms or 1.5s"
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
fn find(store: &Store, id: &str) -> Result<Trace, CliError> {
    let missing = || {
        CliError::runtime(format!("no trace id begins with {id:?}"))
            .help("without --trace, the traces are listed with their ids")
    };
    let found = match store.ids(id, u32::MAX).map_err(|error| stored::refused(&error))?.as_slice() {
        [] => return Err(missing()),
        [found] => *found,
        several => {
            return Err(CliError::runtime(format!("{} trace ids begin with {id:?}", several.len()))
                .help("write more of the id's digits"));
        }
    };
    let spans = store.trace(found).map_err(|error| stored::refused(&error))?.unwrap_or_default();
    traces(records(&spans)).into_iter().next().ok_or_else(missing)
}

fn draw(trace: &Trace, output: Output) -> Result<(), CliError> {
    match output {
        Output::Table => print(&text::waterfall(trace, output::width())),
        Output::Json => output::json(&Document::from(trace)),
    }
}

fn list(found: &SearchResult, output: Output) -> Result<(), CliError> {
    match output {
        Output::Table => print(&table::traces(found)),
        Output::Json => output::json(found),
    }
}
