//! Who may read a file: the rule, apart from the calls that ask.
//!
//! The owner is the effective user or root, and the mode is 0600 or 0400. One more shape is let
//! in: a service manager that runs a service as another user hands over credentials as root's file
//! with an access list that names that user; the mode then shows the list's mask, 0440, and only
//! the list tells that no group can read it.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;

/// What decides who may read a file.
pub(super) struct Access {
    owner: u32,
    mode: u32,
    list: Option<Vec<u8>>,
}

/// Why a file is not private.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// It belongs to this user.
    Owner(u32),
    /// It has this mode.
    Mode(u32),
}

impl Access {
    /// Asks an open file.
    pub(super) fn of(file: &File, metadata: &Metadata) -> io::Result<Self> {
        let mode = metadata.mode() & 0o7777;
        let list = if mode == CREDENTIAL_MODE { access_list(file)? } else { None };
        Ok(Self { owner: metadata.uid(), mode, list })
    }

    /// Whether `user` alone may read it, or why not.
    pub(super) fn judge(&self, user: u32) -> Result<(), Fault> {
        if self.owner != user && self.owner != ROOT {
            return Err(Fault::Owner(self.owner));
        }
        match self.mode {
            0o600 | 0o400 => Ok(()),
            CREDENTIAL_MODE if self.owner == ROOT && self.lists_only(user) => Ok(()),
            mode => Err(Fault::Mode(mode)),
        }
    }

    /// Whether the access list gives nobody but the owner and `user` anything.
    fn lists_only(&self, user: u32) -> bool {
        let Some((version, entries)) = self.list.as_deref().and_then(<[u8]>::split_first_chunk)
        else {
            return false;
        };
        let (entries, rest) = entries.as_chunks::<8>();
        u32::from_le_bytes(*version) == 2
            && rest.is_empty()
            && entries.iter().all(|&[tag0, tag1, permit0, permit1, id @ ..]| {
                match u16::from_le_bytes([tag0, tag1]) {
                    TAG_OWNER | TAG_MASK => true,
                    TAG_USER if u32::from_le_bytes(id) == user => true,
                    _ => [permit0, permit1] == [0, 0],
                }
            })
    }
}

#[cfg(target_os = "linux")]
fn access_list(file: &File) -> io::Result<Option<Vec<u8>>> {
    use rustix::io::Errno;
    let mut list = vec![0; 4 + 8 * 64];
    match rustix::fs::fgetxattr(file, "system.posix_acl_access", &mut list) {
        Ok(len) => {
            list.truncate(len);
            Ok(Some(list))
        }
        // None there, none possible, or far too long to be a credential's.
        Err(Errno::NODATA | Errno::NOTSUP | Errno::RANGE) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn access_list(_file: &File) -> io::Result<Option<Vec<u8>>> {
    Ok(None)
}

const ROOT: u32 = 0;
const CREDENTIAL_MODE: u32 = 0o440;

// The tags of `posix_acl_xattr.h`; those of groups and of everybody else are not let in.
const TAG_OWNER: u16 = 0x01;
const TAG_USER: u16 = 0x02;
const TAG_MASK: u16 = 0x10;

#[cfg(test)]
mod tests {
    use super::*;

    const USER: u32 = 1000;

    fn judge(owner: u32, mode: u32) -> Result<(), Fault> {
        Access { owner, mode, list: None }.judge(USER)
    }

    /// The kernel's bytes for a list of (tag, permissions, id).
    fn list(entries: &[(u16, u16, u32)]) -> Vec<u8> {
        let mut bytes = 2_u32.to_le_bytes().to_vec();
        for (tag, permit, id) in entries {
            bytes.extend(tag.to_le_bytes());
            bytes.extend(permit.to_le_bytes());
            bytes.extend(id.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn the_owner_is_the_user_or_root() {
        assert_eq!(judge(USER, 0o600), Ok(()));
        assert_eq!(judge(ROOT, 0o400), Ok(()));
        assert_eq!(judge(1001, 0o600), Err(Fault::Owner(1001)));
        assert_eq!(
            Access { owner: USER, mode: 0o600, list: None }.judge(ROOT),
            Err(Fault::Owner(USER))
        );
    }

    #[test]
    fn any_bit_more_is_too_much() {
        for mode in [0o600, 0o400] {
            assert_eq!(judge(USER, mode), Ok(()));
        }
        for mode in [0o644, 0o640, 0o604, 0o620, 0o602, 0o700, 0o440, 0o4600, 0o777, 0o000] {
            assert_eq!(judge(USER, mode), Err(Fault::Mode(mode)), "{mode:o}");
        }
    }

    #[test]
    fn a_credential_of_the_service_manager_is_private_if_its_list_says_so() {
        let none = u32::MAX;
        let credential = |owner, list| Access { owner, mode: 0o440, list };
        let whole = [(1, 4, none), (2, 4, USER), (4, 0, none), (16, 4, none), (32, 0, none)];
        let fine = list(&whole);
        assert_eq!(credential(ROOT, Some(fine.clone())).judge(USER), Ok(()));

        let refused = Err(Fault::Mode(0o440));
        assert_eq!(credential(USER, Some(fine.clone())).judge(USER), refused);
        assert_eq!(credential(ROOT, None).judge(USER), refused);
        assert_eq!(credential(ROOT, Some(Vec::new())).judge(USER), refused);
        assert_eq!(credential(ROOT, Some(fine[..fine.len() - 1].to_vec())).judge(USER), refused);
        for (at, more) in [(1, (2, 4, 1001)), (2, (4, 4, none)), (4, (32, 4, none)), (4, (8, 4, 5))]
        {
            let mut entries = whole;
            entries[at] = more;
            assert_eq!(credential(ROOT, Some(list(&entries))).judge(USER), refused, "{more:?}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_list_of_a_real_file_is_asked() {
        use std::os::unix::fs::PermissionsExt as _;
        // Only root can make root's files; the rule itself is tested above, for everybody.
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let none = u32::MAX;
        let file = tempfile::tempfile().unwrap();
        file.set_permissions(std::fs::Permissions::from_mode(0o400)).unwrap();
        let list = list(&[(1, 4, none), (2, 4, USER), (4, 0, none), (16, 4, none), (32, 0, none)]);
        let flags = rustix::fs::XattrFlags::empty();
        match rustix::fs::fsetxattr(&file, "system.posix_acl_access", &list, flags) {
            Err(rustix::io::Errno::NOTSUP) => return,
            set => set.unwrap(),
        }
        let access = Access::of(&file, &file.metadata().unwrap()).unwrap();
        assert_eq!(access.mode, 0o440);
        assert_eq!(access.judge(USER), Ok(()));
        assert_eq!(access.judge(1001), Err(Fault::Mode(0o440)));
    }
}
