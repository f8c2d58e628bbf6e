//! Where a server listens. The rule: on the loopback and nowhere else, because the secrets of test
//! servers are no secrets.

use std::collections::HashSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use crate::failure::{Failure, Result};

/// Fails if a process that `keeper` started, or one of its process group, listens on another
/// address than the loopback. Only Linux tells; elsewhere this finds nothing.
pub(super) fn only_loopback(keeper: u32) -> Result {
    check(Path::new("/proc"), keeper)
}

fn check(proc: &Path, keeper: u32) -> Result {
    let sockets = sockets(proc, &family(proc, keeper));
    let open: Vec<_> = ["net/tcp", "net/tcp6"]
        .iter()
        .flat_map(|table| listening(&fs::read_to_string(proc.join(table)).unwrap_or_default()))
        .filter(|(address, inode)| !is_loopback(address.ip()) && sockets.contains(inode))
        .map(|(address, _)| address.to_string())
        .collect();
    if open.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "it listens on {}, and test servers listen on the loopback only",
        open.join(" and ")
    )))
}

/// A line of `/proc/PID/stat`.
struct Process {
    id: u32,
    parent: u32,
    group: u32,
}

impl Process {
    /// The name is in parentheses and may hold anything, parentheses too.
    fn parse(stat: &str) -> Option<Self> {
        let (id, rest) = stat.split_once(" (")?;
        let mut fields = rest.rsplit_once(") ")?.1.split(' ').skip(1);
        let (parent, group) = (fields.next()?, fields.next()?);
        Some(Self {
            id: id.parse().ok()?,
            parent: parent.parse().ok()?,
            group: group.parse().ok()?,
        })
    }
}

/// The children of `keeper`, their children, and all of their process groups: who was left by its
/// parent is still in its group.
fn family(proc: &Path, keeper: u32) -> HashSet<u32> {
    let stats = fs::read_dir(proc).into_iter().flatten().flatten();
    let stats = stats.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
    let all: Vec<_> = stats.filter_map(|stat| Process::parse(&stat)).collect();
    let own_group = all.iter().find(|process| process.id == keeper).map(|process| process.group);
    let (mut members, mut groups) = (HashSet::from([keeper]), HashSet::new());
    loop {
        let before = members.len();
        for process in &all {
            if members.contains(&process.parent) || groups.contains(&process.group) {
                members.insert(process.id);
                groups.extend(Some(process.group).filter(|group| Some(*group) != own_group));
            }
        }
        if members.len() == before {
            return members;
        }
    }
}

/// The inodes of the sockets that these processes hold.
fn sockets(proc: &Path, processes: &HashSet<u32>) -> HashSet<u64> {
    let folders = processes.iter().map(|id| proc.join(id.to_string()).join("fd"));
    let files = folders.filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
    let targets = files.filter_map(|file| fs::read_link(file.path()).ok());
    targets
        .filter_map(|target| {
            target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
        })
        .collect()
}

/// The listening sockets of a table, with their inodes.
fn listening(table: &str) -> Vec<(SocketAddr, u64)> {
    let row = |line: &str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let (address, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
        (*state == "0A").then_some(())?;
        Some((parse_address(address)?, inode.parse().ok()?))
    };
    table.lines().skip(1).filter_map(row).collect()
}

