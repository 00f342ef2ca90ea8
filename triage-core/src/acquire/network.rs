//! Sockets with their owners, routes, neighbours, interfaces.

use super::{Flow, Round, reason};
use crate::model::{GapReason, Interface, RawText, Record, Socket, Timestamp};
use crate::parse::procfs;
use crate::sys::folder::{Folder, Read};
use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;

/// The most bytes of one table: some 100,000 connections.
const MAX_TABLE: usize = 16 << 20;
/// In order of volatility.
const TABLES: [&str; 8] = ["tcp", "tcp6", "udp", "udp6", "raw", "raw6", "packet", "unix"];
/// Takes in what is not meant for it (`netdevice(7)`).
const IFF_PROMISC: u32 = 0x100;

/// The tables of one network namespace, as bytes.
pub(super) struct Tables {
    time: Timestamp,
    of: BTreeMap<&'static str, io::Result<Read>>,
}

fn read(process: &Folder, time: Timestamp) -> Tables {
    Tables { time, of: TABLES.iter().map(|name| (*name, process.read(format!("net/{name}"), MAX_TABLE))).collect() }
}

impl Round<'_> {
    /// The tables of the namespace that we are in.
    pub(super) fn own_tables(&mut self) -> Option<(u64, Tables)> {
        let own = self.own.clone()?;
        let time = self.now();
        let network = super::process::namespaces(&own).get("net").copied().unwrap_or(0);
        let tables = self.wait(move || read(&own, time)).ok()?;
        Some((network, tables))
    }

    pub(super) fn sockets(&mut self, own: Option<(u64, Tables)>) -> Flow {
        let done = own.as_ref().map(|(network, _)| *network);
        if let Some((network, tables)) = own {
            self.tables(network, tables)?;
        } else {
            self.gap("/proc/net", GapReason::ReadFailed, "the sockets could not be read")?;
        }
        let others: Vec<(u64, Folder)> =
            self.networks.iter().filter(|(network, _)| Some(**network) != done).map(|(n, f)| (*n, f.clone())).collect();
        for (network, process) in others {
            let time = self.now();
            match self.wait(move || read(&process, time)) {
                Ok(tables) => self.tables(network, tables)?,
                Err(late) => self.gap("/proc/net", GapReason::LimitReached, late.to_string())?,
            }
        }
        ControlFlow::Continue(())
    }

    fn tables(&mut self, network: u64, tables: Tables) -> Flow {
        for (name, table) in tables.of {
            let content = match table {
                Ok(content) => content,
                // A kernel without IPv6, a process that has ended.
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidInput) => continue,
                Err(error) => {
                    self.gap(&format!("/proc/net/{name}"), reason(&error), error.to_string())?;
                    continue;
                }
            };
            if content.is_cut {
                let detail = format!("only the first {MAX_TABLE} bytes are kept");
                self.gap(&format!("/proc/net/{name}"), GapReason::TooLarge, detail)?;
            }
            match name {
                "unix" => self.each(network, procfs::unix(&content.bytes, tables.time))?,
                "packet" => self.each(network, procfs::packet(&content.bytes, tables.time))?,
                name => self.each(network, procfs::inet(name, &content.bytes, tables.time))?,
            }
        }
        ControlFlow::Continue(())
    }

    fn each(&mut self, network: u64, sockets: impl Iterator<Item = Socket>) -> Flow {
        for mut socket in sockets {
            socket.namespace = (network != 0 && self.base.get("net") != Some(&network)).then_some(network);
            socket.owners = self.owners.get(&socket.inode).cloned().unwrap_or_default();
            self.give(Record::Socket(socket))?;
        }
        ControlFlow::Continue(())
    }

    /// Neighbours, routes and interfaces of the namespace that we are in.
    pub(super) fn links(&mut self) -> Flow {
        let Some(own) = self.own.clone() else { return ControlFlow::Continue(()) };
        let time = self.now();
        let names = ["arp", "route", "ipv6_route", "dev", "fib_trie"];
        let Ok(tables) = self.wait(move || names.map(|name| own.read(format!("net/{name}"), MAX_TABLE))) else {
            return self.gap("/proc/net", GapReason::LimitReached, "the routes could not be read in time");
        };
        let [neighbours, routes, routes6, devices, addresses] =
            tables.map(|table| table.map(|content| content.bytes).unwrap_or_default());
        for neighbour in procfs::neighbours(&neighbours, time) {
            self.give(Record::Neighbour(neighbour))?;
        }
        for route in procfs::routes(&routes, time).chain(procfs::ipv6_routes(&routes6, time)) {
            self.give(Record::Route(route))?;
        }
        if !addresses.is_empty() {
            let value = RawText::from(addresses.get(..64 << 10).unwrap_or(&addresses));
            let name = "/proc/net/fib_trie".to_owned();
            self.give(Record::SystemValue(crate::model::SystemValue { time, name, value }))?;
        }
        let sys = Folder::open(&self.options.sys).ok();
        for (name, received_bytes, sent_bytes) in procfs::interfaces(&devices) {
            let device = sys.as_ref().and_then(|sys| device(sys, name.as_bytes()));
            let value = |file: &str| {
                let bytes = device.as_ref()?.read(file, 4096).ok()?.bytes;
                Some(RawText::from(bytes.trim_ascii()))
            };
            let flags = value("flags").and_then(|text| {
                u32::from_str_radix(std::str::from_utf8(text.as_bytes()).ok()?.strip_prefix("0x")?, 16).ok()
            });
            let interface = Interface {
                time,
                hardware_address: value("address"),
                flags,
                is_promiscuous: flags.is_some_and(|flags| flags & IFF_PROMISC != 0),
                received_bytes,
                sent_bytes,
                name,
            };
            self.give(Record::Interface(interface))?;
        }
        ControlFlow::Continue(())
    }
}

/// The folder of an interface, to which `/sys/class/net` has a link `../../devices/…`.
fn device(sys: &Folder, name: &[u8]) -> Option<Folder> {
    let target = sys.folder("class/net").ok()?.link(name).ok()?;
    sys.folder(target.as_bytes().strip_prefix(b"../../")?).ok()
}
