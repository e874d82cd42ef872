//! A subscription: what an organization may use of an app, and until when. Pure.
//!
//! Told by events, by people and by the clock. What is told late, by its own time, changes nothing: the
//! caller records it. What the table does not allow changes nothing either. The clock only says what
//! follows when nobody says anything, so it makes nothing that is told late.

mod machine;
mod table;
mod timer;

pub use machine::{By, Facts, Input, Subscription, Verdict, tell};
pub use table::{Guard, Rule, TABLE, rule};
pub use timer::{GRACE, RENEWAL_SLACK, RESTORE, TRIAL_WARNING, Timer};

/// Defines an enum of words.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$what:meta])* $word:ident: $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$what])* $word,)+
        }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$word),+];

            /// The word.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$word => $text,)+ }
            }

            /// Reads the word.
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == text)
            }
        }
    };
}

words! {
    /// Where a subscription stands.
    State {
        /// Tried out, free of charge, until the trial ends.
        Trialing: "trialing",
        /// Paid.
        Active: "active",
        /// A renewal was not paid; there is grace.
        PastDue: "past_due",
        /// Locked, for a debt or a breach; reading stays.
        Suspended: "suspended",
        /// Paid, and ends with its period.
        PendingCancellation: "pending_cancellation",
        /// Ended by somebody.
        Cancelled: "cancelled",
        /// Ended by itself.
        Expired: "expired",
    }
}

words! {
    /// What may be said of a subscription. Of two things said of one instant the later in this list counts.
    Trigger {
        /// A trial began.
        TrialStarted: "trial_started",
        /// It was bought.
        Activated: "activated",
        /// It was paid for another period.
        Renewed: "renewed",
        /// It went to another plan.
        PlanChanged: "plan_changed",
        /// A charge failed.
        PaymentFailed: "payment_failed",
        /// A renewal is owed.
        PastDue: "past_due",
        /// It was locked.
        Suspended: "suspended",
        /// A person let it go on.
        Resumed: "resumed",
        /// It shall end with its period.
        CancellationScheduled: "cancellation_scheduled",
        /// It ended by somebody's will.
        Cancelled: "cancelled",
        /// It ended by itself.
        Expired: "expired",
    }
}

words! {
    /// How often it is paid.
    Cycle {
        /// Each month.
        Monthly: "monthly",
        /// Each year.
        Yearly: "yearly",
    }
}

impl Cycle {
    /// The period that is assumed where nobody names its end.
    pub const fn days(self) -> u64 {
        match self {
            Self::Monthly => 30,
            Self::Yearly => 365,
        }
    }
}

/// The reason of a suspension for a debt; any other is lifted by a person only.
pub const DEBT: &str = "payment_failed";

#[cfg(test)]
mod tests;
