//! `control.db` from the outside: what stands after it is opened again, who is let in, what the file
//! shows to those who may not look, and what happens when it is damaged.

#[cfg(test)]
#[path = "control/answers.rs"]
mod answers;
#[cfg(test)]
#[path = "control/file.rs"]
mod file;
#[cfg(test)]
#[path = "control/fixture.rs"]
mod fixture;
#[cfg(test)]
#[path = "control/keys.rs"]
mod keys;
#[cfg(test)]
#[path = "control/overlays.rs"]
mod overlays;
#[cfg(test)]
#[path = "control/sealing.rs"]
mod sealing;
