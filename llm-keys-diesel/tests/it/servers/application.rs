//! An application's own pool, beside its own tables.

use diesel_async::pooled_connection::AsyncDieselConnectionManager;
use diesel_async::pooled_connection::deadpool::Pool;
use llm_keys::KeyId;
use llm_keys::store::KeyStore as _;
use llm_keys_diesel::{AnyPool, DieselStore};

use crate::database::{Database, Kind};
use crate::fixture::new_key;

on_each_server! {
    a_pool_of_the_application_will_do
}

fn pool(database: &Database) -> AnyPool {
    let url = database.url();
    match database.kind {
        Kind::Postgres => {
            let manager = AsyncDieselConnectionManager::new(url);
            AnyPool::Postgres(Pool::builder(manager).max_size(2).build().unwrap())
        }
        Kind::Mysql => {
            let manager = AsyncDieselConnectionManager::new(url);
            AnyPool::Mysql(Pool::builder(manager).max_size(2).build().unwrap())
        }
    }
}

/// Its connections have the server's defaults: on MySQL `REPEATABLE READ`.
async fn a_pool_of_the_application_will_do(kind: Kind) {
    let database = Database::new(kind).await;
    database.execute("CREATE TABLE orders (id INTEGER)").await.unwrap();
    let store = DieselStore::from_pool(pool(&database));
    let id = KeyId::global("openai").unwrap();
    let error = store.key_find(&id).await.unwrap_err();
    assert_eq!(error.kind().code(), "store_schema_too_old");
    assert!(store.migrate().await.unwrap() > 0);
    let calls: Vec<_> = (1..=20)
        .map(|n| {
            let (store, change) = (store.clone(), new_key(&id, n));
            tokio::spawn(async move { store.commit(change).await })
        })
        .collect();
    let mut won = 0;
    for call in calls {
        match call.await.unwrap() {
            Ok(()) => won += 1,
            Err(error) => assert_eq!(error.kind().code(), "conflict", "{error:?}"),
        }
    }
    assert_eq!(won, 1);
    database.execute("INSERT INTO orders VALUES (1)").await.unwrap();
}
