//! From TARGET to a callable: `module:callable`, `module:factory()`, `module`, `path/app.py`, or nothing at all.
//!
//! Runs on the main thread, before the pool exists. Without a target it looks where Django and Flask users keep
//! their application. What it imports is imported as `python3 -c` would: the working directory comes first.

use std::path::{Path, PathBuf};

use pyo3::exceptions::{PyAttributeError, PyModuleNotFoundError};
use pyo3::prelude::*;
use pyo3::types::{PyString, PyType};

use super::framework::flask;
use crate::config::error::StartError;

/// A loaded application and where it was found.
pub struct Loaded {
    pub callable: Py<PyAny>,
    /// As the operator would name it: `module:callable`.
    pub name: String,
}

/// Why there is no application.
pub struct LoadError {
    pub error: StartError,
    /// What the application raised, which nobody has seen yet.
    pub exception: Option<PyErr>,
}

impl LoadError {
    /// The sentence, once the traceback is on stderr.
    #[must_use]
    pub fn told(self, py: Python<'_>) -> StartError {
        if let Some(exception) = self.exception {
            exception.display(py);
        }
        self.error
    }
}

impl From<StartError> for LoadError {
    fn from(error: StartError) -> Self {
        Self { error, exception: None }
    }
}

/// Where in the module the callable is.
#[derive(Debug, PartialEq, Eq)]
enum Attribute {
    /// `application`, then `app`, then (Flask's way) a factory.
    Usual,
    Named(String),
    /// `name()`: called without arguments, returns the application.
    Factory(String),
}

/// A target that was read but not yet imported.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    module: Module,
    attribute: Attribute,
}

#[derive(Debug, PartialEq, Eq)]
enum Module {
    Dotted(String),
    File(PathBuf),
}

/// Loads `target`, or finds the application in `cwd`.
///
/// # Errors
/// A sentence, and the exception where the application raised one.
pub fn load(py: Python<'_>, target: Option<&str>, cwd: &Path) -> Result<Loaded, LoadError> {
    prepend_sys_path(py, cwd).map_err(|error| raised(error, "sys.path could not be changed"))?;
    if let Some(text) = target {
        return resolve(py, &parse(text)?, cwd);
    }
    if let Some(loaded) = find_django(py, cwd)? {
        return Ok(loaded);
    }
    let flask_app = std::env::var("FLASK_APP").ok().filter(|text| !text.trim().is_empty());
    if let Some(text) = flask_app {
        return of_flask(py, text.trim(), cwd);
    }
    for name in ["app.py", "wsgi.py"] {
        if cwd.join(name).is_file() {
            return resolve(py, &Target { module: Module::File(name.into()), attribute: Attribute::Usual }, cwd);
        }
    }
    Err(LoadError::from(StartError::usage(format!(
        "no application found in {}: name it, as in `monopod package.module:app`, or run where manage.py, app.py or wsgi.py is (--chdir DIR)",
        cwd.display()
    ))))
}

/// What FLASK_APP says, as Flask reads it: also a factory without brackets, or with arguments.
fn of_flask(py: Python<'_>, text: &str, cwd: &Path) -> Result<Loaded, LoadError> {
    let (module, named) = text.split_once(':').map_or((text, None), |(module, named)| (module, Some(named.trim())));
    let target = parse(module)?;
    let name = module_name(py, &target.module, cwd)?;
    let module = import(py, &name, cwd)?;
    let unreadable = |error| raised(error, "Flask cannot be asked for the application: see the traceback above");
    let Some(found) = flask::application(&module, named).map_err(unreadable)? else {
        return resolve(py, &parse(text)?, cwd);
    };
    let callable = found.map_err(|error| match flask::no_application(py, &error) {
        Some(sentence) => StartError::software(format!("FLASK_APP={text}: {sentence}")).into(),
        None => raised(error, &format!("FLASK_APP={text} raised while it made the application")),
    })?;
    let name = named.map_or_else(|| name.clone(), |named| format!("{name}:{named}"));
    Ok(Loaded { callable: callable.unbind(), name })
}

