//! The same two parts in every layout, and layouts that cannot be read.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::scene::{ROOT, Scene, picture, png};
use crate::{evaluate, near};

/// What [`picture`] shows: left, top, width, height.
const SQUARE: [f64; 4] = [20.0, 16.0, 24.0, 16.0];

fn package(name: &str) -> String {
    format!("{ROOT}/tests/models/{name}")
}

/// A set with a part without a box and one with a `dent`, in one layout.
fn boxed(layout: &str) -> Scene {
    let scene = Scene::new();
    let (good, bad) = (png(&picture(0)), png(&picture(255)));
    let put = |folder: &str| {
        scene.write(&format!("set/{folder}/a.png"), &good);
        scene.write(&format!("set/{folder}/b.png"), &bad);
    };
    match layout {
        "coco" => {
            put("images");
            let image = |id: u32, name: &str| json!({"id": id, "file_name": name, "width": 64, "height": 48});
            let set = json!({
                "images": [image(7, "a.png"), image(9, "b.png")],
                "annotations": [{"id": 1, "image_id": 9, "category_id": 4, "bbox": SQUARE}],
                "categories": [{"id": 4, "name": "dent"}, {"id": 2, "name": "scratch"}],
            });
            scene.write("set/test.json", set.to_string());
        }
        "yolo" => {
            put("images/test");
            scene.write("set/labels/test/a.txt", "");
            scene.write(
                "set/labels/test/b.txt",
                "1 0.5 0.5 0.375 0.3333333333333333\n",
            );
            scene.write("set/data.yaml", "nc: 2\nnames: ['scratch', 'dent']\n");
        }
        "voc" => {
            put("JPEGImages");
            scene.write("set/Annotations/a.xml", annotation("a.png", ""));
            let object = "<object><name>dent</name><bndbox><xmin>21</xmin><ymin>17</ymin>\
                          <xmax>44</xmax><ymax>32</ymax></bndbox></object>";
            scene.write("set/Annotations/b.xml", annotation("b.png", object));
        }
        other => panic!("no layout {other}"),
    }
    scene
}

fn annotation(file: &str, objects: &str) -> String {
    format!(
        "<annotation>\n<filename>{file}</filename>\n<size><width>64</width><height>48</height></size>\n\
         {objects}</annotation>\n"
    )
}

#[test]
fn a_box_is_the_same_box_in_every_layout() {
    for layout in ["coco", "yolo", "voc"] {
        let scene = boxed(layout);
        let (exit, found) = evaluate(&scene, &[&package("detect"), "set"]);
        assert_eq!(exit, 0, "{layout}");
        assert_eq!(found["set"]["format"], layout);
        // Half a pixel off, and the overlap were 0.92: no match at 0.95.
        near(layout, &found["figures"]["map_50"], 1.0, 1e-9);
        near(layout, &found["figures"]["map_50_95"], 1.0, 1e-9);
        assert_eq!(found["figures"]["image_auroc"], 1.0, "{layout}");
        assert_eq!(found["details"]["bad"]["ng"], 1, "{layout}");
        assert_eq!(found["details"]["good"]["ok"], 1, "{layout}");
        assert_eq!(found["left_out"], json!([]), "{layout}");
    }
}

