//! What only a database server does, on PostgreSQL and MariaDB.

mod application;
mod crash;
mod meetings;
mod own;
mod schema;
mod tls;
