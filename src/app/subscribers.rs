//! Who takes part in the hub: one line for each subscriber, in the order in which they see an event.

use crate::hub::Subscriber;
use crate::hub::crm::Crm;
use crate::hub::organizations::Organizations;

/// All of them. `organizations` is the first: the others ask it whose event it is.
pub fn subscribers() -> Vec<Box<dyn Subscriber>> {
    vec![Box::new(Organizations), Box::new(Crm::new())]
}
