//! The words that a verdict is made of.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! label {
    ($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum $name {
            $($(#[$about])* $variant,)+
        }

        impl $name {
            /// All of them, in the order in which a model counts them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word for it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// The one that `word` means.
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|label| label.as_str() == word)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

label! {
    /// What has to be done about it.
    Category {
        /// Something does not do what it should.
        Bug = "bug",
        /// Something that does not exist is wished for.
        Feature = "feature",
        /// The person wants to know something.
        Question = "question",
        /// Money between the customer and us.
        Billing = "billing",
        /// The first set-up.
        Onboarding = "onboarding",
        /// None of these.
        Other = "other",
    }
}

label! {
    /// How pressing it is.
    Priority {
        /// Can wait.
        Low = "low",
        /// Has a way around it.
        Medium = "medium",
        /// Does harm.
        High = "high",
        /// Business stands still, or people or data are in danger.
        Urgent = "urgent",
    }
}

label! {
    /// The mood that it is written in.
    Sentiment {
        /// Annoyed, worried or in haste.
        Negative = "negative",
        /// Neither.
        Neutral = "neutral",
        /// Thanks or praise.
        Positive = "positive",
    }
}

label! {
    /// The language of most of its words.
    Language {
        /// Spanish.
        Es = "es",
        /// English.
        En = "en",
    }
}

label! {
    /// The part of the product that has to look at it.
    Area {
        /// Payments, wallets, payouts.
        Payments = "payments",
        /// Tax documents.
        Invoicing = "invoicing",
        /// Our own plans and what they cost.
        Subscription = "subscription",
        /// Signing in, permissions, gates.
        Access = "access",
        /// Appointments, reservations, stays.
        Appointments = "appointments",
        /// Shop, register, stock.
        Sales = "sales",
        /// Shipments and deliveries.
        Logistics = "logistics",
        /// Contacts, matters, deals.
        Crm = "crm",
        /// Reports and exports.
        Reports = "reports",
        /// API and webhooks.
        Integrations = "integrations",
        /// Notices to people.
        Messages = "messages",
        /// Anything else.
        General = "general",
    }
}

/// What was made of a ticket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// What has to be done.
    pub category: Category,
    /// How pressing it is.
    pub priority: Priority,
    /// How it sounds.
    pub sentiment: Sentiment,
    /// What it is written in.
    pub language: Language,
    /// Who should look at it.
    pub area: Area,
    /// How sure the category is, in hundredths.
    pub confidence: u8,
    /// Why, in one line.
    pub reason: String,
}
