//! Who takes part in the hub: one line for each subscriber, in the order in which they see an event.

use crate::hub::Subscriber;
use crate::hub::crm::Crm;
use crate::hub::organizations::Organizations;
use crate::hub::subscriptions::{Access, Subscriptions};
use crate::hub::tickets::Tickets;
use crate::registry::plans::{self, Plans};

/// All of them. `organizations` is the first: the others ask it whose event it is.
pub fn subscribers(access: &Access) -> Vec<Box<dyn Subscriber>> {
    vec![
        Box::new(Organizations),
        Box::new(Crm::new()),
        Box::new(Subscriptions::new(access.clone())),
        Box::new(Tickets::new()),
    ]
}

/// A memory of what organizations may use, empty until subscribers keep it.
pub fn access() -> Result<Access, plans::Error> {
    Plans::embedded().map(Access::new)
}
