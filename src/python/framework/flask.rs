//! Flask: the static folder of the application, and those of its blueprints.

use std::path::PathBuf;

use pyo3::prelude::*;

use super::{imported, mount};
use crate::config::found::Found;

/// How the rule of a static folder ends.
const FILES: &str = "/<path:filename>";

/// Goes by the application's URL rules, as blueprints may be registered under any prefix, and within one another.
pub fn look(app: &Bound<'_, PyAny>, root_path: &str, found: &mut Found) -> PyResult<()> {
    let py = app.py();
    let Some(flask) = imported(py, "flask")? else { return Ok(()) };
    if !app.is_instance(&flask.getattr("Flask")?)? {
        return Ok(());
    }
    found.live |= app.getattr("debug")?.is_truthy()?;
    for rule in app.getattr("url_map")?.call_method0("iter_rules")?.try_iter()? {
        let rule = rule?;
        let endpoint: String = rule.getattr("endpoint")?.extract()?;
        let owner = match endpoint.strip_suffix(".static") {
            Some(blueprint) => app.getattr("blueprints")?.call_method1("get", (blueprint,))?,
            None if endpoint == "static" => app.clone(),
            None => continue,
        };
        let pattern: String = rule.getattr("rule")?.extract()?;
        let Some(url) = pattern.strip_suffix(FILES).filter(|url| !url.contains('<')) else { continue };
        // What is there on one host only is left to Flask.
        let on_one_host = rule.getattr("host")?.is_truthy()? || rule.getattr("subdomain")?.is_truthy()?;
        if on_one_host || owner.is_none() || !owner.getattr("has_static_folder")?.is_truthy()? {
            continue;
        }
        // Every Flask application names a folder, whether or not it has one.
        let folder: PathBuf = owner.getattr("static_folder")?.extract()?;
        let url = if url.is_empty() { "/" } else { url };
        found.mounts.extend(mount(url, folder, root_path).filter(|mount| mount.dir.is_dir()));
    }
    Ok(())
}
