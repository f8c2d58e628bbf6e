//! One connection of whichever database it is, and the macro that runs one query text on all.

#[cfg(feature = "sqlite")]
use diesel::SqliteConnection;
#[cfg(feature = "mysql")]
pub(crate) use diesel_async::AsyncMysqlConnection as MysqlConn;
#[cfg(feature = "postgres")]
pub(crate) use diesel_async::AsyncPgConnection as PgConn;
use diesel_async::pooled_connection::deadpool::Object;
#[cfg(feature = "sqlite")]
use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;

/// A connection to SQLite: calls run on Tokio's threads for blocking work.
#[cfg(feature = "sqlite")]
pub(crate) type SqliteConn = SyncConnectionWrapper<SqliteConnection>;

/// A connection taken from the pool. Another database is another variant here and another arm in
/// [`on_backend!`], and no other query.
#[cfg_attr(
    all(feature = "postgres", any(feature = "sqlite", feature = "mysql")),
    expect(
        clippy::large_enum_variant,
        reason = "one for each call, moved twice; a box would be an allocation for each"
    )
)]
pub(crate) enum Conn {
    #[cfg(feature = "sqlite")]
    Sqlite(Object<SqliteConn>),
    #[cfg(feature = "postgres")]
    Postgres(Object<PgConn>),
    #[cfg(feature = "mysql")]
    Mysql(Object<MysqlConn>),
}

impl Conn {
    /// Closes it, instead of giving it back to the pool, which will open another.
    pub(crate) fn discard(self) {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(object) => drop(Object::take(object)),
            #[cfg(feature = "postgres")]
            Self::Postgres(object) => drop(Object::take(object)),
            #[cfg(feature = "mysql")]
            Self::Mysql(object) => drop(Object::take(object)),
        }
    }
}

/// Expands `$body` once for each database, so that every type in it stays concrete. In `$body`,
/// `$conn` is `&mut` the database's own connection.
///
/// With `locking $rows = $query`, `$rows` is the query that also locks the rows it finds until the
/// transaction ends. SQLite locks the whole database when the transaction begins.
macro_rules! on_backend {
    ($db:expr, |$conn:ident| $body:expr) => {
        match $db {
            #[cfg(feature = "sqlite")]
            $crate::backend::Conn::Sqlite(object) => {
                let $conn: &mut $crate::backend::SqliteConn = &mut *object;
                $body
            }
            #[cfg(feature = "postgres")]
            $crate::backend::Conn::Postgres(object) => {
                let $conn: &mut $crate::backend::PgConn = &mut *object;
                $body
            }
            #[cfg(feature = "mysql")]
            $crate::backend::Conn::Mysql(object) => {
                let $conn: &mut $crate::backend::MysqlConn = &mut *object;
                $body
            }
        }
    };
    ($db:expr, locking $rows:ident = $query:expr, |$conn:ident| $body:expr) => {
        match $db {
            #[cfg(feature = "sqlite")]
            $crate::backend::Conn::Sqlite(object) => {
                let $conn: &mut $crate::backend::SqliteConn = &mut *object;
                let $rows = $query;
                $body
            }
            #[cfg(feature = "postgres")]
            $crate::backend::Conn::Postgres(object) => {
                let $conn: &mut $crate::backend::PgConn = &mut *object;
                let $rows = $query.for_update();
                $body
            }
            #[cfg(feature = "mysql")]
            $crate::backend::Conn::Mysql(object) => {
                let $conn: &mut $crate::backend::MysqlConn = &mut *object;
                let $rows = $query.for_update();
                $body
            }
        }
    };
}

/// Inserts rows: one with a statement that stays prepared, more with few statements. `$rows` is a
/// `Vec`.
macro_rules! insert_all {
    ($db:expr, $table:expr, $rows:expr) => {{
        let mut rows = $rows;
        let mut done = Ok(());
        while !rows.is_empty() && done.is_ok() {
            let later = rows.split_off(rows.len().min($crate::backend::ROWS_AT_ONCE));
            let some = std::mem::replace(&mut rows, later);
            done = if let [row] = some.as_slice() {
                on_backend!($db, |conn| diesel::insert_into($table).values(row).execute(conn).await)
            } else {
                match $db {
                    // It has no such statement without a thread of its own, which takes the rows.
                    #[cfg(feature = "sqlite")]
                    $crate::backend::Conn::Sqlite(conn) => {
                        let insert = move |conn: &mut diesel::SqliteConnection| {
                            let all = diesel::insert_into($table).values(&some);
                            diesel::RunQueryDsl::execute(all, conn)
                        };
                        conn.spawn_blocking(insert).await
                    }
                    #[cfg(feature = "postgres")]
                    $crate::backend::Conn::Postgres(conn) => {
                        diesel::insert_into($table).values(&some).execute(&mut **conn).await
                    }
                    #[cfg(feature = "mysql")]
                    $crate::backend::Conn::Mysql(conn) => {
                        diesel::insert_into($table).values(&some).execute(&mut **conn).await
                    }
                }
            }
            .map(drop);
        }
        done
    }};
}

/// How many rows one statement names at most: no database takes any number of parameters.
pub(crate) const ROWS_AT_ONCE: usize = 500;
