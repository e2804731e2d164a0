//! The report as one page that needs nothing else: figures, histogram, pictures.

use std::fmt;

/// What stands on the page.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// Its heading.
    pub(super) title: String,
    /// One sentence below it.
    pub(super) summary: String,
    /// What a person must know, most important first.
    pub(super) warnings: Vec<String>,
    /// Key and value.
    pub(super) facts: Vec<(&'static str, String)>,
    /// A drawing as SVG.
    pub(super) histogram: String,
    /// Sections with pictures.
    pub(super) galleries: Vec<Gallery>,
}

/// Pictures under one heading.
#[derive(Debug)]
pub(super) struct Gallery {
    pub(super) heading: &'static str,
    pub(super) text: &'static str,
    pub(super) pictures: Vec<Shown>,
}

/// A picture with what is said below it.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) caption: String,
    pub(super) jpeg: Vec<u8>,
}

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1c2024;--paper:#fff;--soft:#6b7280;--line:#d7dbe0;--card:#f5f6f8;\
--good:#3a7d44;--bad:#c0392b;--doubt:#b9770e}\
@media(prefers-color-scheme:dark){:root{--ink:#e6e8ea;--paper:#16181b;--soft:#9aa3ad;--line:#33383e;--card:#1f2226;\
--good:#6cbf7a;--bad:#ef7d70;--doubt:#e5b04f}}\
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:60rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.5rem;margin-bottom:.2rem}h2{font-size:1.1rem;margin-top:2rem}\
.warning{border-left:4px solid var(--doubt);background:var(--card);padding:.5rem .8rem;margin:.5rem 0}\
table{border-collapse:collapse;width:100%}td{border-bottom:1px solid var(--line);padding:.3rem .6rem .3rem 0;vertical-align:top}\
td:first-child{color:var(--soft);white-space:nowrap;width:1%}\
svg{width:100%;height:auto;font:12px system-ui,sans-serif}svg text{fill:var(--soft)}\
rect.good{fill:var(--good)}rect.bad{fill:var(--bad)}line{stroke-width:1.5}line.axis{stroke:var(--line)}\
line.doubtful{stroke:var(--doubt)}line.reject{stroke:var(--bad)}svg text.doubtful{fill:var(--doubt)}svg text.reject{fill:var(--bad)}\
.pictures{display:grid;grid-template-columns:repeat(auto-fill,minmax(14rem,1fr));gap:1rem}\
figure{margin:0}img{width:100%;height:auto;display:block;border-radius:4px}\
figcaption{font-size:.85rem;color:var(--soft);overflow-wrap:anywhere}";

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let title = escaped(&self.title);
        writeln!(
            f,
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\">\
             <title>{title}</title><style>{STYLE}</style></head><body>\n\
             <h1>{title}</h1>\n<p>{}</p>",
            escaped(&self.summary)
        )?;
        for warning in &self.warnings {
            writeln!(f, "<div class=\"warning\">{}</div>", escaped(warning))?;
        }
        writeln!(f, "<h2>Scores</h2>\n{}", self.histogram)?;
        writeln!(f, "<h2>What was chosen and measured</h2>\n<table>")?;
        for (key, value) in &self.facts {
            writeln!(
                f,
                "<tr><td>{}</td><td>{}</td></tr>",
                escaped(key),
                escaped(value)
            )?;
        }
        writeln!(f, "</table>")?;
        for gallery in &self.galleries {
            writeln!(
                f,
                "<h2>{}</h2>\n<p>{}</p>\n<div class=\"pictures\">",
                escaped(gallery.heading),
                escaped(gallery.text)
            )?;
            for shown in &gallery.pictures {
                writeln!(
                    f,
                    "<figure><img alt=\"{0}\" src=\"data:image/jpeg;base64,{1}\"><figcaption>{0}</figcaption></figure>",
                    escaped(&shown.caption),
                    base64(&shown.jpeg)
                )?;
            }
            writeln!(f, "</div>")?;
        }
        writeln!(f, "</body></html>")
    }
}

/// Text that is only text in HTML, also within quotes.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let at = |index: usize| u32::from(three.get(index).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for (digit, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let index = usize::try_from(bits >> shift & 63).unwrap_or(0);
            let there = digit <= three.len();
            text.push(
                DIGITS
                    .get(index)
                    .filter(|_| there)
                    .map_or('=', |byte| char::from(*byte)),
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        // RFC 4648, section 10.
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn a_file_name_cannot_write_on_the_page() {
        let page = Page {
            title: "<script>alert(1)</script>".to_owned(),
            galleries: vec![Gallery {
                heading: "Hardest",
                text: "a & b",
                pictures: vec![Shown {
                    caption: "\" onload=\"x".to_owned(),
                    jpeg: vec![1, 2, 3],
                }],
            }],
            ..Page::default()
        };
        let text = page.to_string();
        assert!(
            !text.contains("<script>") && !text.contains("\" onload"),
            "{text}"
        );
        assert!(text.contains("base64,AQID\""), "{text}");
    }
}
