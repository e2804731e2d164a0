//! `taktgate schema`: the wire contract for machines.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use taktgate::publish::{Document, documents};

use super::Outcome;
use super::print::{say, table};

#[derive(Args)]
#[command(after_help = "\
Examples:
  taktgate schema                          # what there is
  taktgate schema verdict > verdict.schema.json
  taktgate schema asyncapi | less
  taktgate schema iec > taktgate.st        # for the PLC
  taktgate schema --out docs/schema        # all of them")]
pub(crate) struct SchemaArgs {
    /// The document to print; without it they are listed.
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Writes all documents into this folder instead; those that are there are replaced.
    #[arg(long, value_name = "DIR", conflicts_with = "name")]
    out: Option<PathBuf>,
}

pub(crate) fn schema(args: &SchemaArgs) -> anyhow::Result<Outcome> {
    let documents = documents();
    match (&args.name, &args.out) {
        (Some(name), _) => {
            let document = documents.iter().find(|document| document.name == name);
            let names = || {
                documents
                    .iter()
                    .map(|document| document.name)
                    .collect::<Vec<_>>()
            };
            let document = document.with_context(|| {
                format!(
                    "there is no document `{name}`; write one of {}",
                    names().join(", ")
                )
            })?;
            say(document.text.trim_end());
        }
        (None, Some(folder)) => write(&documents, folder)?,
        (None, None) => {
            let mut rows = table(&["name", "file", "what it describes"]);
            for document in &documents {
                rows.add_row([document.name, &document.file, document.about]);
            }
            say(rows);
        }
    }
    Ok(Outcome::Good)
}

fn write(documents: &[Document], folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
    for document in documents {
        let path = folder.join(&document.file);
        fs::write(&path, &document.text)
            .with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    say(format!(
        "wrote {} files into `{}`",
        documents.len(),
        folder.display()
    ));
    Ok(())
}
