//! What several servers share: the application's name, and variables of its environment.

use super::plan::Plan;
use super::secrets;
use super::setting::{Finding, Setting, Status};

/// Makes `value` the application: `module:callable`, `module:factory()`, `module`.
pub fn target(setting: Setting, value: &str, plan: &mut Plan) -> Finding {
    let value = value.trim();
    if let Some((_, call)) = value.split_once('(')
        && call.trim() != ")"
    {
        return Finding::dropped(
            setting,
            "a factory is called without arguments: make a module that has `application = …` and name that",
        );
    }
    match plan.choose("target", value) {
        Ok(choice) => {
            plan.forget("target");
            plan.target = Some(choice.value.clone());
            Finding { setting, status: Status::Kept, becomes: vec![choice], note: String::new() }
        }
        Err(why) => Finding::dropped(setting, why),
    }
}

/// `NAME=VALUE` entries: plain ones become `--env`, secrets are for files.
pub fn variables(setting: Setting, plan: &mut Plan) -> Finding {
    let mut becomes = Vec::new();
    let mut left_out = Vec::new();
    let mut refused = None;
    for entry in &setting.values {
        let (name, value) = entry.split_once('=').unwrap_or((entry, ""));
        let (name, value) = (name.trim(), value.trim());
        if secrets::is_secret(name, value) {
            left_out.push(name.to_owned());
            continue;
        }
        // Python reads its own when it starts, which is before.
        if name.starts_with("PYTHON") || name.starts_with("LC_") || name == "LANG" {
            refused = Some(format!("{name} must be there before Python starts: set it in the environment"));
            continue;
        }
        match plan.choose("env", &format!("{name}={value}")) {
            Ok(choice) => becomes.push(choice),
            Err(why) => refused = Some(why.trim_end_matches('.').to_owned()),
        }
    }
    if !left_out.is_empty() {
        let names = left_out.join(", ");
        plan.advise(format!(
            "Give {names} in the environment, or as a file in a directory for --env-dir: the command shows no secrets."
        ));
        let note = format!("{names} is left out, as everybody on the machine can read a command line");
        let status = if becomes.is_empty() { Status::Dropped } else { Status::Kept };
        return Finding { setting, status, becomes, note };
    }
    match refused {
        Some(why) if becomes.is_empty() => Finding::dropped(setting, why),
        why => Finding { setting, status: Status::Kept, becomes, note: why.unwrap_or_default() },
    }
}
