//! Keys from elsewhere: a file is read, its rows become keys, and what is new of them is stored.
//!
//! 1. `source`: the bytes of the file, in buffers that are wiped.
//! 2. `dotenv` and `recognise`, or `csv` and `jsonl` with `fields`: rows of what is to be stored,
//!    rows that are bad, and those that are passed over.
//! 3. `cipher`: opens what another program sealed. Nothing else here knows those formats, and
//!    nothing is ever tried that was not asked for.
//! 4. `plan`: what of it is there already.
//! 5. `write`: several at once; each key is one transaction, so that a run that was killed goes on
//!    where it ended when it is run again.

pub(crate) use self::age_file::{identities, open_age, secret_string};
pub(crate) use self::cipher::{Cipher, Unopened};
pub(crate) use self::fields::{Defaults, Draft, Refusal};
pub(crate) use self::found::Found;
pub(crate) use self::jsonl::BACKUP;
pub(crate) use self::plan::{Planned, Standing, plan};
pub(crate) use self::recognise::recognise;
pub(crate) use self::show::{Counts, summary, table};
pub(crate) use self::write::{Written, write};

mod age_file;
mod cipher;
pub(crate) mod csv;
mod dotenv;
mod fields;
mod found;
pub(crate) mod jsonl;
mod plan;
mod recognise;
mod show;
pub(crate) mod source;
mod write;
