//! `migrate …`.

use clap::{Args, Subcommand};

#[derive(Subcommand, Debug)]
pub(crate) enum MigrateCommand {
    /// List the migrations, and which of them ran; changes nothing.
    Status,
    /// Make what is missing, so that this version of the program can use the database.
    ///
    /// Several processes may do so at once.
    Up,
    /// Take back the newest migration, for an older version of the program.
    ///
    /// Refused if something is stored that the older tables have no place for. Asks on a terminal;
    /// needs `--yes` otherwise.
    Down(MigrateDownArgs),
}

#[derive(Args, Debug)]
pub(crate) struct MigrateDownArgs {
    /// Do not ask.
    #[arg(long, short)]
    pub(crate) yes: bool,
}
