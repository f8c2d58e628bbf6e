//! A backup: keys as lines of JSON, sealed by age on their way to the file.

pub(crate) use self::line::write_line;
pub(crate) use self::recipients::encryptor;
pub(crate) use self::target::Target;

mod line;
mod recipients;
mod target;
