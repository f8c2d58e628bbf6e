//! A program with keys in its environment: which keys, in which variables, and starting it.
//!
//! The program takes the place of this process (`exec`), so signals, job control, exit code and
//! process id are its own without anything between, and no second process stays that holds keys.

pub(crate) use self::environment::Environment;
pub(crate) use self::reference::KeyReference;
pub(crate) use self::wanted::wanted;

mod environment;
mod reference;
mod wanted;
