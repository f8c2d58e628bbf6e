//! The program as its users run it: processes, files, pipes and terminals.

mod processes;
mod reference;
mod sandbox;
mod secrecy;
mod sessions;
mod terminal;
