//! HTML pages that need nothing else: one look in light and dark, pictures inside the page.
//!
//! What goes into a page is [`html!`], which escapes by construction: names of files and classes come
//! from anywhere.

mod histogram;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, PreEscaped};

pub use histogram::Histogram;
pub use maud::{Markup, html};

const STYLE: &str = include_str!("style.css");

/// A whole page.
pub fn page(title: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { (body) }
        }
    };
    page.into_string()
}

/// A JPEG with its caption, or in its place why there is none.
pub fn figure(name: &str, jpeg: Result<&[u8], &str>, caption: &Markup) -> Markup {
    html! {
        figure {
            @match jpeg {
                Ok(jpeg) => { img loading="lazy" alt=(name) src={ "data:image/jpeg;base64," (STANDARD.encode(jpeg)) }; }
                Err(why) => { p.soft.small { (why) } }
            }
            figcaption { (caption) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_write_on_the_page() {
        let name = "\"><script>alert(1)</script>";
        let shown = figure(name, Ok(&[1, 2, 3]), &html! { (name) });
        let missing = figure(name, Err(name), &html! {});
        let text = page(name, &html! { (shown) (missing) });
        assert!(
            !text.contains("<script>") && !text.contains("\"\">"),
            "{text}"
        );
        assert_eq!(text.matches("&lt;script&gt;").count(), 4, "{text}");
        assert!(text.contains("base64,AQID\""), "{text}");
    }
}
