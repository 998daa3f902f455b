//! What `monopod dev` has by default where `serve` has something else: one person, one machine, and debuggers.
//!
//! Called by `resolve`, which ranks these below whatever anybody says. Pure.

use super::sources::Env;
use super::variables::{Variable, Variables};

/// Enough for a page and what it loads.
pub const THREADS: usize = 4;

/// The default of the option with this id, as it would be typed.
#[must_use]
pub fn dev_default(id: &str) -> Option<&'static str> {
    Some(match id {
        "threads" => "4",
        "admin_bind" => "none",
        // Nothing interrupts a request that stands in a debugger, nor those that wait for it.
        "timeout" | "slow_request" => "0",
        "queue_timeout" => "1h",
        // Each request has a connection of its own, as with Flask's and Django's servers: none is left to a process
        // that has the old code; and that goes at once.
        "keep_alive" | "drain_delay" => "0s",
        "graceful_timeout" => "1s",
        "log_format" => "text",
        _ => return None,
    })
}

/// What frameworks look at, unless somebody has set it: Flask's debug mode, and that a call of `app.run()` in the module is
/// not meant, as with `flask run`.
pub fn offer_variables(variables: &mut Variables, env: Env<'_>) {
    for (name, value) in [("FLASK_DEBUG", "1"), ("FLASK_RUN_FROM_CLI", "true")] {
        if variables.get(name).is_none() && env(name).is_none() {
            variables.set(Variable { name: name.to_owned(), value: value.into() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::options;

    #[test]
    fn every_default_is_one_that_its_option_takes() {
        let command = options::command();
        let with_default: Vec<_> = options::settable(&command)
            .filter_map(|arg| Some((arg, dev_default(arg.get_id().as_str())?)))
            .map(|(arg, value)| options::check(arg, &value.into(), "x").map(|()| value))
            .collect();
        assert_eq!(with_default.len(), 9, "{with_default:?}");
        assert!(with_default.iter().all(Result::is_ok), "{with_default:?}");
        assert_eq!(dev_default("threads"), Some(THREADS.to_string().as_str()));
    }

    #[test]
    fn what_is_set_stays() {
        let mut variables = Variables::default();
        offer_variables(&mut variables, &|name| (name == "FLASK_DEBUG").then(|| "0".into()));
        assert_eq!(variables.names(), "FLASK_RUN_FROM_CLI");
    }
}
