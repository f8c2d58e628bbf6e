//! What only a database server does, on PostgreSQL and MariaDB.

mod application;
mod crash;
mod hints;
mod meetings;
mod own;
mod plaintext;
mod schema;
mod tls;
