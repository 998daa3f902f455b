//! docs/configuration.md says what the options are: it is rendered from their definition.

use std::path::Path;

/// Compares the page with what the options render to; `MONOPOD_BLESS=1 cargo test --test docs` writes it anew.
#[test]
fn the_configuration_page_is_what_the_options_say() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let rendered = monopod::config::reference::reference();
    if std::env::var_os("MONOPOD_BLESS").is_some() {
        std::fs::write(&page, &rendered).unwrap();
    }
    let written = std::fs::read_to_string(&page).unwrap_or_default();
    assert!(
        written == rendered,
        "docs/configuration.md is out of date: run MONOPOD_BLESS=1 cargo test --test docs and commit the page"
    );
}