/// Loads what `--ready-hook` names.
///
/// # Errors
/// As [`load`].
pub fn ready_hook(py: Python<'_>, text: &str, cwd: &Path) -> Result<Py<PyAny>, StartError> {
    let target = parse(text)?;
    let (Module::Dotted(name), Attribute::Named(attribute)) = (&target.module, &target.attribute) else {
        return Err(StartError::usage(format!("--ready-hook wants module:callable, not {text}")));
    };
    let hook = import(py, name, cwd).and_then(|module| find(py, &module, name, attribute));
    let hook = hook
        .map_err(|error| StartError::software(format!("--ready-hook {text} cannot be loaded: {}", error.told(py))))?;
    if !hook.is_callable() || is_coroutine_function(&hook) {
        return Err(StartError::software(format!("{text} is no plain function: check --ready-hook")));
    }
    Ok(hook.unbind())
}

/// Reads a TARGET.
fn parse(text: &str) -> Result<Target, StartError> {
    let (module, attribute) = match text.rsplit_once(':') {
        Some((module, attribute)) => (module, Some(attribute)),
        None => (text, None),
    };
    let attribute = match attribute {
        None => Attribute::Usual,
        Some(name) => match name.strip_suffix("()") {
            Some(factory) => Attribute::Factory(identifier(factory, text)?),
            None if name.contains('(') => {
                return Err(StartError::usage(format!(
                    "{text}: a factory is called without arguments, as in `module:create_app()`; read settings from the environment instead"
                )));
            }
            None => Attribute::Named(identifier(name, text)?),
        },
    };
    let is_file = Path::new(module).extension().is_some_and(|extension| extension == "py") || module.contains('/');
    let module = if is_file { Module::File(module.into()) } else { Module::Dotted(identifier(module, text)?) };
    Ok(Target { module, attribute })
}

/// A dotted name.
fn identifier(name: &str, target: &str) -> Result<String, StartError> {
    let word = |part: &str| {
        part.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_alphanumeric() || c == '_')
    };
    if name.split('.').all(word) {
        return Ok(name.to_owned());
    }
    Err(StartError::usage(format!(
        "{target} names no application: write module:callable, module:factory(), module, or path/app.py"
    )))
}

fn resolve(py: Python<'_>, target: &Target, cwd: &Path) -> Result<Loaded, LoadError> {
    let name = module_name(py, &target.module, cwd)?;
    let module = import(py, &name, cwd)?;
    let (callable, attribute) = match &target.attribute {
        Attribute::Usual => usual(&module, &name)?,
        Attribute::Named(attribute) => (find(py, &module, &name, attribute)?, attribute.clone()),
        Attribute::Factory(factory) => {
            let made = find(py, &module, &name, factory)?.call0();
            let what = format!("{name}:{factory}() raised while it made the application");
            (made.map_err(|error| raised(error, &what))?, format!("{factory}()"))
        }
    };
    let name = format!("{name}:{attribute}");
    callable_only(&callable, &name)?;
    Ok(Loaded { callable: callable.unbind(), name })
}

fn module_name(py: Python<'_>, module: &Module, cwd: &Path) -> Result<String, LoadError> {
    match module {
        Module::Dotted(name) => Ok(name.clone()),
        Module::File(path) => module_of_file(py, &cwd.join(path)),
    }
}

/// Puts the directory a file's top package lies in on `sys.path`; returns the module's dotted name.
fn module_of_file(py: Python<'_>, path: &Path) -> Result<String, LoadError> {
    let path = if path.extension().is_none() { path.with_extension("py") } else { path.to_owned() };
    if !path.is_file() {
        return Err(StartError::usage(format!("there is no file {}: check TARGET and --chdir", path.display())).into());
    }
    let mut parts = vec![stem(&path)];
    let mut dir = path.parent().unwrap_or(Path::new("/"));
    while dir.join("__init__.py").is_file() {
        parts.push(stem(dir));
        dir = dir.parent().unwrap_or(Path::new("/"));
    }
    if parts.first().is_some_and(|name| name == "__init__") {
        parts.remove(0);
    }
    prepend_sys_path(py, dir).map_err(|error| raised(error, "sys.path could not be changed"))?;
    parts.reverse();
    Ok(parts.join("."))
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn prepend_sys_path(py: Python<'_>, dir: &Path) -> PyResult<()> {
    // As str: a pathlib.Path on sys.path is ignored by the import system.
    let dir = dir.as_os_str();
    let path = py.import("sys")?.getattr("path")?;
    if !path.contains(dir)? {
        path.call_method1("insert", (0, dir))?;
    }
    Ok(())
}

fn import<'py>(py: Python<'py>, name: &str, cwd: &Path) -> Result<Bound<'py, PyAny>, LoadError> {
    py.import(name).map(Bound::into_any).map_err(|error| {
        // The module itself (or a package above it) is missing, as against one that it imports.
        let missing = error.is_instance_of::<PyModuleNotFoundError>(py)
            && error
                .value(py)
                .getattr("name")
                .and_then(|missing| missing.extract::<String>())
                .is_ok_and(|missing| name == missing || name.starts_with(&format!("{missing}.")));
        if missing {
            let sentence = format!(
                "there is no module {name} in {} or on sys.path: check TARGET, --chdir and the environment",
                cwd.display()
            );
            return LoadError { error: StartError::NoModule(sentence), exception: Some(error) };
        }
        raised(error, &format!("importing {name} failed: mend what the traceback above says"))
    })
}

