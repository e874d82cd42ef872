//! Which runs are made, and in which order: one, or several that are compared with each other.
//!
//! Runs of different cases take turns, so that whatever else the machine does meets all of them alike.

use super::number::{float, shown};
use super::plan::{Args, Plan};
use crate::cli::failure::Failure;

/// All runs.
#[derive(Clone, Debug)]
pub(super) struct Campaign {
    /// What is compared; one alone has no name.
    pub(super) cases: Vec<Case>,
    /// How often each of them is run.
    pub(super) repeat: usize,
}

/// One of the things compared.
#[derive(Clone, Debug)]
pub(super) struct Case {
    /// What sets it apart.
    pub(super) name: String,
    /// How it is run.
    pub(super) plan: Plan,
}

/// The cases of a comparison with endpoints that disturb, in their order.
pub(super) const ISOLATION: [&str; 2] = ["without", "with"];

impl Campaign {
    /// What `args` ask for.
    pub(super) fn of(args: &Args) -> Result<Self, Failure> {
        let plan = Plan::of(args)?;
        let is_disturbed = plan.dead + plan.hang > 0;
        let compared = [args.endpoints.len() > 1, args.backlog.len() > 1, is_disturbed];
        if compared.iter().filter(|is_compared| **is_compared).count() > 1 {
            return Err(Failure::new(
                "a run can be compared in one way only".to_owned(),
                "of --endpoints, --backlog, and --dead with --hang, let one have more than one case",
            ));
        }
        let case = |name: String, plan| Case { name, plan };
        let cases = match compared {
            [true, ..] => {
                let of = |count: &usize| case(format!("{count} endpoints"), plan.spread_over(*count));
                args.endpoints.iter().map(of).collect()
            }
            [_, true, _] => {
                let of = |count: &u64| {
                    case(format!("{} waiting", shown(float(*count))), plan.with_backlog(*count))
                };
                args.backlog.iter().map(of).collect()
            }
            [.., true] => {
                let plans = [plan.undisturbed(), plan];
                ISOLATION.into_iter().zip(plans).map(|(name, plan)| case(name.to_owned(), plan)).collect()
            }
            _ => vec![case(String::new(), plan)],
        };
        Ok(Self { cases, repeat: args.repeat })
    }

    /// How many runs that is.
    pub(super) fn runs(&self) -> usize {
        self.cases.len() * self.repeat
    }

    /// The runs, as places in `cases`.
    pub(super) fn order(&self) -> impl Iterator<Item = usize> + use<> {
        let cases = self.cases.len();
        (0..self.repeat).flat_map(move |_| 0..cases)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::bench::plan::tests::args;

    fn campaign(line: &str) -> Campaign {
        Campaign::of(&args(line).unwrap()).unwrap()
    }

    fn cases(line: &str) -> Vec<(String, usize, Option<u64>)> {
        let cases = campaign(line).cases.into_iter();
        cases.map(|case| (case.name, case.plan.endpoints, case.plan.messages)).collect()
    }

    #[test]
    fn one_run_has_no_name() {
        assert_eq!(cases("--messages 7"), [(String::new(), 5, Some(7))]);
        assert_eq!(campaign("").runs(), 1);
    }

    #[test]
    fn a_curve_over_endpoints_has_the_same_deliveries_everywhere() {
        let wanted =
            [("5 endpoints", 5, 20_000), ("50 endpoints", 50, 2_000), ("1000 endpoints", 1_000, 100)];
        let wanted = wanted.map(|(name, endpoints, events)| (name.to_owned(), endpoints, Some(events)));
        assert_eq!(cases("--endpoints 5,50,1000"), wanted);
    }

    #[test]
    fn a_curve_over_the_backlog_counts_deliveries_that_wait() {
        let found = campaign("--backlog 10000,1000000 --endpoints 4");
        let seen: Vec<_> =
            found.cases.iter().map(|case| (case.name.as_str(), case.plan.messages, case.plan.down)).collect();
        assert_eq!(seen, [("10,000 waiting", Some(2_500), true), ("1,000,000 waiting", Some(250_000), true)]);
    }

    #[test]
    fn endpoints_that_disturb_are_left_out_of_every_other_run() {
        let found = campaign("--endpoints 6 --hang 1 --dead 2 --rate 100 --repeat 2");
        let [without, with] = &found.cases[..] else { panic!("{found:?}") };
        assert_eq!((without.plan.endpoints, without.plan.dead, without.plan.hang), (3, 0, 0));
        assert_eq!((with.plan.endpoints, with.plan.healthy(), with.plan.rate), (6, 3, Some(100)));
        assert_eq!(found.order().collect::<Vec<_>>(), [0, 1, 0, 1]);
        assert_eq!(found.runs(), 4);
    }

    #[test]
    fn two_comparisons_at_once_are_refused() {
        for line in ["--endpoints 5,6 --hang 1", "--endpoints 5,6 --backlog 10,20"] {
            assert!(Campaign::of(&args(line).unwrap()).is_err(), "{line}");
        }
        assert_eq!(cases("--endpoints 5,10 --backlog 100").len(), 2);
    }
}
