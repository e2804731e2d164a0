//! A grey camera on Linux through the binary, with a driver of the test (v4l2.c) in the place of the kernel's.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// A station whose camera is `/dev/video0`, as the driver plays it.
struct Scene {
    folder: TempDir,
}

impl Scene {
    fn new(width_px: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let scene = Self { folder };
        let path = |below: &str| scene.folder.path().join(below);
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/camera/v4l2.c");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror"])
            .arg("-o")
            .arg(path("v4l2.so"))
            .arg(source)
            .arg("-ldl")
            .output()
            .unwrap();
        assert!(compiled.status.success(), "{compiled:?}");
        fs::create_dir(path("dev")).unwrap();
        fs::write(path("dev/video0"), vec![0; 4 * 8192]).unwrap();
        let init = scene
            .plain(&["init"])
            .arg(path("st-07"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        assert!(init.status.success(), "{init:?}");
        let text = fs::read_to_string(path("st-07/station.toml")).unwrap();
        let line = text
            .lines()
            .find(|line| line.starts_with("source = "))
            .unwrap();
        let usb = format!(
            "source = {{ usb = {{ device = \"0\", width_px = {width_px}, height_px = 48, fourcc = \"grey\", rate_fps = 30 }} }}"
        );
        fs::write(path("st-07/station.toml"), text.replace(line, &usb)).unwrap();
        scene
    }

    fn plain(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_taktgate"));
        command.current_dir(self.folder.path()).args(args);
        command
    }

    /// With the driver, which calls its pixels so.
    fn taktgate(&self, fourcc: &str, args: &[&str]) -> Output {
        let path = |below: &str| self.folder.path().join(below);
        self.plain(args)
            .env("LD_PRELOAD", path("v4l2.so"))
            .env("FAKE_V4L2", path("dev"))
            .env("FAKE_FOURCC", fourcc)
            .output()
            .unwrap()
    }
}

#[test]
fn a_grey_camera_opens_and_gives_its_frames_without_what_fills_its_lines_up() {
    let scene = Scene::new(64);
    let said = scene.taktgate("GREY", &["camera", "grab", "st-07", "--out", "one.png"]);
    assert!(said.status.success(), "{said:?}");
    let picture = image::open(scene.folder.path().join("one.png")).unwrap();
    let picture = picture.as_luma8().unwrap();
    assert_eq!(picture.dimensions(), (64, 48));
    let level = picture.as_raw()[0];
    assert!((1..200).contains(&level), "{level}");
    assert!(picture.as_raw().iter().all(|pixel| *pixel == level));
}

#[test]
fn a_camera_without_grey_or_of_another_size_is_refused_with_what_it_has() {
    let refusal = |width_px, fourcc| {
        let said = Scene::new(width_px).taktgate(fourcc, &["camera", "show", "st-07"]);
        assert_eq!(said.status.code(), Some(3), "{said:?}");
        String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr)
    };
    let none = refusal(64, "YUYV");
    assert!(
        none.contains("it has no GREY, but YUYV; write `fourcc` as `yuyv` or `mjpeg`"),
        "{none}"
    );
    let other = refusal(128, "GREY");
    assert!(
        other.contains("it takes 64 x 48 in GREY, and the configuration asks for 128 x 48"),
        "{other}"
    );
}
