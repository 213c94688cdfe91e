//! Paired rounds: every subject has a slice of each, so that a ratio compares what ran side by side.

use std::fmt::Write;
use std::time::{Duration, Instant};

/// Runs a subject once.
pub(crate) type Request = Box<dyn FnMut()>;

/// How long a slice lasts, about: so short that most are not interrupted by what else the machine does.
const SLICE: Duration = Duration::from_micros(250);
/// How long a subject runs before its first slice.
const WARM_UP: Duration = Duration::from_millis(100);

/// Nanoseconds of one run, by subject and round.
pub(crate) struct Rounds(pub(crate) Vec<Vec<f64>>);

impl Rounds {
    /// Runs them all, `rounds` times.
    pub(crate) fn measure(subjects: &mut [Request], rounds: usize) -> Self {
        let counts: Vec<u32> = subjects.iter_mut().map(per_slice).collect();
        let mut times = vec![Vec::with_capacity(rounds); subjects.len()];
        for round in 0..rounds {
            for step in 0..subjects.len() {
                // Nobody always follows the same.
                let place = (step + round) % subjects.len();
                let place = if round % 2 == 0 { place } else { subjects.len() - 1 - place };
                let slice = timed(&mut subjects[place], counts[place]);
                times[place].push(slice.as_secs_f64() * 1e9 / f64::from(counts[place]));
            }
        }
        Self(times)
    }

    /// The median of a subject's times, in nanoseconds.
    pub(crate) fn median(&self, place: usize) -> f64 {
        quantile(&mut self.0[place].clone(), 0.5)
    }

    /// A line of the first table: a subject's median and quartiles, and its quietest round.
    pub(crate) fn row(&self, what: &str, place: usize) -> String {
        let mut times = self.0[place].clone();
        let [least, low, high] = [0.0, 0.25, 0.75].map(|q| quantile(&mut times, q));
        let median = self.median(place);
        let (unit, per_unit) = if median < 1e5 { ("ns", 1.0) } else { ("µs", 1e3) };
        let [least, low, median, high] = [least, low, median, high].map(|time| time / per_unit);
        format!(
            "{what:36}  {median:8.0} {unit}  {:18}  {least:8.0} {unit}\n",
            format!("{low:.0} … {high:.0}")
        )
    }

    /// A line of the second table: one subject's time over another's in the same round. A target is `≤` or `≥` and
    /// a bound.
    pub(crate) fn ratio(
        &self,
        what: &str,
        above: usize,
        below: usize,
        target: Option<(char, f64)>,
    ) -> String {
        let pairs = self.0[above].iter().zip(&self.0[below]);
        let mut ratios: Vec<f64> = pairs.map(|(above, below)| above / below).collect();
        let [low, median, high] = [0.25, 0.5, 0.75].map(|q| quantile(&mut ratios, q));
        let quietest = quantile(&mut self.0[above].clone(), 0.0) / quantile(&mut self.0[below].clone(), 0.0);
        let mut line =
            format!("{what:36}  {median:8.3}     {:18}  {quietest:8.3}", format!("{low:.3} … {high:.3}"));
        if let Some((sign, target)) = target {
            let is_met = if sign == '≤' { median <= target } else { median >= target };
            let verdict = if is_met { "met" } else { "missed" };
            let _ = write!(line, "     {sign} {target:.2} {verdict}");
        }
        line + "\n"
    }
}

/// A table's first lines.
pub(crate) fn heading(title: &str) -> String {
    format!("\n{title:36}    median     quartiles             quietest\n{}\n", "─".repeat(92))
}

/// Runs that fill a slice; at least one.
fn per_slice(subject: &mut Request) -> u32 {
    let mut requests = 1;
    loop {
        let took = timed(subject, requests);
        if took >= WARM_UP {
            let share = SLICE.as_secs_f64() / took.as_secs_f64();
            return ((f64::from(requests) * share) as u32).max(1);
        }
        requests *= 2;
    }
}

#[allow(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn timed(subject: &mut Request, requests: u32) -> Duration {
    let start = Instant::now();
    (0..requests).for_each(|_| subject());
    start.elapsed()
}

/// The value below which the share `q` lies; sorts the values.
fn quantile(values: &mut [f64], q: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(q * (values.len() - 1) as f64).round() as usize]
}
