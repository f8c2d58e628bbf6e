//! What is left of a purge: with SQLite, old pages in the write-ahead log.
//!
//! `secure_delete` overwrites what was purged in its page, and the page is written to the log; but
//! the page as it was stands in the log, too, until that is used anew from its beginning. So the log
//! is emptied after each purge, if no reader is in the way. A reader keeps what it reads: then the
//! log is emptied by the next purge, or when the last program closes the database.

use std::time::Duration;

use crate::dialect;
use crate::pool::Connections;

/// Long enough for a read, and short for a writer that waits meanwhile.
const WAIT: Duration = Duration::from_millis(100);

/// Empties the log, if it can be done now. The purge is made whatever becomes of this.
pub(crate) async fn empty_log(connections: &Connections) {
    let emptied = match connections.writer("store.commit").await {
        Ok(mut writer) => dialect::empty_log(&mut writer.conn, WAIT).await,
        Err(error) => return tracing::warn!(?error, "the database's log was not emptied"),
    };
    match emptied {
        Ok(true) => {}
        Ok(false) => tracing::warn!("a reader keeps what was purged in the database's log"),
        Err(error) => tracing::warn!(%error, "the database's log was not emptied"),
    }
}
