//! Plain data: what a key is called, what is known about it, and how to ask for it.
//!
//! Every text has a parser that says which character is wrong; a value of one of these types is
//! valid by having been made.

pub use self::caller::{Actor, Caller, Reason, RequestId};
pub use self::fallback::{Fallback, Gave, Source, Step, Trail};
pub use self::filter::{Cursor, KeyFilter, Page, PageSize};
pub use self::kept::Kept;
pub use self::key_id::{KeyId, Owner};
pub use self::metadata::{Integrity, KeyMetadata, VersionMetadata};
pub use self::notes::{Hint, Labels, Settings, TemplateRef};
pub use self::row::{KeyRow, KeyState, RowMac, VersionRow, VersionState};
pub use self::text::{EnvName, KeyName, OwnerId, Service, SystemName, Tenant};
pub use self::version::{Days, Seq, Version};

mod caller;
mod fallback;
mod filter;
mod kept;
mod key_id;
mod metadata;
mod notes;
mod row;
mod text;
mod version;
