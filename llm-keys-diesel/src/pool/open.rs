//! Pools of our own: how each database is reached, and how its connections are set up.

use deadpool::Runtime;
use deadpool::managed::Manager;
use diesel::result::ConnectionResult;
use diesel_async::AsyncConnection;
use diesel_async::pooled_connection::deadpool::Pool;
use diesel_async::pooled_connection::{
    AsyncDieselConnectionManager, ManagerConfig, PoolableConnection, RecyclingMethod,
};
use llm_keys::error::{Error, ErrorKind, Result};

use super::AnyPool;
use crate::dialect;
use crate::url::{ConnectOptions, Target};

/// The pool for `target`. Opens no connection yet.
pub(super) fn pool(target: &Target, options: ConnectOptions) -> Result<AnyPool> {
    match target {
        // Each connection would have a memory of its own.
        #[cfg(feature = "sqlite")]
        Target::SqliteMemory => sqlite(":memory:".to_owned(), false, options.max_connections(1)),
        #[cfg(feature = "sqlite")]
        Target::SqliteFile { path, read_only } => {
            crate::file::prepare(path, *read_only)?;
            sqlite(crate::url::sqlite_uri(path, *read_only), *read_only, options)
        }
        #[cfg(not(feature = "sqlite"))]
        Target::SqliteMemory | Target::SqliteFile { .. } => {
            Err(crate::url::not_built("SQLite", "sqlite"))
        }
        #[cfg(feature = "postgres")]
        Target::Postgres(target) => postgres(target, options),
        #[cfg(feature = "mysql")]
        Target::Mysql(target) => mysql(target, options),
    }
}

#[cfg(feature = "sqlite")]
fn sqlite(uri: String, read_only: bool, options: ConnectOptions) -> Result<AnyPool> {
    let lock_wait = options.lock_wait;
    let open = move || {
        let uri = uri.clone();
        async move { dialect::sqlite::open(&uri, lock_wait, read_only).await }
    };
    Ok(AnyPool::Sqlite(built(open, options)?))
}

#[cfg(feature = "postgres")]
fn postgres(target: &crate::url::postgres::Postgres, options: ConnectOptions) -> Result<AnyPool> {
    let tls = crate::tls::connector(&target.tls)?;
    let (config, lock_wait) = (target.config.clone(), options.lock_wait);
    let open = move || {
        let (config, tls) = (config.clone(), tls.clone());
        async move { dialect::postgres::open(&config, tls, lock_wait).await }
    };
    Ok(AnyPool::Postgres(built(open, options)?))
}

#[cfg(feature = "mysql")]
fn mysql(target: &crate::url::mysql::Mysql, options: ConnectOptions) -> Result<AnyPool> {
    use crate::url::server::Tls;
    let mut opts = target.opts.clone();
    if let Tls::Verified { roots } = &target.tls {
        crate::tls::provide();
        let roots = crate::tls::roots(roots.as_deref())?;
        let roots = roots.into_iter().map(|root| root.as_ref().to_vec().into()).collect();
        let tls = mysql_async::SslOpts::default()
            .with_disable_built_in_roots(true)
            .with_root_certs(roots);
        opts = mysql_async::OptsBuilder::from_opts(opts).ssl_opts(tls).into();
    }
    let lock_wait = options.lock_wait;
    let open = move || {
        let opts = opts.clone();
        async move { dialect::mysql::open(&opts, lock_wait).await }
    };
    Ok(AnyPool::Mysql(built(open, options)?))
}

fn built<C, F>(
    open: impl Fn() -> F + Send + Sync + 'static,
    options: ConnectOptions,
) -> Result<Pool<C>>
where
    C: AsyncConnection + PoolableConnection + Send + 'static,
    F: Future<Output = ConnectionResult<C>> + Send + 'static,
    AsyncDieselConnectionManager<C>:
        Manager<Type = C, Error = diesel_async::pooled_connection::PoolError>,
{
    let mut config = ManagerConfig::default();
    // A question on each checkout would cost as much as a read.
    config.recycling_method = RecyclingMethod::Fast;
    config.custom_setup = Box::new(move |_url| Box::pin(open()));
    // The URL stays with us: it may hold a password.
    let manager = AsyncDieselConnectionManager::new_with_config("", config);
    let built = Pool::builder(manager).max_size(options.max_connections).runtime(Runtime::Tokio1);
    built.build().map_err(|error| {
        Error::new(ErrorKind::Internal, "store.connect", "the pool cannot be built")
            .with_source(error)
    })
}
