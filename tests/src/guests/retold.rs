//! What a guest told, without what depends on the pieces in which a connection was read, and on which of both ways
//! something came first.

/// A callback's name, and what was told within.
type Callback = (String, Vec<String>);

/// The callbacks of the request, then those of the response, then the others, with the results of their hostcalls:
/// neighbouring pieces of a body are one, told as the last of them was, and without sizes. An empty piece that is not
/// the end is none.
pub fn retold(lines: &[String]) -> Vec<String> {
    let mut callbacks: Vec<Callback> = Vec::new();
    for line in lines {
        match (line.strip_prefix("> "), callbacks.last_mut()) {
            (Some(told), _) => callbacks.push((told.to_owned(), Vec::new())),
            (None, Some((_, within))) => within.push(line.clone()),
            (None, None) => {}
        }
    }
    callbacks.retain(|(told, _)| !matches!(told.as_str(), "request_body 0" | "response_body 0"));
    callbacks.iter_mut().for_each(|(told, _)| *told = without_sizes(told));
    callbacks.sort_by_key(|(told, _)| match told.split(['_', ' ']).next() {
        Some("create") => 0,
        Some("request") => 1,
        Some("response") => 2,
        _ => 3,
    });
    let mut whole: Vec<Callback> = Vec::new();
    for callback in callbacks {
        let is_piece = |(before, _): &mut Callback| {
            before.ends_with("_body") && callback.0.strip_suffix(" end").unwrap_or(&callback.0) == before
        };
        whole.pop_if(is_piece);
        whole.push(callback);
    }
    let told = |(told, within): Callback| std::iter::once(format!("> {told}")).chain(within);
    whole.into_iter().flat_map(told).collect()
}

/// Of bodies, and of heads in which Envoy's codec or its router have fields of their own.
fn without_sizes(told: &str) -> String {
    const SIZED: [&str; 4] = ["request_body", "response_body", "response_headers", "http_call_response"];
    let name = told.split(' ').next().unwrap_or_default();
    match (SIZED.contains(&name), told.ends_with(" end")) {
        (true, true) => format!("{name} end"),
        (true, false) => name.to_owned(),
        (false, _) => told.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::retold;

    #[test]
    fn pieces_are_one_and_the_end_stays() {
        let lines = |text: &str| text.split('|').map(str::to_owned).collect::<Vec<_>>();
        let rows = [
            (
                "pieces, and the last one's results",
                "> create|> request_headers 5|< continue|> request_body 4|get → 1|< pause|> request_body 2 end|get → 0",
                "> create|> request_headers 5|< continue|> request_body end|get → 0",
            ),
            (
                "one way and then the other",
                "> request_body 1 end|> response_body 1|> request_body 1|> response_body 0 end|> log",
                "> request_body end|> request_body|> response_body end|> log",
            ),
            (
                "an empty piece",
                "> request_body 0|get → 0|> request_body 0 end|> done",
                "> request_body end|> done",
            ),
        ];
        for (reason, told, expected) in rows {
            assert_eq!(retold(&lines(told)), lines(expected), "{reason}");
        }
    }
}
