//! The pages over HTTP, as a browser without scripts uses them: who gets in, what is shown, what changes.

mod access;
mod administration;
mod browser;
mod pages;
mod refresh;
mod steering;
mod stream;
