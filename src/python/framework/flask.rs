//! Flask: the static folder of the application, and those of its blueprints.

use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::{imported, mount};
use crate::config::found::Found;

/// How the rule of a static folder ends.
const FILES: &str = "/<path:filename>";

/// The application of `module` as `flask run` finds it, or makes it of what `named` says: what stands behind the colon in
/// FLASK_APP. `None`: nothing here is Flask's.
///
/// # Errors
/// Within: `flask.cli.NoAppException`, whose text says what to do, or what a factory raised.
pub fn application<'py>(
    module: &Bound<'py, PyAny>,
    named: Option<&str>,
) -> PyResult<Option<PyResult<Bound<'py, PyAny>>>> {
    if imported(module.py(), "flask")?.is_none() {
        return Ok(None);
    }
    let cli = module.py().import("flask.cli")?;
    Ok(Some(match named {
        Some(named) => cli.call_method1("find_app_by_string", (module, named)),
        None => cli.call_method1("find_best_app", (module,)),
    }))
}

/// What Flask says, where `error` is that it finds no application.
#[must_use]
pub fn no_application(py: Python<'_>, error: &PyErr) -> Option<String> {
    let class = py.import("flask.cli").and_then(|cli| cli.getattr("NoAppException")).ok()?;
    let is_it = error.matches(py, class).unwrap_or(false);
    is_it.then(|| error.value(py).getattr("message").and_then(|text| text.extract()).ok()).flatten()
}

/// The only Flask application of `module`, and its name.
///
/// # Errors
/// That the module has no dictionary.
pub fn only<'py>(module: &Bound<'py, PyAny>) -> PyResult<Option<(String, Bound<'py, PyAny>)>> {
    let mut found: Option<(String, Bound<'py, PyAny>)> = None;
    for (name, value) in module.getattr("__dict__")?.cast_into::<PyDict>()? {
        if !is_flask(&value)? {
            continue;
        }
        match &found {
            Some((_, other)) if other.is(&value) => {}
            Some(_) => return Ok(None),
            None => found = Some((name.extract()?, value)),
        }
    }
    Ok(found)
}

/// `app` in Werkzeug's debugger, console included, and the PIN that the console asks for; `None`: it is no Flask
/// application in debug mode.
pub fn debugged(app: &Bound<'_, PyAny>) -> PyResult<Option<(Py<PyAny>, Option<String>)>> {
    if !is_flask(app)? || !app.getattr("debug")?.is_truthy()? {
        return Ok(None);
    }
    let py = app.py();
    let options = PyDict::new(py);
    options.set_item("evalex", true)?;
    // It tells the PIN by a log that people may not see.
    options.set_item("pin_logging", false)?;
    let debugger = py.import("werkzeug.debug")?.getattr("DebuggedApplication")?;
    let wrapped = debugger.call((app,), Some(&options))?;
    let pin = wrapped.getattr("pin")?.extract()?;
    Ok(Some((wrapped.unbind(), pin)))
}

/// Those of the application and of its blueprints.
pub fn template_dirs(app: &Bound<'_, PyAny>, dirs: &mut Vec<PathBuf>) -> PyResult<()> {
    let app = &within_debugger(app)?;
    if !is_flask(app)? {
        return Ok(());
    }
    let blueprints = app.getattr("blueprints")?.call_method0("values")?;
    for owner in std::iter::once(Ok(app.clone())).chain(blueprints.try_iter()?) {
        let loader = owner?.getattr("jinja_loader")?;
        let Some(paths) = loader.getattr_opt("searchpath")? else { continue };
        for dir in paths.try_iter()? {
            dirs.push(dir?.str()?.extract()?);
        }
    }
    Ok(())
}

/// What Werkzeug's debugger is around, if it is that.
fn within_debugger<'py>(app: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let Some(debug) = imported(app.py(), "werkzeug.debug")? else { return Ok(app.clone()) };
    if app.is_instance(&debug.getattr("DebuggedApplication")?)? { app.getattr("app") } else { Ok(app.clone()) }
}

fn is_flask(app: &Bound<'_, PyAny>) -> PyResult<bool> {
    let Some(flask) = imported(app.py(), "flask")? else { return Ok(false) };
    app.is_instance(&flask.getattr("Flask")?)
}

/// Goes by the application's URL rules, as blueprints may be registered under any prefix, and within one another.
pub fn look(app: &Bound<'_, PyAny>, root_path: &str, found: &mut Found) -> PyResult<()> {
    let app = &within_debugger(app)?;
    if !is_flask(app)? {
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
