//! Completions and manual pages: every subcommand that is shown is in them, and none that is not.

use std::fs;
use std::process::{Command, Stdio};

use crate::support::program::run;

/// Every subcommand that help shows, in words: `plugin check`.
fn subcommands(of: &[&str], found: &mut Vec<String>) {
    let help = run(of.iter().chain(&["--help"])).stdout;
    let Some((_, list)) = help.split_once("\nCommands:\n") else { return };
    for line in list.lines().take_while(|line| !line.is_empty()) {
        // Further lines of a description are indented more.
        let Some(name) = line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')) else { continue };
        let name = name.split(' ').next().unwrap();
        if name != "help" {
            let path = [of, &[name]].concat();
            found.push(path.join(" "));
            subcommands(&path, found);
        }
    }
}

#[test]
fn there_is_a_manual_page_for_each_subcommand_that_is_shown() {
    let mut expected = Vec::new();
    subcommands(&[], &mut expected);
    assert!(expected.len() > 20 && expected.contains(&"plugin check".to_owned()), "{expected:?}");
    let mut expected: Vec<_> =
        expected.iter().map(|words| format!("roster-host-{}.1", words.replace(' ', "-"))).collect();
    expected.push("roster-host.1".to_owned());
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("made/man1");
    assert_eq!(run(["man", pages.to_str().unwrap()]).code, Some(0));
    let mut found: Vec<_> =
        fs::read_dir(&pages).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    // clap's own.
    found.retain(|name| !name.contains("-help"));
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
    let main = fs::read_to_string(pages.join("roster-host.1")).unwrap();
    for words in [".TH roster-host 1", "NO_COLOR", "Exit codes", "port", "roster\\-host\\-plugin(1)"] {
        assert!(main.contains(words), "{words}: {main}");
    }
    let taken = folder.path().join("taken");
    fs::write(&taken, "").unwrap();
    let refused = run(["man", taken.to_str().unwrap()]);
    assert!(refused.code == Some(2) && refused.only_line().contains("taken"), "{refused:?}");
}

#[test]
fn completions_are_what_each_shell_reads() {
    for (shell, words) in [
        ("bash", "_roster__host()"),
        ("zsh", "#compdef roster-host"),
        ("fish", "complete -c roster-host"),
        ("elvish", "edit:completion"),
        ("powershell", "Register-ArgumentCompleter"),
    ] {
        let ended = run(["completions", shell]);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{shell}");
        assert!(ended.stdout.contains(words) && ended.stdout.contains("port-base"), "{shell}: {}", ended.stdout);
        assert!(!ended.stdout.contains("compile-plugin"), "{shell}");
    }
    // The one that is there everywhere this is tested.
    let script = run(["completions", "bash"]).stdout;
    let asks = "COMP_WORDS=(roster-host plugin in); COMP_CWORD=2; _roster__host roster-host in plugin; echo \"${COMPREPLY[*]}\"";
    let bash = Command::new("bash").args(["-c", &format!("{script}\n{asks}")]).stdin(Stdio::null()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&bash.stdout).trim(), "inspect", "{}", String::from_utf8_lossy(&bash.stderr));
    assert_eq!(run(["completions", "tcl"]).code, Some(2));
}
