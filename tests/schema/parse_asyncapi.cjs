// Reads an AsyncAPI document with the official parser and prints what it found as JSON.
//
//   NODE_PATH=.deps/schema-tools/node_modules node parse_asyncapi.cjs asyncapi.json
const { readFileSync } = require("node:fs");
const { Parser } = require("@asyncapi/parser");

// Severities of spectral: 0 error, 1 warning, 2 information, 3 hint.
const WARNING = 1;

async function main(path) {
  const { document, diagnostics } = await new Parser().parse(readFileSync(path, "utf8"), { source: path });
  const errors = diagnostics
    .filter(({ severity }) => severity <= WARNING)
    .map(({ path, message }) => `${path.join("/")}: ${message}`);
  const found = { version: document?.version(), operations: document?.allOperations().length, errors };
  process.stdout.write(JSON.stringify(found));
}

main(process.argv[2]);
