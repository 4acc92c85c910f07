use super::*;
use clap::CommandFactory as _;

#[test]
fn command_line_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn help_of_every_command_has_examples() {
    let mut cli = Cli::command();
    cli.build();
    check(&cli, "veilsum");
}

fn check(command: &clap::Command, path: &str) {
    for sub in command
        .get_subcommands()
        .filter(|sub| sub.get_name() != "help" && !sub.is_hide_set())
    {
        check(sub, &format!("{path} {}", sub.get_name()));
    }
    let help = command
        .get_after_help()
        .map(ToString::to_string)
        .unwrap_or_default();
    assert!(help.contains("Example"), "{path} has no examples");
    assert!(help.contains("  veilsum "), "{path} has no command to copy");
}

#[test]
fn examples_of_every_command_parse() {
    let mut cli = Cli::command();
    cli.build();
    for line in examples(&cli) {
        let command = line.split("   ").next().unwrap_or_default();
        let command = command.split(" > ").next().unwrap_or_default();
        let words = shell_words(command.trim_end_matches(" &").trim());
        if words.iter().any(|word| word == "--help") {
            continue;
        }
        if let Err(error) = Cli::try_parse_from(&words) {
            panic!("{command}: {error}");
        }
    }
}

fn examples(command: &clap::Command) -> Vec<String> {
    let help = command
        .get_after_help()
        .map(ToString::to_string)
        .unwrap_or_default();
    let own = help.lines().filter_map(|line| line.strip_prefix("  "));
    let own = own
        .filter(|line| line.starts_with("veilsum "))
        .map(str::to_owned);
    let subs = command
        .get_subcommands()
        .filter(|sub| sub.get_name() != "help");
    own.chain(subs.flat_map(examples)).collect()
}

/// Words of a line, with single quotes.
fn shell_words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in line.split('\'').enumerate() {
        if index % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}