#[test]
fn masks_folders_of_classes_and_tables_say_the_same_pixels() {
    let mut figures: Vec<Value> = Vec::new();
    let mask = image::GrayImage::from_fn(64, 48, |x, y| {
        let is_inside = (20..44).contains(&x) && (16..32).contains(&y);
        image::Luma([if is_inside { 255 } else { 0 }])
    });
    let (mask, empty) = (png(&mask), png(&image::GrayImage::new(64, 48)));
    for layout in ["mvtec", "masks", "csv"] {
        let scene = Scene::new();
        let put = |good: &str, bad: &str, masks: [&str; 2]| {
            scene.write(&format!("set/{good}.png"), png(&picture(0)));
            scene.write(&format!("set/{bad}.png"), png(&picture(255)));
            scene.write(&format!("set/{}.png", masks[1]), &mask);
            if !masks[0].is_empty() {
                scene.write(&format!("set/{}.png", masks[0]), &empty);
            }
        };
        match layout {
            "mvtec" => put(
                "test/good/a",
                "test/dent/b",
                ["", "ground_truth/dent/b_mask"],
            ),
            "masks" => put("images/a", "images/b", ["masks/a", "masks/b"]),
            _ => {
                put("images/a", "images/b", ["", "masks/b"]);
                scene.write(
                    "set/split.csv",
                    "file,class,split\na.png,good,test\nb.png,dent,test\nc.png,dent,train\n",
                );
            }
        }
        let (exit, found) = evaluate(&scene, &[&package("anomaly"), "set"]);
        assert_eq!((exit, &found["set"]["format"]), (0, &json!(layout)));
        assert_eq!(found["left_out"], json!([]), "{layout}");
        let pixel = &found["details"]["pixel"];
        assert_eq!(
            (&pixel["n_bad"], &pixel["n_good"]),
            (&json!(384), &json!(2 * 64 * 48 - 384))
        );
        assert!(0.99 < pixel["auroc"].as_f64().unwrap(), "{layout}: {pixel}");
        figures.push(pixel.clone());
    }
    assert_eq!(figures[0], figures[1]);
    assert_eq!(figures[0], figures[2]);
}

