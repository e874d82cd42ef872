//! The HTTP sink against real receivers: every row of the delivery table, the bounds, the signatures and
//! the addresses that are refused.

#[cfg(test)]
mod addresses;
#[cfg(test)]
mod bounds;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod counting;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod raw;
#[cfg(test)]
mod rebinding;
#[cfg(test)]
mod rows;
#[cfg(test)]
mod signatures;
