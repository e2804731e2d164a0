//! Help, exit codes, the log's filter, completions.

use insta::assert_snapshot;

use crate::scene::Scene;

#[test]
fn help_names_every_command_and_every_exit_code() {
    let scene = Scene::new();
    assert_snapshot!(scene.taktgate(&["--help"]), @"
    exit 0
    --- stdout
    The quality gate of stamping, welding and paint stations: one verdict for every part, over MQTT,
    before the takt runs out

    Usage: taktgate [OPTIONS] <COMMAND>

    Commands:
      run          Runs a station until it is stopped with Ctrl-C or SIGTERM
      replay       Judges recorded pictures and draws the findings onto them
      evaluate     Measures a package or a recipe on labelled pictures, and writes a report
      line         Plays the line controller: announces parts, expects verdicts, keeps the account
      command      Tells a running station what to do: start, stop, prepare, reset
      check        Says every mistake in a station's files, and tests its models
      camera       Looks at cameras: lists them, takes a picture, shows the live rate
      teach        Teaches an anomaly model from pictures of good parts only
      recipe       Looks at a station's recipes
      calibrate    Makes a camera's calibration from pictures of a board, known points or a grey card
      record       Looks into a record store: proves its chain, finds, exports and holds records
      model        Looks at model packages
      broker       Runs a broker for this machine only, until it is stopped
      demo         Runs three stations, their lines and a broker on the samples
      init         Writes a commented station folder to start from
      schema       Prints the wire contract for machines: JSON Schemas, AsyncAPI, Structured Text
      completions  Writes the completions of a shell to standard output
      help         Print this message or the help of the given subcommand(s)

    Options:
      -h, --help     Print help
      -V, --version  Print version

    Logging:
          --log <FILTER>             What is logged to standard error, in the words of tracing's
                                     `EnvFilter` [env: TAKTGATE_LOG=]
          --log-format <LOG_FORMAT>  How it is logged [default: text] [possible values: text, json]

    Exit codes:
      0  done, and all is well
      1  could not be done (the reason is on standard error)
      2  the command line is wrong
      3  done, and the answer is no: a file has mistakes, a model fails its test,
         a replay differs from what was expected, a part got no answer in time,
         a figure misses what `--require` asks, a record store was tampered with,
         a lens would not hold
    ");
}

#[test]
fn the_help_of_run_has_examples() {
    let scene = Scene::new();
    assert_snapshot!(scene.taktgate(&["run", "--help"]), @"
    exit 0
    --- stdout
    Runs a station until it is stopped with Ctrl-C or SIGTERM

    Usage: taktgate run [OPTIONS] <STATION>

    Arguments:
      <STATION>  The station's file, or the folder that has its `station.toml`

    Options:
          --data <DIR>   Where records and images go, instead of the station file's `data`
          --port <PORT>  The broker's port, instead of the station file's
      -h, --help         Print help

    Logging:
          --log <FILTER>             What is logged to standard error, in the words of tracing's
                                     `EnvFilter` [env: TAKTGATE_LOG=]
          --log-format <LOG_FORMAT>  How it is logged [default: text] [possible values: text, json]

    Examples:
      taktgate run samples/stamping
      taktgate run /etc/taktgate/st-07/station.toml --data /var/lib/taktgate/st-07
    ");
}

#[test]
fn the_help_of_replay_has_examples() {
    let scene = Scene::new();
    assert_snapshot!(scene.taktgate(&["replay", "--help"]), @"
    exit 0
    --- stdout
    Judges recorded pictures and draws the findings onto them

    Usage: taktgate replay [OPTIONS] <STATION>

    Arguments:
      <STATION>  The station's file, or the folder that has its `station.toml`

    Options:
          --images <DIR>           The pictures, with those in folders below; left out, the station's
                                   `frames` folder
          --out <DIR>              Where verdicts, pictures and the summary go [default: out/replay]
          --mm-per-px <MM_PER_PX>  Judges pictures of any size from any camera: a bare scale instead of
                                   the calibration
          --part-type <PART_TYPE>  The part type, for stations with several recipes
          --expect <FILE>          Compares with the verdicts of an earlier replay; exit code 3 if they
                                   differ
          --no-pictures            Draws no pictures: only verdicts and summary
          --json                   Prints each verdict and the summary as JSON
      -h, --help                   Print help

    Logging:
          --log <FILTER>             What is logged to standard error, in the words of tracing's
                                     `EnvFilter` [env: TAKTGATE_LOG=]
          --log-format <LOG_FORMAT>  How it is logged [default: text] [possible values: text, json]

    Examples:
      taktgate replay samples/stamping
      taktgate replay samples/stamping --expect samples/stamping/expected.jsonl
      taktgate replay samples/stamping --images ../shared/data/steel-boxes/images --mm-per-px 0.5
    ");
}

#[test]
fn the_help_of_line_has_examples() {
    let scene = Scene::new();
    assert_snapshot!(scene.taktgate(&["line", "--help"]), @"
    exit 0
    --- stdout
    Plays the line controller: announces parts, expects verdicts, keeps the account

    Usage: taktgate line [OPTIONS] <STATION>

    Arguments:
      <STATION>  The station's file, or the folder that has its `station.toml`

    Options:
          --parts <PARTS>
              How many parts are announced [default: 12]
          --takt-ms <TAKT_MS>
              From one part to the next [default: 1000]
          --deadline-ms <DEADLINE_MS>
              How long the line waits for a verdict, instead of the station's `deadline_ms`
          --first-sequence <FIRST_SEQUENCE>
              The count of the first part; left out, the seconds since 1970, so that no count comes
              twice
          --part-type <PART_TYPE>
              The part type, for stations with several recipes
          --lot <LOT>
              The parts' lot
          --supplier <SUPPLIER>
              The parts' supplier
          --host <HOST>
              The broker's host, instead of the station file's
          --port <PORT>
              The broker's port, instead of the station file's
          --ready-within-s <READY_WITHIN_S>
              How long the line waits for a station that is ready [default: 15]
          --json
              Prints one JSON object a part and one for the account
      -h, --help
              Print help

    Logging:
          --log <FILTER>             What is logged to standard error, in the words of tracing's
                                     `EnvFilter` [env: TAKTGATE_LOG=]
          --log-format <LOG_FORMAT>  How it is logged [default: text] [possible values: text, json]

    Examples:
      taktgate line samples/stamping --parts 12 --takt-ms 500
      taktgate line st-07/station.toml --host 10.0.0.5 --parts 1000 --takt-ms 2000 --json
    ");
}

#[test]
fn the_exit_code_says_how_it_ended() {
    let scene = Scene::with_station();
    let code = |args: &[&str]| scene.command(args).output().unwrap().status.code();
    assert_eq!(code(&["check", "st-07"]), Some(0));
    assert_eq!(code(&["replay", "nowhere"]), Some(1));
    assert_eq!(code(&["replay"]), Some(2));
    assert_eq!(code(&["check", "nowhere"]), Some(3));
}

#[test]
fn a_wrong_command_line_says_what_would_fit() {
    let scene = Scene::new();
    assert_snapshot!(scene.taktgate(&["chekc"]), @"
    exit 2
    --- stderr
    error: unrecognized subcommand 'chekc'

      tip: some similar subcommands exist: 'schema', 'check'

    Usage: taktgate [OPTIONS] <COMMAND>

    For more information, try '--help'.
    ");
    assert_snapshot!(scene.taktgate(&["run"]), @"
    exit 2
    --- stderr
    error: the following required arguments were not provided:
      <STATION>

    Usage: taktgate run <STATION>

    For more information, try '--help'.
    ");
    assert_snapshot!(scene.taktgate(&["line", "st-07", "--port", "70000"]), @"
    exit 2
    --- stderr
    error: invalid value '70000' for '--port <PORT>': 70000 is not in 1..=65535

    For more information, try '--help'.
    ");
}

#[test]
fn a_wrong_log_filter_is_a_wrong_command_line() {
    let scene = Scene::new();
    assert_snapshot!(scene.taktgate(&["check", "st-07", "--log", "taktgate=loud"]), @r#"
    exit 2
    --- stderr
    error: `--log taktgate=loud` is no filter; write for example `info,ort=warn`
      because error parsing level filter: expected one of "off", "error", "warn", "info", "debug", "trace", or a number 0-5
    "#);
    let mut by_variable = scene.command(&["check", "st-07"]);
    by_variable.env("TAKTGATE_LOG", "taktgate=loud");
    assert_snapshot!(scene.told(&mut by_variable), @r#"
    exit 2
    --- stderr
    error: `--log taktgate=loud` is no filter; write for example `info,ort=warn`
      because error parsing level filter: expected one of "off", "error", "warn", "info", "debug", "trace", or a number 0-5
    "#);
}

#[test]
fn the_help_of_evaluate_has_examples() {
    let scene = Scene::new();
    assert_snapshot!(scene.taktgate(&["evaluate", "--help"]), @r#"
    exit 0
    --- stdout
    Measures a package or a recipe on labelled pictures, and writes a report

    Usage: taktgate evaluate [OPTIONS] <PACKAGE_OR_STATION> <DATA>

    Arguments:
      <PACKAGE_OR_STATION>  A model package (the folder with `manifest.toml`), or a station (file or
                            folder)
      <DATA>                The labelled set: a folder, or its `.json`, `.csv` or `data.yaml`

    Options:
      -h, --help  Print help

    The set:
          --format <FORMAT>    How the set is laid out [default: auto] [possible values: auto, mvtec,
                               coco, yolo, voc, masks, csv]
          --split <NAME>       Which part of the set; `test` where it has parts
          --all-bad            Every picture in DATA counts as bad: what another world looks like
          --all-good           Every picture in DATA counts as good
          --good <CLASS>       A class that means "no defect", beside good, ok and normal
          --map <THEIRS=OURS>  A class of the set and the model's label for it
          --limit <N>          At most this many pictures, evenly over the set

    What is evaluated:
          --mm-per-px <MM_PER_PX>  Judges pictures of any size: a bare scale instead of the station's
                                   calibration
          --part-type <PART_TYPE>  The part type, for stations with several recipes
          --view <VIEW>            The view, for recipes with several
          --model <NAME>           The model whose scores rank the pictures, for views with two; the
                                   first one otherwise
          --threads <THREADS>      Threads of a package's run; a station has its own setting [default:
                                   2]

    What comes out:
          --out <DIR>                Where `run.json` and `report.html` go [default: out/evaluate]
          --against <RUN>            Compares with an earlier run on the same pictures: its folder or
                                     `run.json`
          --require <FIGURE<=VALUE>  A figure that must hold, else exit code 3: `image_auroc>=0.95`,
                                     `escape<=0.01`
          --json                     Prints the figures (and the comparison) as JSON
          --no-report                Writes no `report.html`

    Logging:
          --log <FILTER>             What is logged to standard error, in the words of tracing's
                                     `EnvFilter` [env: TAKTGATE_LOG=]
          --log-format <LOG_FORMAT>  How it is logged [default: text] [possible values: text, json]

    Examples:
      taktgate evaluate models/stamping-surface/0.2.0 samples/stamping
      taktgate evaluate samples/stamping samples/stamping --out out/recipe
      taktgate evaluate models/welding-seam/0.2.0 WELDS --good good_weld --map defect=crack
      taktgate evaluate PACKAGE DATA --against out/before --require 'escape<=0.01'
      taktgate evaluate PACKAGE --all-bad ANOTHER_WORLD
    "#);
}

#[test]
fn the_schemas_are_listed_printed_and_written() {
    let scene = Scene::new();
    assert_snapshot!(scene.taktgate(&["schema", "--help"]), @"
    exit 0
    --- stdout
    Prints the wire contract for machines: JSON Schemas, AsyncAPI, Structured Text

    Usage: taktgate schema [OPTIONS] [NAME]

    Arguments:
      [NAME]  The document to print; without it they are listed

    Options:
          --out <DIR>  Writes all documents into this folder instead; those that are there are replaced
      -h, --help       Print help

    Logging:
          --log <FILTER>             What is logged to standard error, in the words of tracing's
                                     `EnvFilter` [env: TAKTGATE_LOG=]
          --log-format <LOG_FORMAT>  How it is logged [default: text] [possible values: text, json]

    Examples:
      taktgate schema                          # what there is
      taktgate schema verdict > verdict.schema.json
      taktgate schema asyncapi | less
      taktgate schema iec > taktgate.st        # for the PLC
      taktgate schema --out docs/schema        # all of them
    ");
    assert_snapshot!(scene.taktgate(&["schema", "verdikt"]), @"
    exit 1
    --- stderr
    error: there is no document `verdikt`; write one of trigger, command, response, ack, verdict, state, health, event, record, inspection-record, asyncapi, iec
    ");
    assert_snapshot!(scene.taktgate(&["schema", "--out", "made/here"]), @"
    exit 0
    --- stdout
    wrote 12 files into `made/here`
    ");
    let printed = scene.taktgate(&["schema", "iec"]);
    for line in scene.read("made/here/taktgate.st").lines() {
        assert!(printed.contains(line), "{line}");
    }
}

#[test]
fn completions_know_every_command() {
    let scene = Scene::new();
    let help = scene.taktgate(&["--help"]);
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(9 < commands.len(), "{commands:?}");
    let script = scene.taktgate(&["completions", "bash"]);
    assert!(script.starts_with("exit 0\n"), "{script}");
    for command in commands {
        let case = format!("taktgate__subcmd__{command})");
        assert!(script.contains(&case), "no completion for `{command}`");
    }
    assert_snapshot!(scene.taktgate(&["completions", "cmd.exe"]), @"
    exit 2
    --- stderr
    error: invalid value 'cmd.exe' for '<SHELL>'
      [possible values: bash, elvish, fish, powershell, zsh]

    For more information, try '--help'.
    ");
}
