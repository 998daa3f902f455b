//! Variables that begin with our prefix and are no settings: refused by name, like unknown keys of the file.
//!
//! All but one family: for a Service called `monopod` (or `monopod-…`) Kubernetes gives every pod of the namespace
//! variables such as `MONOPOD_SERVICE_HOST` and `MONOPOD_PORT=tcp://10.0.0.1:80`, which nobody wrote. Called by
//! `resolve`. Looks at names, and at values only to tell those.

use super::error::StartError;
use super::file;
use super::gunicorn;
use super::options;
use super::sources::{Env, lookup};

/// What all our variables begin with.
pub const PREFIX: &str = "MONOPOD_";

/// What `monopod dev` tells the process it starts; nobody else's to set.
pub const DEV_LINK: &str = "MONOPOD_DEV_LINK";

/// Refuses the first of `names` that is set and neither a setting's nor Kubernetes'.
///
/// # Errors
/// [`StartError::Config`] with the name, and with the setting that may have been meant.
pub fn refuse<'a>(
    command: &clap::Command,
    names: impl Iterator<Item = &'a str>,
    env: Env<'_>,
) -> Result<(), StartError> {
    for name in names.filter(|name| name.starts_with(PREFIX)) {
        let Some(value) = lookup(env, name) else { continue };
        let is_known = options::settable(command).any(|arg| options::env_name(arg) == *name);
        if is_known || name == DEV_LINK || is_service_link(name, &value.to_string_lossy()) {
            continue;
        }
        let key = name[PREFIX.len()..].to_ascii_lowercase().replace('_', "-");
        let advice = match key.as_str() {
            "port" | "host" => "did you mean MONOPOD_BIND?".to_owned(),
            key => match (gunicorn::advice(&format!("--{key}")), file::nearest(command, key)) {
                (Some(advice), _) => format!("{advice}."),
                (None, Some(near)) => format!("did you mean {PREFIX}{}?", near.to_ascii_uppercase().replace('-', "_")),
                (None, None) => "`monopod --help` lists the settings; unset it.".to_owned(),
            },
        };
        return Err(StartError::config(format!("{name} is not a setting; {advice}")));
    }
    Ok(())
}

/// Whether Kubernetes (or Docker) sets such a variable for a Service: `X_SERVICE_HOST`, `X_SERVICE_PORT` and
/// `X_SERVICE_PORT_<NAME>`; `X_PORT` and `X_PORT_<N>_<PROTO>` with a URL; `X_PORT_<N>_<PROTO>_ADDR`, `_PORT`, `_PROTO`.
fn is_service_link(name: &str, value: &str) -> bool {
    if name.ends_with("_SERVICE_HOST") || name.ends_with("_SERVICE_PORT") || name.contains("_SERVICE_PORT_") {
        return true;
    }
    if name.ends_with("_PORT") && value.contains("://") {
        return true;
    }
    let Some((_, port)) = name.rsplit_once("_PORT_").filter(|(service, _)| service.starts_with("MONOPOD")) else {
        return false;
    };
    let mut words = port.split('_');
    let number = words.next().is_some_and(|word| word.parse::<u16>().is_ok());
    let protocol = words.next().is_some_and(|word| matches!(word, "TCP" | "UDP" | "SCTP"));
    number && protocol && matches!(words.next(), None | Some("ADDR" | "PORT" | "PROTO")) && words.next().is_none()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn refused(name: &str, value: &str) -> Option<String> {
        let env = |asked: &str| (asked == name).then(|| OsString::from(value));
        refuse(&options::command(), [name].into_iter(), &env).err().map(|error| error.to_string())
    }

    #[test]
    fn what_is_no_setting_is_refused_with_the_nearest() {
        for (name, value, advice) in [
            ("MONOPOD_THREAD", "4", "did you mean MONOPOD_THREADS?"),
            ("MONOPOD_MAX_BODYSIZE", "4m", "did you mean MONOPOD_MAX_BODY_SIZE?"),
            ("MONOPOD_PORT", "8000", "did you mean MONOPOD_BIND?"),
            ("MONOPOD_HOST", "x", "did you mean MONOPOD_BIND?"),
            ("MONOPOD_ZZZ", "x", "`monopod --help` lists the settings; unset it."),
            ("MONOPOD_", "x", "`monopod --help` lists the settings; unset it."),
            ("MONOPOD_PORT_80_TCP_ADDR_X", "x", ""),
            ("MONOPOD_PORT_80", "x", ""),
        ] {
            let sentence = refused(name, value).unwrap_or_else(|| panic!("{name} is taken"));
            assert!(sentence.starts_with(&format!("{name} is not a setting; ")), "{sentence}");
            assert!(sentence.contains(advice), "{sentence}");
        }
    }

    #[test]
    fn settings_strangers_and_blanks_are_none_of_its_business() {
        for (name, value) in [("MONOPOD_THREADS", "x"), ("MONOPOD", "x"), ("OTHER_X", "x"), ("MONOPOD_ZZZ", " ")] {
            assert_eq!(refused(name, value), None, "{name}");
        }
    }

    #[test]
    fn services_called_monopod_are_kubernetes_own_business() {
        let links = |service: &str| {
            [
                (format!("{service}_SERVICE_HOST"), "10.96.0.7"),
                (format!("{service}_SERVICE_PORT"), "80"),
                (format!("{service}_SERVICE_PORT_HTTP"), "80"),
                (format!("{service}_PORT"), "tcp://10.96.0.7:80"),
                (format!("{service}_PORT_80_TCP"), "tcp://10.96.0.7:80"),
                (format!("{service}_PORT_80_TCP_PROTO"), "tcp"),
                (format!("{service}_PORT_80_TCP_PORT"), "80"),
                (format!("{service}_PORT_80_TCP_ADDR"), "10.96.0.7"),
            ]
        };
        for service in ["MONOPOD", "MONOPOD_CANARY", "MONOPOD_THREADS", "MONOPOD_PORT"] {
            for (name, value) in links(service) {
                assert_eq!(refused(&name, value), None, "{name}");
            }
        }
    }

    #[test]
    fn no_setting_is_ever_named_as_kubernetes_names_its_variables() {
        for arg in options::settable(&options::command()) {
            assert!(!is_service_link(&options::env_name(arg), "tcp://10.0.0.1:80"), "{}", options::env_name(arg));
        }
    }
}
