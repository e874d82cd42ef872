//! The built binary as a person meets it: what it writes where, and the code it ends with.

#[cfg(test)]
mod bench;
#[cfg(test)]
mod binary;
#[cfg(test)]
mod dead;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod endpoints;
#[cfg(test)]
mod help;
#[cfg(test)]
mod listen;
#[cfg(test)]
mod operate;
#[cfg(test)]
mod operators;
#[cfg(test)]
mod readme;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod registry;
#[cfg(test)]
mod send;
#[cfg(test)]
mod shell;
#[cfg(test)]
mod snippets;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod tail;
#[cfg(test)]
mod verify;
