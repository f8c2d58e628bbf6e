//! The migrations, as they are embedded. A test compares this list with the folders.

use crate::backend::Conn;

/// One migration for one database.
#[derive(Clone, Copy)]
pub(crate) struct Step {
    /// The name of its folders, such as `2026-11-20-100000_core`.
    pub(crate) name: &'static str,
    pub(crate) up: &'static str,
    pub(crate) down: &'static str,
}

impl Step {
    /// What it writes into `llm_keys_schema`: the digits of its name.
    pub(crate) fn version(&self) -> String {
        self.name.split('_').next().unwrap_or_default().replace('-', "")
    }
}

macro_rules! steps {
    ($($name:literal)*) => {
        #[cfg(feature = "sqlite")]
        const SQLITE: &[Step] = &[$(steps!(@one "sqlite" $name)),*];
        #[cfg(feature = "postgres")]
        const POSTGRES: &[Step] = &[$(steps!(@one "postgres" $name)),*];
        #[cfg(feature = "mysql")]
        const MYSQL: &[Step] = &[$(steps!(@one "mysql" $name)),*];
    };
    (@one $database:literal $name:literal) => {
        Step {
            name: $name,
            up: include_str!(concat!("../../migrations/", $database, "/", $name, "/up.sql")),
            down: include_str!(concat!("../../migrations/", $database, "/", $name, "/down.sql")),
        }
    };
}

// A migration is a line here and a folder for each database; its name begins with its time.
steps! {
    "2026-11-20-100000_core"
    "2026-11-20-180000_life_cycle"
}

/// Those for the database of this connection, oldest first.
pub(crate) fn steps(conn: &Conn) -> &'static [Step] {
    match conn {
        #[cfg(feature = "sqlite")]
        Conn::Sqlite(_) => SQLITE,
        #[cfg(feature = "postgres")]
        Conn::Postgres(_) => POSTGRES,
        #[cfg(feature = "mysql")]
        Conn::Mysql(_) => MYSQL,
    }
}

#[cfg(all(test, feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod tests {
    use super::*;

    #[test]
    fn the_folders_of_all_databases_hold_these_migrations_and_no_others() {
        for (database, steps) in [("sqlite", SQLITE), ("postgres", POSTGRES), ("mysql", MYSQL)] {
            let folder = format!("{}/migrations/{database}", env!("CARGO_MANIFEST_DIR"));
            let mut found: Vec<_> = std::fs::read_dir(folder)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            found.sort_unstable();
            let listed: Vec<_> = steps.iter().map(|step| step.name).collect();
            assert_eq!(listed, found, "{database}");
        }
    }

    #[test]
    fn every_migration_writes_and_takes_back_its_version() {
        for (first, step) in [SQLITE, POSTGRES, MYSQL]
            .iter()
            .flat_map(|all| all.iter().enumerate().map(|(n, step)| (n == 0, step)))
        {
            let version = format!("'{}'", step.version());
            assert!(step.up.contains(&version), "{}", step.name);
            // The first one drops the table.
            assert_eq!(step.down.contains(&version), !first, "{}", step.name);
        }
    }
}
