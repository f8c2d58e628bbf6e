//! From Diesel's errors to ours.

use std::error::Error as StdError;

use diesel::ConnectionError;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel_async::pooled_connection::PoolError as OpenError;
use diesel_async::pooled_connection::deadpool::PoolError;
use llm_keys::error::{Error, ErrorKind, StoreFault};

use crate::dialect;

/// A storage failure.
pub(crate) fn fault(fault: StoreFault, op: &'static str, detail: &'static str) -> Error {
    Error::new(ErrorKind::Store(fault), op, detail)
}

pub(crate) fn conflict(op: &'static str, detail: &'static str) -> Error {
    Error::new(ErrorKind::Conflict, op, detail)
}

/// What a failed statement means to operation `op`.
pub(crate) fn failed(op: &'static str, error: DieselError) -> Error {
    let found = match &error {
        DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => {
            conflict(op, "somebody else stored the same thing first")
        }
        // It was tried again, and met others each time.
        DieselError::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => {
            fault(StoreFault::Busy, op, "others change the same rows all the time")
                .with_hint("try again")
        }
        DieselError::DatabaseError(DatabaseErrorKind::ClosedConnection, _)
        | DieselError::DatabaseError(DatabaseErrorKind::UnableToSendCommand, _)
        | DieselError::BrokenTransactionManager => {
            fault(StoreFault::Unavailable, op, "the connection to the database broke")
        }
        DieselError::DatabaseError(DatabaseErrorKind::ReadOnlyTransaction, _) => {
            fault(StoreFault::ReadOnly, op, "the database may only be read")
        }
        DieselError::DatabaseError(DatabaseErrorKind::Unknown, about) => {
            dialect::by_message(op, about.message())
        }
        // What ended the transaction is the cause, not that it could not be rolled back after.
        DieselError::RollbackErrorOnCommit { commit_error, .. } => match commit_error.as_ref() {
            DieselError::DatabaseError(_, about) => dialect::by_message(op, about.message()),
            _ => fault(StoreFault::Refused, op, "the transaction could not be ended"),
        },
        _ => fault(StoreFault::Refused, op, "the database refused a statement"),
    };
    found.with_source(error)
}

/// Whether the transaction that failed so was taken back only because it met others.
pub(crate) fn may_run_again(error: &Error) -> bool {
    let mut cause = StdError::source(error).and_then(|cause| cause.downcast_ref::<DieselError>());
    if let Some(DieselError::RollbackErrorOnCommit { commit_error, .. }) = cause {
        cause = Some(commit_error.as_ref());
    }
    match cause {
        Some(DieselError::DatabaseError(DatabaseErrorKind::SerializationFailure, _)) => true,
        Some(DieselError::DatabaseError(_, about)) => dialect::is_collision(about.message()),
        _ => false,
    }
}

/// Whether the connection is of no use any more.
pub(crate) fn is_lost(error: &Error) -> bool {
    error.kind() == ErrorKind::Store(StoreFault::Unavailable)
}

/// What it means that the pool gave no connection.
pub(crate) fn no_connection(op: &'static str, error: PoolError) -> Error {
    match error {
        PoolError::Timeout(_) => {
            fault(StoreFault::Busy, op, "all connections to the database are in use")
                .with_hint("try again, or allow more connections")
        }
        PoolError::Backend(OpenError::ConnectionError(ConnectionError::BadConnection(message))) => {
            // The message is the source as well: it names no password, only what the database said.
            dialect::by_message(op, &message).with_source(ConnectionError::BadConnection(message))
        }
        PoolError::Backend(OpenError::ConnectionError(
            ConnectionError::CouldntSetupConfiguration(error),
        )) => failed(op, error),
        PoolError::Backend(OpenError::QueryError(error)) => failed(op, error),
        other => {
            fault(StoreFault::Unavailable, op, "the database gave no connection").with_source(other)
        }
    }
}
