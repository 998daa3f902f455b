//! Configuration: what the operator may set, where it may come from, and what it becomes.
//!
//! `options` is the one definition of every option; `sources` and `file` read the layers below the command line;
//! `resolve` ranks them (flag > env > file > container > default) and builds `settings`, plain structs of which each
//! room gets its own. Called by `cli`. Touches the configuration file and nothing else: the environment and the host's
//! facts are handed in. Never reads the process environment and never logs.

pub mod access_format;
pub mod addresses;
pub mod body_sizes;
pub mod colour;
mod dev_defaults;
pub mod dev_options;
mod dotenv;
pub mod error;
mod file;
pub mod found;
pub mod gunicorn;
pub mod keywords;
pub mod log_options;
pub mod options;
mod reading;
pub mod reference;
mod refusal;
pub mod report;
pub mod resolve;
pub mod settings;
pub mod shell_words;
pub mod sizing;
pub mod sources;
pub mod strays;
pub mod trusted;
pub mod values;
pub mod variables;

pub use dev_defaults::dev_default;
pub use error::StartError;
pub use found::Found;
pub use reading::Origin;
pub use report::Report;
pub use resolve::{Purpose, Resolved, resolve};
pub use settings::{
    AdminBind, Bind, Buffers, Dev, Edge, Life, Limits, LogFormat, Logs, Mount, Serve, Settings, StaticFiles,
};
pub use sizing::Host;
pub use sources::Source;
pub use trusted::TrustedPeers;
pub use variables::{Variable, Variables};