/// Such as `0100007F:1F90`: words of four bytes in the machine's order, and the port.
fn parse_address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let mut bytes = Vec::new();
    for word in address.as_bytes().chunks(8) {
        let word = u32::from_str_radix(str::from_utf8(word).ok()?, 16).ok()?;
        bytes.extend_from_slice(&word.to_ne_bytes());
    }
    let ip = match bytes.len() {
        4 => IpAddr::from(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        16 => IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::unix::fs::symlink;

    use super::*;

    const HEAD: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when \
                        retrnsmt   uid  timeout inode\n";

    fn row(address: &str, state: &str, inode: u64) -> String {
        format!(
            "   0: {address} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000  1000  \
             0 {inode} 1 0000000000000000 100 0 0 10 0\n"
        )
    }

    /// A machine where 10 is a keeper, 11 its server in a group of its own, 12 a child of that,
    /// 13 one that was left in the group, and 20 somebody else.
    fn machine(tcp: &str) -> tempfile::TempDir {
        let proc = tempfile::tempdir().unwrap();
        for (id, parent, group) in
            [(10, 1, 10), (11, 10, 11), (12, 11, 11), (13, 1, 11), (20, 1, 20)]
        {
            let folder = proc.path().join(id.to_string());
            fs::create_dir_all(folder.join("fd")).unwrap();
            let stat = format!("{id} (a (b) c) S {parent} {group} {group} 0 -1\n");
            fs::write(folder.join("stat"), stat).unwrap();
            symlink(format!("socket:[{id}]"), folder.join("fd/3")).unwrap();
            symlink("/dev/null", folder.join("fd/0")).unwrap();
        }
        fs::create_dir(proc.path().join("net")).unwrap();
        fs::write(proc.path().join("net/tcp"), format!("{HEAD}{tcp}")).unwrap();
        proc
    }

    fn hex(address: Ipv4Addr) -> String {
        format!("{:08X}", u32::from_ne_bytes(address.octets()))
    }

    #[test]
    fn every_process_of_the_server_counts_and_no_other() {
        let any = hex(Ipv4Addr::UNSPECIFIED);
        for inode in [11, 12, 13] {
            let proc = machine(&row(&format!("{any}:22B3"), "0A", inode));
            let failure = check(proc.path(), 10).unwrap_err().to_string();
            assert!(failure.contains("0.0.0.0:8883"), "{failure}");
        }
        let proc = machine(&row(&format!("{any}:22B3"), "0A", 20));
        check(proc.path(), 10).unwrap();
    }

    #[test]
    fn the_loopback_and_connections_are_fine() {
        let rows = [
            row(&format!("{}:0050", hex(Ipv4Addr::LOCALHOST)), "0A", 11),
            row(&format!("{}:0050", hex(Ipv4Addr::new(10, 0, 0, 1))), "01", 11),
        ];
        check(machine(&rows.concat()).path(), 10).unwrap();
    }

    #[test]
    fn addresses_of_both_families_are_read() {
        let words = |address: Ipv6Addr| {
            let bytes = address.octets();
            let word = |four: &[u8]| u32::from_ne_bytes(four.try_into().unwrap());
            bytes.chunks(4).map(|four| format!("{:08X}", word(four))).collect::<String>()
        };
        for (ip, is_fine) in [
            (Ipv6Addr::LOCALHOST, true),
            (Ipv6Addr::UNSPECIFIED, false),
            (Ipv4Addr::LOCALHOST.to_ipv6_mapped(), true),
            (Ipv4Addr::new(192, 168, 0, 1).to_ipv6_mapped(), false),
        ] {
            let address = parse_address(&format!("{}:0050", words(ip))).unwrap();
            assert_eq!(address, SocketAddr::new(ip.into(), 80));
            assert_eq!(is_loopback(address.ip()), is_fine, "{ip}");
        }
        assert_eq!(parse_address("0100007F"), None);
        assert_eq!(parse_address("01:0050"), parse_address("00000001:0050"));
        assert_eq!(parse_address("0100007F0100007F:0050"), None);
    }

    /// This machine's own tables are what the parser takes them for.
    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_seen_to_listen() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let proc = Path::new("/proc");
        let own = sockets(proc, &HashSet::from([std::process::id()]));
        let table = listening(&fs::read_to_string("/proc/net/tcp").unwrap());
        assert!(table.iter().any(|(at, inode)| *at == address && own.contains(inode)));
        assert!(family(proc, std::os::unix::process::parent_id()).contains(&std::process::id()));
    }
}
