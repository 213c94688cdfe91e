//! The configuration, JSON and environment: refused with one short line, or sound in all its bounds.

use meshspan_filter::config::Config;

use super::lines::HeaderList;

/// A request that touches what a configuration can change.
const REQUEST: &[u8] = b":method: GET\n:path: /users/42?sig=1&a=b\n:authority: u@web:80\n:status: 503\n\
    traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\ntracestate: ot=th:8\nbaggage: a=1";

/// JSON, then after a zero byte variables, one `NAME=value` a line.
pub fn check(input: &[u8]) {
    let (json, variables) = match input.iter().position(|byte| *byte == 0) {
        Some(at) => (&input[..at], &input[at + 1..]),
        None => (input, &[][..]),
    };
    let variables = String::from_utf8_lossy(variables);
    let pairs = variables.lines().filter_map(|line| line.split_once('='));
    let environment: Vec<_> = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    match Config::parse(json, &environment) {
        Err(error) => {
            let line = error.to_string();
            assert!(!line.is_empty() && !line.contains('\n') && line.len() < 2048, "{line}");
        }
        Ok((config, warnings)) => {
            assert!(warnings.iter().all(|warning| !warning.to_string().contains('\n')), "{warnings:?}");
            assert_sound(&config);
            let (again, _) = Config::parse(json, &environment).expect("the same is as valid");
            assert_eq!(format!("{again:?}"), format!("{config:?}"));
            let headers = HeaderList::parse(REQUEST);
            super::native::pass(&config, &headers.headers(), &headers.headers());
        }
    }
}

fn assert_sound(config: &Config) {
    let export = &config.export;
    assert!(!export.cluster.is_empty() && export.path.starts_with('/') && export.max_attempts > 0);
    assert!((1..=export.max_queue_spans).contains(&export.max_batch_spans));
    assert!(export.max_queue_bytes > 0 && !export.timeout.is_zero());
    let keys: Vec<_> = config.resource.iter().map(|(key, _)| key.as_str()).collect();
    assert!(keys.windows(2).all(|pair| pair[0] < pair[1]), "unique and sorted: {keys:?}");
    assert!(keys.contains(&"service.name") && keys.contains(&"telemetry.sdk.name"));
}
