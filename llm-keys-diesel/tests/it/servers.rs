//! What only a database server does, on PostgreSQL and MariaDB.

mod meetings;
mod schema;
