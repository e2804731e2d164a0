//! Depth: brackets, keys, elements and graphs within one another, a hundred thousand deep.

use crate::bounds::alone;
use crate::checks::{Labels, Models, files, wire};
use crate::graphs::{message, number};

const DEPTH: usize = 100_000;

#[test]
fn json_a_hundred_thousand_deep_is_refused() {
    let _alone = alone();
    let labels = Labels::new().unwrap();
    for (open, close) in [("[", "]"), ("{\"schema\":", "}"), ("[{\"a\":", "}]")] {
        let whole = [&open.repeat(DEPTH), "1", &close.repeat(DEPTH)].concat();
        let valued = format!("{{\"schema\":1,\"x\":{whole}}}");
        for text in [&whole, &open.repeat(DEPTH), &valued] {
            assert_eq!(wire(text.as_bytes()), 0);
            labels.check(text.as_bytes());
        }
        // As large as a trigger may be.
        assert_eq!(wire(open.repeat(16 * 1024 / open.len()).as_bytes()), 0);
    }
}

#[test]
fn toml_a_hundred_thousand_deep_is_refused() {
    let _alone = alone();
    let models = Models::new().unwrap();
    for text in [
        format!("schema = {}", "[".repeat(DEPTH)),
        format!("schema = {}{}", "[".repeat(DEPTH), "]".repeat(DEPTH)),
        format!("schema = {}", "{a = ".repeat(DEPTH)),
        format!("schema{} = 1", ".a".repeat(DEPTH)),
        format!("[schema{}]\n", ".a".repeat(DEPTH)),
        format!("[[views{}]]\n", ".a".repeat(DEPTH)),
        "[[views]]\n".repeat(DEPTH),
    ] {
        assert_eq!(files(text.as_bytes()), 0);
        models.check(text.as_bytes());
    }
}

#[test]
fn xml_a_hundred_thousand_deep_is_no_crash() {
    let _alone = alone();
    let labels = Labels::new().unwrap();
    for text in [
        "<annotation>".repeat(DEPTH),
        ["<annotation>".repeat(DEPTH), "</annotation>".repeat(DEPTH)].concat(),
        format!("<!DOCTYPE a [{}]><a>&e9;</a>", laughs()),
    ] {
        labels.check(text.as_bytes());
    }
}

/// Entities each of which is ten times the one before.
fn laughs() -> String {
    let entity = |n: usize| format!("<!ENTITY e{n} \"{}\">", format!("&e{};", n - 1).repeat(10));
    let more: String = (1..10).map(entity).collect();
    format!("<!ENTITY e0 \"{}\">{more}", "ha".repeat(100))
}

#[test]
fn a_graph_within_ten_thousand_graphs_is_refused() {
    let _alone = alone();
    let models = Models::new().unwrap();
    // Model 7: graph; graph 1: node; node 5: attribute; attribute 6: graph.
    let mut graph = number(1, 1);
    for _ in 0..10_000 {
        graph = message(1, &message(5, &message(6, &graph)));
    }
    let taken = models.check(&message(7, &graph));
    assert_eq!(taken, 0);
}