fn find<'py>(
    py: Python<'py>,
    module: &Bound<'py, PyAny>,
    name: &str,
    attribute: &str,
) -> Result<Bound<'py, PyAny>, LoadError> {
    let mut found = module.clone();
    for part in attribute.split('.') {
        found = found.getattr(part).map_err(|error| {
            if error.is_instance_of::<PyAttributeError>(py) {
                StartError::software(format!("module {name} has no {attribute}: check what follows `:` in TARGET"))
                    .into()
            } else {
                raised(error, &format!("reading {name}:{attribute} failed"))
            }
        })?;
    }
    Ok(found)
}

/// `application`, `app`, the only Flask application, then Flask's factories `create_app` and `make_app`.
fn usual<'py>(module: &Bound<'py, PyAny>, name: &str) -> Result<(Bound<'py, PyAny>, String), LoadError> {
    for attribute in ["application", "app"] {
        if let Ok(Some(found)) = module.getattr_opt(attribute)
            && found.is_callable()
        {
            return Ok((found, attribute.to_owned()));
        }
    }
    if let Ok(Some((attribute, found))) = flask::only(module) {
        return Ok((found, attribute));
    }
    for factory in ["create_app", "make_app"] {
        if let Ok(Some(found)) = module.getattr_opt(factory)
            && found.is_callable()
        {
            let made = found
                .call0()
                .map_err(|error| raised(error, &format!("{name}:{factory}() raised while it made the application")))?;
            return Ok((made, format!("{factory}()")));
        }
    }
    Err(LoadError::from(StartError::software(format!(
        "module {name} has neither `application` nor `app`: name the callable, as in `{name}:callable`"
    ))))
}

/// Refuses an application that has replaced `threading`: its threads are greenlets of one thread, and the pool would
/// never start.
///
/// # Errors
/// `StartError` (70) naming the library.
pub fn refuse_patched_threads(py: Python<'_>) -> Result<(), StartError> {
    let patched = |module: &str, question: &str, of: &str| -> PyResult<bool> {
        let modules = py.import("sys")?.getattr("modules")?;
        let Ok(module) = modules.get_item(module) else { return Ok(false) };
        module.call_method1(question, (of,))?.is_truthy()
    };
    for (library, module, question, of) in [
        ("gevent", "gevent.monkey", "is_module_patched", "threading"),
        ("eventlet", "eventlet.patcher", "is_monkey_patched", "thread"),
    ] {
        if patched(module, question, of).unwrap_or(false) {
            return Err(StartError::software(format!(
                "the application has patched threading with {library}, and monopod runs it on real threads: remove the monkey patching"
            )));
        }
    }
    Ok(())
}

