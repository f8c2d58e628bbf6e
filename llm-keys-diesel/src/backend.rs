//! One connection of whichever database it is, and the macro that runs one query text on all.

#[cfg(feature = "sqlite")]
use diesel::SqliteConnection;
#[cfg(feature = "sqlite")]
use diesel_async::pooled_connection::deadpool::Object;
#[cfg(feature = "sqlite")]
use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;

/// A connection to SQLite: calls run on Tokio's threads for blocking work.
#[cfg(feature = "sqlite")]
pub(crate) type SqliteConn = SyncConnectionWrapper<SqliteConnection>;

/// A connection taken from the pool. Another database is another variant here and another arm in
/// [`on_backend!`], and no other query.
pub(crate) enum Conn {
    #[cfg(feature = "sqlite")]
    Sqlite(Object<SqliteConn>),
}

/// Expands `$body` once for each database, so that every type in it stays concrete. In `$body`,
/// `$conn` is `&mut` the database's own connection.
macro_rules! on_backend {
    ($db:expr, |$conn:ident| $body:expr) => {
        match $db {
            #[cfg(feature = "sqlite")]
            $crate::backend::Conn::Sqlite(object) => {
                let $conn: &mut $crate::backend::SqliteConn = &mut *object;
                $body
            }
        }
    };
}
