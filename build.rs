//! Tells the crate which CPython it is built for, and the binary where that CPython's library lies.

fn main() {
    pyo3_build_config::use_pyo3_cfgs();
    // A shared libpython outside the system's directories (pyenv, /usr/local) is found without LD_LIBRARY_PATH.
    pyo3_build_config::add_libpython_rpath_link_args();
    let version = pyo3_build_config::get().version();
    println!("cargo:rustc-env=MONOPOD_PYTHON_VERSION={}.{}", version.major, version.minor);
    let library_dir = pyo3_build_config::get().lib_dir().unwrap_or_default();
    println!("cargo:rustc-env=MONOPOD_PYTHON_LIBRARY_DIR={library_dir}");
    println!("cargo:rerun-if-changed=build.rs");
}
