//! The class names of a YOLO set: `classes.txt`, or `names` in `data.yaml`.
//!
//! Of YAML only what such files have: a list in brackets, a list of dashes, or numbers with names. No
//! YAML crate for that; what looks otherwise is an error that says to write `classes.txt`.

use std::path::Path;

use super::SetError;
use super::files::{read_text, root_of};

/// Reads the names; class 0 comes first.
pub(super) fn names_of(path: &Path) -> Result<Vec<String>, SetError> {
    let root = root_of(path);
    for list in ["classes.txt", "labels/classes.txt", "obj.names"] {
        let list = root.join(list);
        if list.is_file() {
            let text = read_text(&list)?;
            let names = text.lines().map(str::trim).filter(|line| !line.is_empty());
            return Ok(names.map(str::to_owned).collect());
        }
    }
    let given = path.is_file().then(|| path.to_owned());
    let yaml = given.or_else(|| {
        let known = ["data.yaml", "data.yml", "dataset.yaml"].map(|name| root.join(name));
        known.into_iter().find(|path| path.is_file())
    });
    let Some(yaml) = yaml else {
        let text = "the classes have no names; write them there, one a line, class 0 first";
        return Err(SetError::at(root.join("classes.txt"), "missing", text));
    };
    parse(&read_text(&yaml)?)
        .map_err(|(line, text)| SetError::at(&yaml, format!("line {line}"), text))
}

type Fault = (usize, String);

fn parse(text: &str) -> Result<Vec<String>, Fault> {
    let mut lines = text
        .lines()
        .zip(1..)
        .map(|(line, number)| (bare(line), number));
    let names = lines.find_map(|(line, number)| {
        let rest = line.strip_prefix("names")?.trim_start();
        Some((rest.strip_prefix(':')?.trim().to_owned(), number))
    });
    let Some((rest, number)) = names else {
        return Err((1, "there is no `names:`".to_owned()));
    };
    if rest.is_empty() {
        return entries(lines);
    }
    if !rest.starts_with(['[', '{']) {
        return Err(odd(number, &rest));
    }
    // The list may go over several lines.
    let mut list = rest;
    while !list.ends_with([']', '}']) {
        let Some((more, _)) = lines.next() else {
            return Err((number, "the list of `names` does not end".to_owned()));
        };
        list.push_str(more.trim());
    }
    let inside = list.trim_matches(['[', ']', '{', '}']);
    let items = inside
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty());
    items
        .enumerate()
        .map(|(index, item)| match item.split_once(':') {
            Some((key, name)) if list.starts_with('{') => keyed(key, name, index, number),
            _ => Ok(unquoted(item)),
        })
        .collect()
}

/// Lines `- name` or `0: name` until something else comes.
fn entries<'t>(lines: impl Iterator<Item = (&'t str, usize)>) -> Result<Vec<String>, Fault> {
    let mut names = Vec::new();
    for (line, number) in lines.filter(|(line, _)| !line.trim().is_empty()) {
        let item = line.trim();
        if let Some(name) = item.strip_prefix("- ") {
            names.push(unquoted(name));
        } else if line.starts_with([' ', '\t']) {
            let (key, name) = item.split_once(':').ok_or_else(|| odd(number, item))?;
            names.push(keyed(key, name, names.len(), number)?);
        } else {
            break;
        }
    }
    Ok(names)
}

fn keyed(key: &str, name: &str, index: usize, number: usize) -> Result<String, Fault> {
    if key.trim().parse() == Ok(index) {
        return Ok(unquoted(name));
    }
    let text = format!(
        "expected class {index}, found `{}`; write the classes in order",
        key.trim()
    );
    Err((number, text))
}

fn odd(number: usize, found: &str) -> Fault {
    let text = format!("cannot read `{found}` as names; write them into `classes.txt`, one a line");
    (number, text)
}

/// A line without its comment.
fn bare(line: &str) -> &str {
    let comment = line
        .find(" #")
        .or_else(|| line.starts_with('#').then_some(0));
    line.get(..comment.unwrap_or(line.len()))
        .unwrap_or(line)
        .trim_end()
}

fn unquoted(name: &str) -> String {
    let name = name.trim();
    let inside = ['"', '\'']
        .into_iter()
        .find_map(|quote| name.strip_prefix(quote)?.strip_suffix(quote));
    inside.unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_that_exporters_write_are_read() {
        let expected = Ok(vec!["bad weld".to_owned(), "dent".to_owned()]);
        for text in [
            "nc: 2\nnames: ['bad weld', dent]\n",
            "names: [\"bad weld\",\n  'dent']\nroboflow:\n  x: 1\n",
            "path: .. # here\nnames:\n  0: bad weld\n  1: dent # small\nnc: 2\n",
            "names:\n- bad weld\n- 'dent'\nnc: 2",
            "names: {0: bad weld, 1: dent}",
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_list_says_where_and_what_to_write() {
        assert_eq!(
            parse("nc: 1").unwrap_err(),
            (1, "there is no `names:`".to_owned())
        );
        assert_eq!(parse("x: 1\nnames: &a dent").unwrap_err().0, 2);
        assert_eq!(
            parse("names:\n  1: dent").unwrap_err(),
            (
                2,
                "expected class 0, found `1`; write the classes in order".to_owned()
            )
        );
        assert_eq!(parse("names: [a,\nb").unwrap_err().0, 1);
    }
}
