//! What several servers share: the application's name, and variables of its environment.

use super::Server;
use super::arguments;
use super::granian;
use super::plan::Plan;
use super::rules::Takes;
use super::secrets;
use super::setting::{Finding, Place, Setting, Status};

/// A variable that the server itself reads, as the setting that it stands for.
pub fn own(server: Server, name: &str, value: &str) -> Option<Setting> {
    let made = |name: String, values: Vec<String>| Setting {
        place: Place { source: "environment".into(), line: None },
        name,
        values,
        computed: false,
        assigned: true,
    };
    let flag = |rest: &str| format!("--{}", rest.to_ascii_lowercase().replace('_', "-"));
    match server {
        Server::Gunicorn => match name {
            "WEB_CONCURRENCY" => Some(made("workers".into(), vec![value.to_owned()])),
            "FORWARDED_ALLOW_IPS" => Some(made("forwarded_allow_ips".into(), vec![value.to_owned()])),
            "PORT" => Some(made("bind".into(), vec![format!("0.0.0.0:{value}")])),
            _ => None,
        },
        Server::Uwsgi => Some(made(flag(name.strip_prefix("UWSGI_")?), vec![value.to_owned()])),
        Server::Granian => {
            let flag = flag(name.strip_prefix("GRANIAN_")?);
            let is_switch = arguments::find(granian::TABLE, &flag).is_some_and(|rule| rule.takes == Takes::Nothing);
            if !is_switch {
                return Some(made(flag, vec![value.to_owned()]));
            }
            let is_off = ["false", "0", "no", "off", ""].contains(&value.to_ascii_lowercase().as_str());
            Some(made(if is_off { flag.replacen("--", "--no-", 1) } else { flag }, Vec::new()))
        }
        Server::Nginx => None,
    }
}

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
