//! Disks that are small, fail or have bytes turned over.

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::proxy::pause;

/// Why a row with a disk of its own is skipped.
pub(crate) const NO_MOUNT: &str = "this user may not mount a disk";

/// A disk of its own for the station's data; needs root, and is gone with the test.
pub(crate) struct Disk {
    path: PathBuf,
}

impl Disk {
    /// A small one in memory; `None` where this user may not mount.
    pub(crate) fn mount(path: PathBuf, size: &str) -> Option<Self> {
        fs::create_dir_all(&path).unwrap();
        let options = format!("size={size}");
        let mounted = run(
            "mount",
            &["-t", "tmpfs", "-o", &options, "tmpfs", path.to_str()?],
        );
        mounted.then_some(Self { path })
    }

    /// An ext4 in the file `image`, which is made if it is not there; it becomes read-only at its
    /// first error. `None` where this user may not mount one.
    pub(crate) fn mount_file(path: PathBuf, image: &Path) -> Option<Self> {
        fs::create_dir_all(&path).unwrap();
        if !image.exists() {
            let file = fs::File::create(image).unwrap();
            file.set_len(24 << 20).unwrap();
            if !run("mkfs.ext4", &["-q", "-F", image.to_str()?]) {
                return None;
            }
        }
        let options = "loop,errors=remount-ro";
        let mounted = run(
            "mount",
            &["-t", "ext4", "-o", options, image.to_str()?, path.to_str()?],
        );
        mounted.then_some(Self { path })
    }

    pub(crate) fn remount(&self, how: &str) {
        let options = format!("remount,{how}");
        assert!(run("mount", &["-o", &options, self.path.to_str().unwrap()]));
    }

    /// Makes the ext4 find an error in itself: from now on it takes no byte, open files or not. The
    /// ordinary way to read-only is closed as long as somebody writes.
    pub(crate) fn fail(&self) {
        let mounts = fs::read_to_string("/proc/mounts").unwrap();
        let of_ours = |line: &&str| line.split(' ').nth(1).map(Path::new) == Some(&*self.path);
        let device = mounts.lines().find(of_ours).unwrap();
        let device = device.split(' ').next().unwrap().replace("/dev/", "");
        let trigger = format!("/sys/fs/ext4/{device}/trigger_fs_error");
        fs::write(trigger, "the fault bench").unwrap();
        let probe = fs::write(self.path.join("probe"), "");
        assert!(probe.is_err(), "the disk still takes something");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // The station's process may still be on its way out.
        let until = Instant::now() + Duration::from_secs(10);
        while !run("umount", &[self.path.to_str().unwrap()]) && Instant::now() < until {
            pause(Duration::from_millis(50));
        }
    }
}

fn run(program: &str, words: &[&str]) -> bool {
    let status = Command::new(program)
        .args(words)
        .stdout(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

/// Takes all the room that is left.
pub(crate) fn fill(path: &Path) {
    let mut file = fs::File::create(path).unwrap();
    let mut piece = vec![0xAA; 64 * 1024];
    while !piece.is_empty() {
        while file.write_all(&piece).is_ok() {}
        piece.truncate(piece.len() / 2);
    }
}

/// Writes over a part of a file; returns what was there.
pub(crate) fn overwrite(path: &Path, offset: u64, bytes: &[u8]) -> Vec<u8> {
    let mut file = fs::File::options()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let mut before = vec![0; bytes.len()];
    file.seek(SeekFrom::Start(offset)).unwrap();
    file.read_exact(&mut before).unwrap();
    file.seek(SeekFrom::Start(offset)).unwrap();
    file.write_all(bytes).unwrap();
    before
}
