//! A stream's life as corpora have it: one step a line, the first letter says which. Anything is a script:
//! what is no step is passed over.
//!
//! ```text
//! 1                   the configuration to use
//! o                   opens a stream
//! +traceparent: 00-…  a header for the step that follows
//! q0                  the request's head on stream 0; Q: and no body
//! s0  S0  r0  c0      the response's head, trailers; the stream's end
//! T9                  time passes, and a tick comes
//! ```

/// What happens next. Streams are numbers, taken modulo the streams that are open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// A new stream.
    Open,
    /// A header for the next step that takes any; name and value.
    Header(&'a [u8], &'a [u8]),
    /// The request's head, and whether that is all of the request.
    Request(usize, bool),
    /// The response's head, and whether that is all of the response.
    Response(usize, bool),
    /// The request's trailers.
    RequestTrailers(usize),
    /// The response's trailers.
    ResponseTrailers(usize),
    /// A piece of the request's body (or of the response's).
    Body(usize, bool),
    /// A property of the stream, by number, with its bytes.
    Property(usize, &'a [u8]),
    /// The stream's end.
    Close(usize),
    /// So many steps of the clock, then a tick.
    Tick(u64),
    /// An answer of some kind to the oldest call; its headers are those that wait.
    Answer(u8, &'a [u8]),
    /// A callback that no sound host makes: which, to which context, with which number.
    Hostile(u8, u32, u32),
    /// The plugin's end.
    Finish,
}

/// The configuration's number, and the steps.
pub fn parse(text: &[u8]) -> (usize, impl Iterator<Item = Step<'_>>) {
    let mut lines = text.split(|byte| *byte == b'\n');
    let first = lines.next().and_then(|line| line.first()).copied().unwrap_or_default();
    (usize::from(first), lines.filter_map(step).take(96))
}

fn step(line: &[u8]) -> Option<Step<'_>> {
    let (letter, rest) = line.split_first()?;
    let digit = rest.first().copied().map_or(0, |byte| usize::from(byte.wrapping_sub(b'0')));
    let after = rest.get(1..).unwrap_or_default();
    Some(match letter {
        b'o' => Step::Open,
        b'+' => match rest.windows(2).position(|two| two == b": ") {
            Some(at) => Step::Header(&rest[..at], &rest[at + 2..]),
            None => Step::Header(rest, b""),
        },
        b'q' => Step::Request(digit, false),
        b'Q' => Step::Request(digit, true),
        b's' => Step::Response(digit, false),
        b'S' => Step::Response(digit, true),
        b't' => Step::RequestTrailers(digit),
        b'r' => Step::ResponseTrailers(digit),
        b'b' => Step::Body(digit, true),
        b'd' => Step::Body(digit, false),
        b'p' => Step::Property(digit, after),
        b'c' => Step::Close(digit),
        b'T' => Step::Tick(digit as u64),
        b'a' => Step::Answer(rest.first().copied().unwrap_or_default(), after),
        b'!' => {
            let context = after.first().copied().unwrap_or_default();
            let number =
                after.get(1..5).and_then(|bytes| bytes.try_into().ok()).map_or(1, u32::from_le_bytes);
            Step::Hostile(
                rest.first().copied().unwrap_or_default(),
                u32::from(context.wrapping_sub(b'0')),
                number,
            )
        }
        b'f' => Step::Finish,
        _ => return None,
    })
}