#[test]
fn what_has_no_label_or_no_picture_is_named() {
    let scene = boxed("yolo");
    scene.write("set/images/test/c.png", png(&picture(0)));
    scene.write("set/labels/test/d.txt", "");
    assert_snapshot!(left_out(&scene), @"
    images/test/c.png: has no `labels/test/c.txt`; write an empty file for a good part
    labels/test/d.txt: belongs to no picture
    ");
    let scene = boxed("voc");
    scene.write("set/Annotations/c.xml", annotation("c.png", ""));
    scene.write("set/ImageSets/Main/test.txt", "a\nb\nc\nz\n");
    assert_snapshot!(left_out(&scene), @"
    Annotations/c.xml: belongs to no picture
    z: is in the split, but has no annotation
    ");
    let scene = boxed("coco");
    scene.replace("set/test.json", "a.png", "x.png");
    scene.replace("set/test.json", "\"height\":48", "\"height\":96");
    assert_snapshot!(left_out(&scene), @"
    x.png: there is no such picture
    b.png: its labels are for 64 x 96 px, the picture has 64 x 48; its boxes may lie elsewhere
    ");
}

fn left_out(scene: &Scene) -> String {
    let (exit, found) = evaluate(scene, &[&package("detect"), "set"]);
    assert_eq!(exit, 0);
    let all = found["left_out"].as_array().unwrap().iter();
    let lines = all.map(|one| {
        let text = |key: &str| one[key].as_str().unwrap().to_owned();
        format!("{}: {}", text("what"), text("why"))
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What is said of a set that has one mistake.
fn fault(layout: &str, file: &str, from: &str, to: &str) -> String {
    let scene = boxed(layout);
    scene.replace(file, from, to);
    scene.taktgate(&["evaluate", &package("detect"), "set"])
}

#[test]
fn a_label_that_cannot_be_understood_says_file_line_and_what_to_write() {
    assert_snapshot!(fault("coco", "set/test.json", "\"category_id\":4", "\"category_id\":5"), @"
    exit 1
    --- stderr
    error: `set/test.json`, annotation 1: `category_id` 5 is not in `categories`
    ");
    assert_snapshot!(fault("coco", "set/test.json", "\"image_id\":9", "\"image_id\":1"), @"
    exit 1
    --- stderr
    error: `set/test.json`, annotation 1: `image_id` 1 is not in `images`
    ");
    assert_snapshot!(fault("coco", "set/test.json", "24.0", "-24.0"), @"
    exit 1
    --- stderr
    error: `set/test.json`, annotation 1: `bbox` [20.0, 16.0, -24.0, 16.0] is no box; write left, top, width and height in pixels
    ");
    assert_snapshot!(fault("coco", "set/test.json", "\"categories\"", "\"kinds\""), @"
    exit 1
    --- stderr
    error: `set/test.json`, line 1, column 258: this is no COCO set: missing field `categories`
    ");
    assert_snapshot!(fault("yolo", "set/labels/test/b.txt", "1 0.5", "1 32"), @"
    exit 1
    --- stderr
    error: `set/labels/test/b.txt`, line 1: `32` is no share of a side; write 0 to 1
    ");
    assert_snapshot!(fault("yolo", "set/data.yaml", "names", "labels"), @"
    exit 1
    --- stderr
    error: `set/data.yaml`, line 1: there is no `names:`
    ");
    assert_snapshot!(fault("voc", "set/Annotations/b.xml", "<xmax>44</xmax>", ""), @"
    exit 1
    --- stderr
    error: `set/Annotations/b.xml`, line 4: the object has no `xmax`
    ");
    assert_snapshot!(fault("voc", "set/Annotations/b.xml", "</annotation>", ""), @"
    exit 1
    --- stderr
    error: `set/Annotations/b.xml`, line 1, column 1: this is no XML: the root node was opened but never closed
    ");
}

#[test]
fn a_set_that_is_none_says_what_each_layout_looks_like() {
    let scene = Scene::new();
    scene.write("set/readme.txt", "nothing");
    let run = |data: &str, more: &[&str]| {
        let package = package("detect");
        scene.taktgate(&[&["evaluate", &package, data], more].concat())
    };
    assert_snapshot!(run("set", &[]), @"
    exit 1
    --- stderr
    error: cannot tell how `set` is labelled; say it with `--format`, or lay it out as one of:
      mvtec  `test/good/*.png`, `test/<defect>/*.png`, `ground_truth/<defect>/*_mask.png`
      coco   `test.json` (or `annotations/instances_test.json`, `test/_annotations.coco.json`) with the pictures beside it or in `images/`
      yolo   `images/test/*.jpg` with `labels/test/*.txt` (or `test/images` with `test/labels`, or `images` with `labels`), and `classes.txt` or `data.yaml`
      voc    `Annotations/*.xml` with the pictures in `JPEGImages/`
      masks  `images/*` with `masks/*` of the same names (or `frames` with `truth`, or `ground_truth`)
      csv    a `split.csv` or `labels.csv` with the columns `file`, `class`, and perhaps `split` and `mask`
    ");
    assert_snapshot!(run("nowhere", &[]), @"
    exit 1
    --- stderr
    error: cannot read `nowhere`
      because No such file or directory (os error 2)
    ");
    assert_snapshot!(run("set", &["--format", "voc"]), @"
    exit 1
    --- stderr
    error: `set` is no labelled set of the kind `voc`: `Annotations/*.xml` with the pictures in `JPEGImages/`
    ");
    scene.write("set/test/good/readme.txt", "no picture");
    assert_snapshot!(run("set", &[]), @"
    exit 1
    --- stderr
    error: `set` has no labelled picture
    ");
    assert_snapshot!(run("set", &["--split", "validation"]), @"
    exit 1
    --- stderr
    error: `set` has no split `validation`; it has `test`
    ");
    scene.write("table/labels.csv", "name,class\na.png,good\n");
    assert_snapshot!(run("table", &[]), @"
    exit 1
    --- stderr
    error: `table/labels.csv`, line 1: there is no column `file` or `filename` or `path` or `image`; there are `name`, `class`
    ");
    scene.write("table/labels.csv", "file,class\na.png,good\n");
    assert_snapshot!(run("table", &[]), @"
    exit 1
    --- stderr
    error: `table` has no labelled picture; 1 left out, the first is `a.png`: there is no such picture
    ");
    assert_snapshot!(run("table", &["--split", "val"]), @"
    exit 1
    --- stderr
    error: `table/labels.csv` has no splits; leave `--split val` out
    ");
}