/// Why an object is no WSGI application, if it is none.
#[must_use]
pub fn no_application(object: &Bound<'_, PyAny>) -> Option<&'static str> {
    if !object.is_callable() {
        return Some("is not callable, so it is no WSGI application");
    }
    let is_class = object.cast::<PyType>().is_ok();
    (!is_class && is_coroutine_function(object))
        .then_some("is an ASGI application: monopod serves WSGI; use its WSGI callable")
}

fn callable_only(callable: &Bound<'_, PyAny>, name: &str) -> Result<(), StartError> {
    let advice = if callable.is_callable() { "" } else { ": check TARGET" };
    no_application(callable).map_or(Ok(()), |why| Err(StartError::software(format!("{name} {why}{advice}"))))
}

/// An `async def` callable, or an object with an async `__call__`: ASGI.
fn is_coroutine_function(callable: &Bound<'_, PyAny>) -> bool {
    let check = || -> PyResult<bool> {
        let iscoroutinefunction = callable.py().import("inspect")?.getattr("iscoroutinefunction")?;
        if iscoroutinefunction.call1((callable,))?.is_truthy()? {
            return Ok(true);
        }
        match callable.getattr_opt("__call__")? {
            Some(call) => iscoroutinefunction.call1((call,))?.is_truthy(),
            None => Ok(false),
        }
    };
    check().unwrap_or(false)
}

/// A Django project by DJANGO_SETTINGS_MODULE or manage.py: its WSGI_APPLICATION, else Django's own.
fn find_django(py: Python<'_>, cwd: &Path) -> Result<Option<Loaded>, LoadError> {
    let named = std::env::var("DJANGO_SETTINGS_MODULE").ok().filter(|name| !name.trim().is_empty());
    if named.is_none() {
        let Some(settings) = settings_in_manage_py(cwd) else { return Ok(None) };
        let set = py.import("os").and_then(|os| os.getattr("environ")?.set_item("DJANGO_SETTINGS_MODULE", settings));
        set.map_err(|error| raised(error, "DJANGO_SETTINGS_MODULE could not be set"))?;
    }
    let settings = import(py, "django.conf", cwd)?;
    let wsgi = settings.getattr("settings").and_then(|settings| settings.getattr("WSGI_APPLICATION"));
    let wsgi =
        wsgi.map_err(|error| raised(error, "Django's settings cannot be loaded: mend what the traceback above says"))?;
    let Ok(path) = wsgi.cast::<PyString>() else {
        let module = import(py, "django.core.wsgi", cwd)?;
        let made = module.call_method0("get_wsgi_application");
        let callable =
            made.map_err(|error| raised(error, "Django cannot start: mend what the traceback above says"))?;
        return Ok(Some(Loaded {
            callable: callable.unbind(),
            name: "django.core.wsgi:get_wsgi_application()".into(),
        }));
    };
    let path = path.to_string();
    let Some((module, attribute)) = path.rsplit_once('.') else {
        return Err(LoadError::from(StartError::config(format!(
            "WSGI_APPLICATION is {path:?}, which is not a dotted path to a callable"
        ))));
    };
    let target = Target { module: Module::Dotted(module.into()), attribute: Attribute::Named(attribute.into()) };
    resolve(py, &target, cwd).map(Some)
}

/// The settings module that `manage.py` sets by default.
fn settings_in_manage_py(cwd: &Path) -> Option<String> {
    let text = std::fs::read_to_string(cwd.join("manage.py")).ok()?;
    let after = text.split("DJANGO_SETTINGS_MODULE").nth(1)?;
    let quoted = after.split(['"', '\'']).nth(2)?;
    (!quoted.is_empty() && !quoted.contains(char::is_whitespace)).then(|| quoted.to_owned())
}

/// The sentence, and what the application raised.
fn raised(exception: PyErr, sentence: &str) -> LoadError {
    LoadError { error: StartError::software(sentence), exception: Some(exception) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn target_forms() {
        let dotted = |name: &str| Module::Dotted(name.into());
        for (text, module, attribute) in [
            ("pkg.wsgi", dotted("pkg.wsgi"), Attribute::Usual),
            ("pkg.wsgi:app", dotted("pkg.wsgi"), Attribute::Named("app".into())),
            ("pkg:obj.app", dotted("pkg"), Attribute::Named("obj.app".into())),
            ("pkg:create()", dotted("pkg"), Attribute::Factory("create".into())),
            ("path/app.py", Module::File("path/app.py".into()), Attribute::Usual),
            ("app.py:api", Module::File("app.py".into()), Attribute::Named("api".into())),
        ] {
            assert_eq!(parse(text).unwrap(), Target { module, attribute }, "{text}");
        }
        for text in ["", ":", "pkg:", "pkg:create(1)", "pkg wsgi", "1pkg:app", "pkg:a-b", "pkg..wsgi"] {
            assert_eq!(parse(text).unwrap_err().exit_code(), 64, "{text:?}");
        }
    }

    #[test]
    fn the_settings_module_is_read_from_manage_py() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(settings_in_manage_py(dir.path()), None);
        for (text, found) in [
            ("os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'mysite.settings')", Some("mysite.settings")),
            ("    os.environ.setdefault(\"DJANGO_SETTINGS_MODULE\", \"a.b\")", Some("a.b")),
            ("print('no settings')", None),
            ("DJANGO_SETTINGS_MODULE", None),
        ] {
            std::fs::write(dir.path().join("manage.py"), text).unwrap();
            assert_eq!(settings_in_manage_py(dir.path()).as_deref(), found, "{text}");
        }
    }
}
