//! Medians of paired measurements, with how far chance moves them.
//! Knows nothing of what was measured. Method: percentile bootstrap over rounds, Efron 1979.

/// How often the rounds are drawn anew.
const RESAMPLES: usize = 1000;

/// A value and the interval in which it lies with 95 % confidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The statistic of all rounds.
    pub value: f64,
    /// The 2.5th percentile of the resampled statistic.
    pub low: f64,
    /// Its 97.5th percentile.
    pub high: f64,
}

impl Estimate {
    /// The statistic of `rounds` rounds and of as many drawn from them with replacement, again and again.
    ///
    /// `statistic` gets the numbers of the rounds that count; the same call gives the same estimate.
    pub fn bootstrap(rounds: usize, statistic: impl Fn(&[usize]) -> f64) -> Estimate {
        let all: Vec<usize> = (0..rounds).collect();
        let mut state = 0;
        let mut resampled: Vec<f64> = (0..RESAMPLES)
            .map(|_| {
                let draw: Vec<usize> = all.iter().map(|_| pick(&mut state, rounds)).collect();
                statistic(&draw)
            })
            .collect();
        Estimate {
            value: statistic(&all),
            low: quantile(&mut resampled, 0.025),
            high: quantile(&mut resampled, 0.975),
        }
    }
}

/// The median of `of(round)` over the rounds.
pub fn median(rounds: &[usize], of: impl Fn(usize) -> f64) -> f64 {
    let mut values: Vec<f64> = rounds.iter().map(|round| of(*round)).collect();
    quantile(&mut values, 0.5)
}

/// The value below which the share `q` (0.0 to 1.0) lies, interpolated; sorts the values.
///
/// Panics where there are none.
pub fn quantile(values: &mut [f64], q: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = q * (values.len() - 1) as f64;
    let (below, above) = (values[place.floor() as usize], values[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

/// A number below `bound`: SplitMix64, <https://prng.di.unimi.it/splitmix64.c>.
fn pick(state: &mut u64, bound: usize) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) % bound as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_interpolated_and_one_value_is_enough() {
        for (values, q, expected) in [
            (vec![3.0, 1.0, 2.0], 0.5, 2.0),
            (vec![4.0, 1.0, 2.0, 3.0], 0.5, 2.5),
            (vec![0.0, 10.0], 0.25, 2.5),
            (vec![7.0], 0.975, 7.0),
        ] {
            let mut unsorted = values.clone();
            assert_eq!(quantile(&mut unsorted, q), expected, "{q} of {values:?}");
        }
    }

    #[test]
    fn an_outlier_moves_neither_the_median_nor_its_interval_away() {
        let values: Vec<f64> = (0..41).map(|round| if round == 7 { 1e6 } else { f64::from(round) }).collect();
        let estimate = Estimate::bootstrap(values.len(), |rounds| median(rounds, |round| values[round]));
        assert_eq!(estimate.value, 21.0);
        assert!(estimate.low < 21.0 && 21.0 < estimate.high, "{estimate:?}");
        assert!(10.0 < estimate.low && estimate.high < 32.0, "{estimate:?}");
    }

    #[test]
    fn equal_rounds_leave_no_doubt() {
        let estimate = Estimate::bootstrap(9, |rounds| median(rounds, |_| 5.0));
        assert_eq!(estimate, Estimate { value: 5.0, low: 5.0, high: 5.0 });
    }
}
